// The page of a server that asks callers who they are.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openBrowser, openPage } from './browser.mjs';
import { startServer } from './realServer.mjs';

let folder;
let server;
let browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  const hash = key => createHash('sha256').update(key).digest('hex');
  writeFileSync(join(folder, 'keys'), `viewer:${hash('look')}:metadata\noperator:${hash('act')}:metadata,control,infer\n`);
  server = await startServer('--auth-api-keys', join(folder, 'keys'), '--auth-open-scopes', 'health,metadata');
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function giveToken(page, token) {
  await page.getByRole('button', { name: /^(Read only: allow actions|Actions are allowed)$/ }).click();
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Use the token' }).click();
}

test('what is open is read without a token, what is not says so, and scopes hold', async () => {
  const { page, close } = await openPage(browser, server.address, { expectsErrors: true });
  await page.getByRole('rowheader', { name: 'digits', exact: true }).click();
  const unload = page.getByRole('button', { name: 'Unload', exact: true });
  await unload.waitFor();
  assert.equal(await unload.isDisabled(), true);

  await giveToken(page, 'look');
  await unload.click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Unload' }).click();
  await dialog.getByRole('alert').getByText("caller 'viewer' has no scope 'control'").waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();

  await giveToken(page, 'act');
  await unload.click();
  await dialog.getByRole('button', { name: 'Unload' }).click();
  await page.getByText('No active endpoints.').waitFor();
  assert.equal((await fetch(`${server.address}/v2/models/digits/ready`)).status, 400);
  await page.getByRole('link', { name: 'Registry' }).click();
  await page.getByRole('button', { name: 'Load digits', exact: true }).click();
  await page.locator('.repository').getByRole('row', { name: /digits 1 ready/ }).waitFor();
  await close();
});

test('a call without the credentials that it needs leads to the question for them', async () => {
  const { page, close } = await openPage(browser, `${server.address}/audit`, { expectsErrors: true });
  await page.getByText('The server asks for credentials.').waitFor();
  await page.getByRole('button', { name: 'Give a token' }).click();
  await page.getByLabel('Token').fill('act');
  await page.getByRole('button', { name: 'Use the token' }).click();
  await page.getByText('Nobody has changed anything yet.').waitFor();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await close();
});
