// The page of the server itself, with endpoints, a canary, a broken model, and load.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openBrowser, openPage, picture } from './browser.mjs';
import { eventually } from './eventually.mjs';
import { fill, load, startServer } from './realServer.mjs';

// The README's pictures have some minutes of load behind them: SLUICE_PICTURE_SECONDS=420 node --test tests/web/real.test.mjs
const pictureSeconds = Number(process.env.SLUICE_PICTURE_SECONDS ?? 0);

let server;
let browser;
let made;

before(async () => {
  server = await startServer();
  made = await fill(server);
  browser = await openBrowser();
  await load(server, 'digits/1', 200, 10);
  await load(server, 'digits_canary', 300);
});

after(async () => {
  await browser?.close();
  await server?.dispose();
});

const withPage = (name, path, run, options = {}) => test(name, async () => {
  const opened = await openPage(browser, server.address + path, options);
  await run(opened.page);
  await opened.close();
});

const row = async (page, name) => {
  const cells = page.locator('tr[data-index]').filter({ has: page.getByRole('rowheader', { name, exact: true }) }).locator('> *');
  await cells.first().waitFor();
  return (await cells.allInnerTexts()).map(text => text.trim());
};

async function allow(page) {
  await page.getByRole('button', { name: 'Read only: allow actions' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Allow actions' }).click();
}

const open = async (page, name) => {
  await page.getByRole('rowheader', { name, exact: true }).click();
  await page.getByRole('heading', { name, exact: true }).waitFor();
};

withPage('the page is painted at once and needs little', '/', async page => {
  await page.getByRole('rowheader', { name: 'digits/1', exact: true }).waitFor();
  // A machine that is busy with something else paints late, but not each of so many times.
  const paints = [];
  for (let round = 0; round < 20 && (round < 3 || Math.min(...paints) >= 1000); round++) {
    await page.reload();
    await page.getByRole('rowheader', { name: 'digits/1', exact: true }).waitFor();
    const paint = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    paints.push(await paint.jsonValue());
  }

  const scripts = await page.evaluate(() =>
    performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js')).reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0));
  assert.ok(Math.min(...paints) < 1000, `painted after ${paints} ms`);
  assert.ok(scripts > 0 && scripts < 250_000, `${scripts} bytes of script`);
});

withPage('endpoints of all kinds are rows, with what was asked of them', '/', async page => {
  const digits = await row(page, 'digits/1');
  assert.deepEqual([digits[1], digits[3], digits[12]], ['digits', '1', 'static']);
  const [two, canary] = [await row(page, 'digits/2'), await row(page, 'digits_canary')];
  const count = cells => Number(cells[5].replaceAll(',', ''));
  assert.equal(count(canary), 300);
  assert.equal(count(digits) + count(two), 500);
  assert.equal(canary[12], 'canary');
  assert.equal((await row(page, 'digits'))[12], 'model');
  const echo = await row(page, 'echo');
  assert.deepEqual([echo[1], echo[12]], ['N/A', 'static']);
  const auto = await row(page, 'auto/1');
  assert.deepEqual([auto[1], auto[12]], ['digits', 'auto-update']);
  assert.match(digits[11], /^\d+(\.\d+)?%$/);
});

withPage('the details count failures and group replicas', '/', async page => {
  await open(page, 'digits/1');
  const facts = Object.fromEntries(await page.locator('.facts > div').evaluateAll(
    rows => rows.map(one => [one.querySelector('dt').textContent, one.querySelector('dd').textContent.trim()])));
  assert.equal(facts['# FAILED'], '10');
  assert.match(facts['ENDPOINT URL'], /\/serve\/digits\/1$/);
  assert.equal(await page.locator('.plain tbody tr').count(), 1);
});

withPage('a broken endpoint says why', '/endpoints/failing', async page => {
  assert.match((await row(page, 'broken'))[4], /is incomplete or no ONNX file/);
  await open(page, 'broken');
  await page.locator('pre.error').getByText('no ONNX file').waitFor();
});

withPage('code that fails is told of with the last lines that it wrote', '/endpoints/failing', async page => {
  assert.match((await row(page, 'crashing'))[4], /the weights are not there/);
  await open(page, 'crashing');
  await page.locator('pre.log').getByText('reading the weights').waitFor();
});

withPage('code is tried with any JSON', '/', async page => {
  await open(page, 'echo');
  await page.getByRole('link', { name: 'PLAYGROUND' }).click();
  await page.getByLabel('Body').fill('{"x": [1, 2]}');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('region', { name: 'Reply' }).getByText('200', { exact: true }).waitFor();
  assert.match(await page.getByRole('region', { name: 'Reply' }).locator('pre').innerText(), /"got": \{\s+"x": \[1, 2\]/);
}, { expectsErrors: true });

withPage('a request made of the metadata is sent, and its reply is shown with its timing', '/', async page => {
  await open(page, 'digits/1');
  await page.getByRole('link', { name: 'PLAYGROUND' }).click();
  await page.getByText('FP32 [-1, 64]').waitFor();
  await page.getByRole('button', { name: 'Random' }).click();
  await page.getByRole('button', { name: 'Send' }).click();
  const reply = page.getByRole('region', { name: 'Reply' });
  await reply.getByText('200', { exact: true }).waitFor();
  assert.match(await reply.locator('pre').innerText(), /"name": "probabilities"[^]*"shape": \[1, 10\]/);
  assert.match(await reply.innerText(), /queue .* ms/);
  await page.getByLabel('Data of image').fill('[1, 2]');
  await page.getByRole('button', { name: 'Send' }).click();
  await reply.getByText('400', { exact: true }).waitFor();

  await page.getByRole('button', { name: 'JSON to /serve' }).click();
  await page.getByRole('button', { name: 'Send' }).click();
  await reply.getByText('200', { exact: true }).waitFor();
  assert.match(await reply.locator('pre').innerText(), /"probabilities": \[/);
}, { expectsErrors: true });

withPage('the canary shows its arms, and its weights are changed', '/canaries', async page => {
  const arms = page.locator('.plain tbody tr');
  await arms.first().waitFor();
  const texts = await arms.allInnerTexts();
  const counts = texts.map(text => Number(text.trim().split(/\s+/)[3]));
  assert.equal(counts[0] + counts[1], 300);
  assert.ok(counts[0] > 20 && counts[0] < 120, `${counts}`);
  await allow(page);
  await page.getByRole('button', { name: 'Change weights' }).click();
  await page.getByRole('button', { name: 'Promote' }).first().click();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const canary = await server.call('GET', `/v1/services/${made.serviceId}/canaries/digits_canary`);
  assert.deepEqual([canary.weights, canary.loadEndpoints], [[1, 0], ['digits/2', 'digits/1']]);
});

withPage('a canary by prefix shows the newest versions that serve, and follows them', '/canaries', async page => {
  const services = `/v1/services/${made.serviceId}`;
  const bytes = readFileSync(join(import.meta.dirname, '../../examples/models/digits/1/model.onnx'));
  const { id } = await server.call('PUT', '/v1/models:upload?name=numbers&project=demo&file_name=model.onnx&framework=onnx', bytes);
  const { id: broken } = await server.call(
    'PUT', '/v1/models:upload?name=noise&project=demo&file_name=model.onnx&framework=onnx', new TextEncoder().encode('no model at all'));
  const serve = (version, modelId) => server.call('POST', `${services}/endpoints`, { engineType: 'triton', servingUrl: 'number', version, modelId });
  const isReady = name => eventually(name, 30, async () => (await fetch(`${server.address}/health/endpoints/${name}`)).ok);
  for (const version of ['2', '9', '10']) {
    await serve(version, id);
    await isReady(`number/${version}`);
  }

  // The newest of all cannot be loaded, and one that only begins like the prefix is none of its versions.
  await serve('11', broken);
  await server.call('POST', `${services}/endpoints`, { engineType: 'triton', servingUrl: 'numbers', version: '99', modelId: id });
  await isReady('numbers/99');
  await server.call('POST', `${services}/canaries`, { endpoint: 'by_prefix', weights: [0.2, 0.3, 0.5], loadEndpointPrefix: 'number/', stickyHeader: 'x-user' });
  await isReady('by_prefix');
  await load(server, 'by_prefix', 400);

  const card = page.getByRole('region', { name: 'by_prefix', exact: true });
  const arms = async () => (await card.locator('tbody tr').allInnerTexts()).map(text => text.trim().split(/\s+/));
  const shows = (what, names, calls) => eventually(what, 30, async () => {
    await page.getByRole('button', { name: 'Refresh now' }).click();
    const now = await arms();
    return JSON.stringify(now.map(([name]) => name)) === JSON.stringify(names) && now.reduce((sum, cells) => sum + Number(cells[3]), 0) === calls;
  });
  await shows('the arms', ['number/10', 'number/9', 'number/2'], 400);
  assert.deepEqual((await arms()).map(([, share]) => share), ['20%', '30%', '50%']);
  const counts = (await arms()).map(cells => Number(cells[3]));
  for (const [place, share] of [0.2, 0.3, 0.5].entries()) {
    assert.ok(Math.abs(counts[place] - 400 * share) < 60, `${counts}`);
  }

  // Each weight is named by the version that it is of, and what is saved keeps the prefix.
  await allow(page);
  await card.getByRole('button', { name: 'Change weights' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('number/10').fill('0.6');
  await dialog.getByLabel('number/2').fill('0.1');
  assert.deepEqual(await dialog.locator('label').allInnerTexts(), ['number/10', 'number/9', 'number/2']);
  await picture(page, 'real-canary-by-prefix');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  const saved = await server.call('GET', `${services}/canaries/by_prefix`);
  assert.deepEqual([saved.weights, saved.loadEndpointPrefix, saved.loadEndpoints, saved.stickyHeader], [[0.6, 0.3, 0.1], 'number/', [], 'x-user']);

  // A newer version takes the first weight. The oldest gets no more calls, but those that it had stay counted.
  await serve('12', id);
  await isReady('number/12');
  await shows('the newer version', ['number/12', 'number/10', 'number/9', 'number/2'], 400);
  assert.deepEqual((await arms()).map(([, share]) => share), ['60%', '30%', '10%', '0%']);
  assert.deepEqual((await arms()).map(cells => Number(cells[3])), [0, ...counts]);
  await card.getByRole('button', { name: 'Change weights' }).click();
  await dialog.getByLabel('number/9').waitFor();
  assert.deepEqual(await dialog.locator('label').allInnerTexts(), ['number/12', 'number/10', 'number/9']);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await load(server, 'by_prefix', 100);
  await eventually('calls of the newer version', 30, async () => {
    await page.getByRole('button', { name: 'Refresh now' }).click();
    return Number((await arms())[0][3]) > 20;
  });
  await server.call('DELETE', `${services}/canaries/by_prefix`);
  for (const name of ['number/2', 'number/9', 'number/10', 'number/11', 'number/12', 'numbers/99']) await server.call('DELETE', `${services}/endpoints/${name}`);
});

withPage('models are described, tagged and served from the registry', '/registry', async page => {
  await page.getByRole('searchbox', { name: 'Search Models' }).fill(made.modelId);
  // The endpoints, of which the row names one, are read beside the models.
  await page.locator('tr[data-index]').getByRole('link', { name: 'digits/1', exact: true }).waitFor();
  assert.equal((await row(page, 'digits'))[3], 'digits/1');
  await allow(page);
  await page.getByRole('rowheader', { name: 'digits', exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Tags, with commas').fill('demo, chosen');
  await dialog.getByRole('button', { name: 'Save tags' }).click();
  await dialog.getByText('Tags: done').waitFor();
  await dialog.getByRole('button', { name: 'Publish' }).click();
  await dialog.getByText('Publish: done').waitFor();
  await dialog.getByLabel('Endpoint').fill('third');
  await dialog.getByRole('button', { name: 'Load as endpoint' }).click();
  await dialog.getByText('Load: done').waitFor();
  const model = await server.call('GET', `/v1/models/${made.modelId}`);
  assert.deepEqual([model.tags, model.published], [['demo', 'chosen'], true]);
  await eventually('third', 30, async () => (await fetch(`${server.address}/health/endpoints/third`)).ok);
});

withPage('an endpoint and a model are unloaded', '/', async page => {
  await allow(page);
  await open(page, 'third');
  await page.getByRole('button', { name: 'Unload' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unload' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await eventually('third is gone', 30, async () => (await fetch(`${server.address}/health/endpoints/third`)).status === 404);
  await page.getByRole('link', { name: 'Registry' }).click();
  await page.getByRole('button', { name: 'Load simple', exact: true }).click();
  await page.locator('.repository').getByRole('row', { name: /simple 1 ready/ }).waitFor();
  await page.getByRole('button', { name: 'Unload simple', exact: true }).click();
  await page.locator('.repository').getByRole('row', { name: /simple .*unavailable/ }).waitFor();
});

withPage('the audit log has what the page did', '/audit', async page => {
  const cells = page.locator('tr[data-index] > :nth-child(3)');
  await cells.first().waitFor();
  const actions = await cells.allInnerTexts();
  assert.equal(actions[0], 'endpoint.delete');
  assert.ok(actions.includes('canary.put') && actions.includes('model.publish'), actions.join(' '));
});

withPage('charts show what the load did', '/', async page => {
  await open(page, 'digits/1');
  const drawn = async (id, part = '[role=img]') => {
    const chart = page.locator(`[data-chart=${id}]`);
    await chart.scrollIntoViewIfNeeded();
    await chart.locator(part).first().waitFor({ timeout: 10_000 });
    return chart.locator(part).first();
  };
  await eventually('the charts show a whole interval', 150, async () => {
    await load(server, 'digits/1', 16);
    await page.getByRole('link', { name: 'DETAILS' }).click();
    await page.getByRole('link', { name: 'MONITOR' }).click();
    assert.match(await (await drawn('rate')).getAttribute('aria-label'), /[1-9]\d* points/);
    assert.match(await (await drawn('rate', '.legend b')).innerText(), /^[1-9]/);
    assert.match(await (await drawn('heat')).getAttribute('aria-label'), /[1-9]\d* requests in [1-9]/);
    await drawn('batches', '.bars');
    await drawn('spread', '.bars');
    return true;
  });
});

test('load goes on for as long as pictures want it', async () => {
  for (const end = Date.now() + pictureSeconds * 1000; Date.now() < end;) {
    const wave = 1 + Math.sin(Date.now() / 40_000);
    await load(server, 'digits/1', Math.round(40 * wave), Math.random() < 0.2 ? 1 : 0);
    await load(server, 'digits/2', Math.round(20 * wave));
    await load(server, 'digits_canary', 30);
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
}, { skip: pictureSeconds === 0 });

for (const [name, options] of [['light', {}], ['dark', { colorScheme: 'dark' }], ['narrow', { width: 390, height: 844 }]]) {
  withPage(`it is pictured: ${name}`, '/', async page => {
    await page.getByRole('rowheader', { name: 'digits/1', exact: true }).waitFor();
    await load(server, 'digits/1', 300, 3);
    await load(server, 'digits/2', 200);
    await load(server, 'digits_canary', 400);
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.mouse.move(600, 600);
    await page.setViewportSize({ width: options.width ?? 1280, height: 380 });
    await picture(page, `real-endpoints-${name}`);
    await page.setViewportSize({ width: options.width ?? 1280, height: options.height ?? 800 });
    await open(page, 'digits/1');
    await page.getByRole('link', { name: 'MONITOR' }).click();
    await page.locator('[data-chart=spread]').scrollIntoViewIfNeeded();
    await page.locator('[data-chart=spread] .bars').waitFor();
    await page.locator('[data-chart=rate]').scrollIntoViewIfNeeded();
    const box = await page.locator('[data-chart=rate] .u-over').boundingBox();
    await page.mouse.move(box.x + box.width - 2 - Math.max(12, pictureSeconds / 28), box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 1, box.y + 50, { steps: 5 });
    await page.mouse.up();
    await page.locator('[data-chart=latency]').scrollIntoViewIfNeeded();
    await page.evaluate(() => document.querySelector('[data-chart=latency]').scrollIntoView());
    await page.mouse.move(5, 5);
    await picture(page, `real-monitor-${name}`);
  }, options);
}

withPage('a restart while the page is open is survived', '/', async page => {
  await page.getByRole('rowheader', { name: 'digits/1', exact: true }).waitFor();
  await server.stop();
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await page.getByRole('alert').getByText('the server does not answer').waitFor();
  await server.start();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.getByRole('rowheader', { name: 'digits/1', exact: true }).waitFor();
}, { expectsErrors: true });
