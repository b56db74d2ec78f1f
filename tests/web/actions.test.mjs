// Credentials, actions, canaries, registry, audit log and playground, against an API that the test fills.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openBrowser, openPage, picture } from './browser.mjs';
import { eventually } from './eventually.mjs';
import { endpoint, instance, startFake } from './fakeServer.mjs';

let fake;
let browser;

before(async () => {
  fake = await startFake();
  browser = await openBrowser();
});

after(async () => {
  await browser.close();
  await fake.stop();
});

const arm = (name, share, change = {}) => ({
  endpoint: name, share, actualShare: share, requestCount: '100', failureCount: '2', requestsPerMinute: 10, latencyMs: 1.5, p50Ms: 1, p90Ms: 2, p99Ms: 3,
  errorRate: 0.02, ...change,
});

const model = (number, change = {}) => ({
  id: `m${number}`, name: `net ${number}`, project: 'demo', tags: ['one'], systemTags: [], framework: 'onnx', published: false, archived: false,
  createdAt: `2026-01-0${number}T10:00:00Z`, createdOrder: String(number), fileName: 'model.onnx', sizeBytes: '1234567', sha256: 'ab'.repeat(32), comment: '',
  ...change,
});

beforeEach(() => {
  fake.asks = false;
  fake.requests = [];
  fake.instances = [instance(1)];
  fake.endpoints = [
    endpoint(1), endpoint(2, { name: 'digits', kind: 'MODEL', serviceId: '' }),
    endpoint(3, { name: 'split', kind: 'CANARY', modelName: '', arms: [arm('digits/2', 0.1), arm('digits/1', 0.9, { actualShare: 0.88 })] }),
  ];
  fake.canary = { endpoint: 'split', weights: [0.1, 0.9], loadEndpoints: ['digits/2', 'digits/1'], stickyHeader: 'x-user' };
  fake.models = [model(1), model(2, { published: true, tags: ['one', 'two'] })];
  fake.repository = [{ name: 'digits', version: '1', state: 'READY', reason: '' }, { name: 'bad', version: '1', state: 'UNAVAILABLE', reason: 'opset 99' }];
  fake.audit = [
    {
      id: '2', at: '2026-01-02T00:00:00Z', actor: 'ann', action: 'endpoint.put', serviceId: 's1', target: 'digits/1', revision: '2',
      before: { version: '1', model_id: 'a' }, after: { version: '1', model_id: 'b' },
    },
    { id: '1', at: '2026-01-01T00:00:00Z', actor: 'bob', action: 'canary.put', serviceId: 's1', target: 'split', revision: '1', before: null, after: { weights: [1] } },
  ];
});

const changes = () => fake.requests.filter(({ method, path }) => method !== 'GET' && !path.endsWith('/index'));

async function allow(page) {
  await page.getByRole('button', { name: 'Read only: allow actions' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Allow actions' }).click();
}

test('nothing can be changed before actions are allowed', async () => {
  const { page, close } = await openPage(browser, `${fake.address}/endpoints/active/${fake.endpoints[0].id}/general`);
  const unload = page.getByRole('button', { name: 'Unload' });
  await unload.waitFor();
  assert.equal(await unload.isDisabled(), true);
  await page.getByRole('link', { name: 'Canaries' }).click();
  assert.equal(await page.getByRole('button', { name: 'Change weights' }).isDisabled(), true);
  await page.getByRole('link', { name: 'Registry' }).click();
  await page.getByRole('button', { name: 'Load digits', exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Load digits', exact: true }).isDisabled(), true);
  await page.getByText('net 1', { exact: true }).click();
  assert.equal(await page.getByRole('button', { name: 'Publish' }).isDisabled(), true);
  assert.deepEqual(changes(), []);
  await close();
});

test('a server that asks gets the token with each call, and the tab alone keeps it', async () => {
  fake.asks = true;
  const { page, close } = await openPage(browser, fake.address, { expectsErrors: true });
  await page.getByText('The server asks for credentials.').waitFor();
  await page.getByRole('button', { name: 'Give a token' }).click();
  await page.getByLabel('Token').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Give a token' }).click();
  await page.getByLabel('Token').fill('secret');
  await page.keyboard.press('Enter');
  await page.getByText('model_1/1', { exact: true }).click();
  await page.getByRole('button', { name: 'Unload' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unload' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(changes().map(({ method, path, authorization }) => [method, path, authorization]),
    [['DELETE', '/v1/services/s1/endpoints/model_1/1', 'Bearer secret']]);
  assert.equal(await page.evaluate(() => Object.values(localStorage).join().includes('secret')), false);
  await page.reload();
  await page.getByText('model_1/1', { exact: true }).first().waitFor();
  await close();
});

test('models of the repository are loaded and unloaded', async () => {
  const { page, close } = await openPage(browser, `${fake.address}/registry`);
  await allow(page);
  await page.getByRole('button', { name: 'Load bad', exact: true }).click();
  await page.getByRole('button', { name: 'Unload digits', exact: true }).click();
  await eventually('both calls', 30, async () => changes().length === 2);
  assert.deepEqual(changes().map(({ path }) => path).sort(), ['/v2/repository/models/bad/load', '/v2/repository/models/digits/unload']);
  await page.waitForFunction(() => !document.querySelector('.repository button[aria-label="Unload digits"]').disabled);
  await close();
});

test('canaries show their arms, and new weights keep all else of them', async () => {
  const { page, close } = await openPage(browser, `${fake.address}/canaries`);
  await page.locator('.plain tbody tr').nth(1).waitFor();
  const arms = await page.locator('.plain tbody tr').allInnerTexts();
  assert.match(arms[1], /digits\/1\s+90%\s+88%\s+100\s+2\s+10\s+1\.50\s+1\.00\s+2\.00\s+3\.00\s+2%/);
  await picture(page, 'canaries');
  await allow(page);
  await page.getByRole('button', { name: 'Change weights' }).click();
  await page.getByLabel('digits/2').fill('0.4');
  await page.getByLabel('digits/1').fill('-1');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByLabel('digits/1').fill('0.6');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const [{ path, query, body }] = changes();
  assert.deepEqual([path, query], ['/v1/services/s1/canaries', { expected_revision: '7' }]);
  assert.deepEqual(JSON.parse(body), { endpoint: 'split', weights: [0.4, 0.6], loadEndpoints: ['digits/2', 'digits/1'], stickyHeader: 'x-user' });
  await close();
});

test('an arm is promoted: it gets all calls', async () => {
  const { page, close } = await openPage(browser, `${fake.address}/canaries`);
  await allow(page);
  await page.getByRole('button', { name: 'Change weights' }).click();
  await page.getByRole('button', { name: 'Promote' }).first().click();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(JSON.parse(changes()[0].body).weights, [1, 0]);
  await close();
});

test('the registry says what serves a model', async () => {
  const { page, close } = await openPage(browser, `${fake.address}/registry`);
  // The endpoints, of which the row names one, are read beside the models.
  await page.locator('tbody tr[data-index="1"]').getByText('model_1/1', { exact: true }).waitFor();
  const row = await page.locator('tbody tr[data-index="1"] > *').allInnerTexts();
  assert.deepEqual(row.slice(0, 7).map(text => text.trim()), ['net 1', 'demo', 'onnx', 'model_1/1', '1', 'one', 'draft']);
  await page.getByRole('button', { name: 'Filter TAGS' }).click();
  await page.getByRole('checkbox', { name: /two/ }).check();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('tr[data-index]').count(), 1);
  await close();
});

test('the audit log says what was changed', async () => {
  const { page, close } = await openPage(browser, `${fake.address}/audit`);
  await page.getByText('model_id: a → b').click();
  const dialog = page.getByRole('dialog');
  assert.match(await dialog.locator('pre').first().innerText(), /"model_id": "a"/);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Read older ones' }).click();
  await page.getByText('That is all').waitFor();
  await close();
});

test('all that can be used has a name, in every view', async () => {
  const id = fake.endpoints[0].id;
  for (const path of ['/', '/endpoints/loading', '/endpoints/failing', `/endpoints/active/${id}/general`, `/endpoints/active/${id}/monitor`,
    `/endpoints/active/${id}/log`, '/canaries', '/registry', '/audit']) {
    const { page, close } = await openPage(browser, fake.address + path);
    await page.locator('main :is(th, h2, figure)').first().waitFor();
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select, textarea, a, [role=img], table, [role=separator]')].filter(
      element => !(element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.length || element.caption)).map(element => element.outerHTML));
    assert.deepEqual(nameless, [], path);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at)), []);
    await close();
  }
});

test('all can be reached by the keyboard, and what has the focus is seen', async () => {
  const { page, close } = await openPage(browser, fake.address);
  await page.locator('tbody th[scope=row]').first().waitFor();
  const reached = new Set();
  for (let step = 0; step < 80 && !reached.has('row'); step++) {
    await page.keyboard.press('Tab');
    const { name, outline } = await page.evaluate(() => {
      const element = document.activeElement;
      return {
        name: element.matches('tr') ? 'row' : element.getAttribute('aria-label') ?? element.textContent.trim(),
        outline: getComputedStyle(element).outlineStyle,
      };
    });
    reached.add(name);
    assert.notEqual(outline, 'none', name);
  }

  for (const name of ['Canaries', 'Refresh now', 'Theme: system', 'Search Active endpoints', 'Details', 'Columns', 'Download CSV', 'Filter MODEL', 'Width of URL', 'row']) {
    assert.ok(reached.has(name), `${name} is not reached: ${[...reached].join(', ')}`);
  }

  await close();
});
