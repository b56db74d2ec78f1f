// The tables, the list and the details, against an API that the test fills.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { openBrowser, openPage, picture, workOf } from './browser.mjs';
import { endpoint, instance, startFake } from './fakeServer.mjs';
import { freePort } from './freePort.mjs';

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

beforeEach(() => {
  fake.endpoints = Array.from({ length: 12 }, (_, number) => endpoint(number));
  fake.loading = [instance(50, { endpoint: 'big/1', state: 'DOWNLOADING', progress: 0.4, ageMs: '90000', modelName: 'big net', inputSize: '[3, 224, 224]' })];
  fake.instances = [instance(1), instance(2, { latencyMs: 3 })];
});

const first = page => page.locator('tbody th[scope=row]').first();
const rowNames = async page => (await page.locator('tbody th[scope=row]').allInnerTexts()).map(text => text.trim());
const withPage = (name, path, options, run) => test(name, async () => {
  const opened = await openPage(browser, fake.address + path, options);
  await run(opened.page);
  await opened.close();
});

withPage('active endpoints stand by uptime, with all their columns', '/', {}, async page => {
  await first(page).waitFor();
  assert.deepEqual((await rowNames(page)).slice(0, 2), ['model_11/1', 'model_10/1']);
  const titles = (await page.locator('thead .sorter > span:first-child').allInnerTexts()).map(text => text.trim());
  assert.deepEqual(titles, [
    'ENDPOINT', 'MODEL', 'URL', '# INSTANCES', 'UPTIME', '# REQUESTS', 'REQUEST / MIN', 'LATENCY', 'P50', 'P90', 'P99', 'ERRORS', 'KIND']);
  const cells = await page.locator('tbody tr[data-index="0"] > *').allInnerTexts();
  assert.deepEqual(cells.map(text => text.trim()), [
    'model_11/1', 'net 4', '/serve/model_11/1', '1', '12m', '11,000', '16.5', '2.10', '1.00', '2.00', '4.00', '0%', 'static']);
  assert.equal(await page.locator('table').getAttribute('aria-rowcount'), '13');
});

withPage('a head sorts, with Shift it sorts too, and the address says so', '/', {}, async page => {
  const sorter = title => page.locator(`th[data-column="${title}"] .sorter`);
  await first(page).waitFor();
  await sorter('model').click();
  assert.deepEqual((await rowNames(page)).slice(0, 2), ['model_0/1', 'model_7/1']);
  await sorter('requests').click({ modifiers: ['Shift'] });
  await sorter('requests').click({ modifiers: ['Shift'] });
  assert.deepEqual((await rowNames(page)).slice(0, 3), ['model_7/1', 'model_0/1', 'model_8/1']);
  assert.equal(new URL(page.url()).searchParams.get('sort'), 'model,requests:desc');
  assert.equal(await page.locator('th[data-column=requests]').getAttribute('aria-sort'), 'descending');
  await page.reload();
  await first(page).waitFor();
  assert.deepEqual((await rowNames(page)).slice(0, 3), ['model_7/1', 'model_0/1', 'model_8/1']);
});

withPage('search takes texts and patterns', '/', {}, async page => {
  await first(page).waitFor();
  const search = page.getByRole('searchbox', { name: 'Search Active endpoints' });
  await search.fill('MODEL_1');
  assert.deepEqual(await rowNames(page), ['model_11/1', 'model_10/1', 'model_1/1']);
  await page.getByRole('button', { name: 'Regular expression' }).click();
  await search.fill('_[23]/|net 6$');
  assert.deepEqual(await rowNames(page), ['model_6/1', 'model_3/1', 'model_2/1']);
  await search.fill('(');
  assert.equal(await search.getAttribute('aria-invalid'), 'true');
  await search.fill('nothing like it');
  await page.getByText('No results.').waitFor();
  await page.locator('.empty').getByRole('button', { name: 'Clear filters' }).click();
  assert.equal((await rowNames(page)).length, 12);
});

withPage('filters take values and bounds, and are cleared', '/', {}, async page => {
  await first(page).waitFor();
  await page.getByRole('button', { name: 'Filter MODEL' }).click();
  await page.getByRole('searchbox', { name: 'Search MODEL' }).fill('net 1');
  assert.equal(await page.locator('.popover .choices label').count(), 1);
  await page.getByRole('checkbox', { name: /net 1/ }).check();
  assert.deepEqual(await rowNames(page), ['model_8/1', 'model_1/1']);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.popover').count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Filter MODEL');

  await page.getByRole('button', { name: 'Filter UPTIME' }).click();
  await page.getByRole('textbox', { name: 'UPTIME to' }).fill('5m');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.deepEqual(await rowNames(page), ['model_1/1']);
  const query = new URL(page.url()).searchParams;
  assert.deepEqual([query.get('f.model'), query.get('f.uptime')], ['net 1', '..300']);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Clear filters' }).click();
  assert.equal((await rowNames(page)).length, 12);
});

withPage('the CSV file holds what is shown, as raw values, and no formula', '/?q=m', {}, async page => {
  fake.endpoints.push(endpoint(99, { name: '=cmd|x', modelName: '+1, "net"', uptimeMs: '3661000', errorRate: 0.25 }));
  await page.reload();
  await first(page).waitFor();
  await page.getByRole('searchbox', { name: 'Search Active endpoints' }).fill('=cmd');
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('checkbox', { name: 'KIND' }).uncheck();
  await page.keyboard.press('Escape');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download CSV' }).click()]);
  assert.equal(download.suggestedFilename(), 'Sluice All Endpoints-table.csv');
  assert.equal(readFileSync(await download.path(), 'utf8'), [
    'ENDPOINT,MODEL,URL,# INSTANCES,UPTIME,# REQUESTS,REQUEST / MIN,LATENCY,P50,P90,P99,ERRORS',
    '\'=cmd|x,"\'+1, ""net""",/serve/=cmd|x,1,3661,99000,148.5,10.9,1,2,4,25', ''].join('\r\n'));
});

withPage('columns change their width and place, by pointer and by keys, and keep them', '/', {}, async page => {
  await first(page).waitFor();
  const width = async () => Math.round((await page.locator('th[data-column=model]').boundingBox()).width);
  const start = await width();
  const edge = page.getByRole('separator', { name: 'Width of MODEL' });
  const box = await edge.boundingBox();
  await page.mouse.move(box.x + 4, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 64, box.y + 10, { steps: 4 });
  await page.mouse.up();
  assert.equal(await width(), start + 60);
  await edge.focus();
  await page.keyboard.press('ArrowLeft');
  assert.equal(await width(), start + 44);
  await page.locator('th[data-column=model] .sorter').focus();
  await page.keyboard.press('Alt+ArrowRight');
  const order = () => page.locator('thead th').evaluateAll(heads => heads.slice(0, 3).map(head => head.dataset.column));
  assert.deepEqual(await order(), ['endpoint', 'url', 'model']);
  await page.locator('th[data-column=url] .sorter').dragTo(page.locator('th[data-column=endpoint]'));
  assert.deepEqual(await order(), ['url', 'endpoint', 'model']);
  await page.reload();
  await first(page).waitFor();
  assert.deepEqual([await order(), await width()], [['url', 'endpoint', 'model'], start + 44]);
});

withPage('the keyboard goes through the rows and opens one', '/', {}, async page => {
  await first(page).waitFor();
  await page.locator('tbody tr[tabindex="0"]').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.index), '1');
  await page.keyboard.press('End');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.index), '11');
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'model_11/1' }).waitFor();
  await page.goBack();
  await first(page).waitFor();
});

withPage('the details have facts and instances, beside a list that is resized and collapsed', '/', {}, async page => {
  await page.getByText('model_1/1', { exact: true }).click();
  await page.getByRole('heading', { name: 'model_1/1' }).waitFor();
  assert.match(page.url(), /\/endpoints\/active\/00000000-0000-5000-8000-000000000001\/general/);
  const facts = Object.fromEntries(await page.locator('.facts > div').evaluateAll(
    rows => rows.map(row => [row.querySelector('dt').textContent, row.querySelector('dd').textContent.trim()])));
  assert.deepEqual(
    [facts['ENDPOINT URL'], facts['MODEL NAME'], facts['PREPROCESS ARTIFACT'], facts['INPUT SIZE'], facts['UPTIME']],
    ['/serve/model_1/1', 'net 1', 'N/A', '[1, 28, 28]', '2m']);
  const instances = await page.locator('.plain tbody tr').allInnerTexts();
  assert.equal(instances.length, 2);
  assert.match(instances[1], /replica-2\s+ready\s+10m\s+1,000\s+1\s+12\s+4\s+0\s+3\.00/);

  const cards = page.getByRole('list', { name: 'Active endpoints' });
  assert.equal(await cards.getByRole('listitem').count(), 12);
  assert.match(await cards.locator('[aria-current]').innerText(), /model_1\/1\s+net 1/);
  await cards.locator('[aria-current]').focus();
  await page.keyboard.press('ArrowUp');
  await page.getByRole('heading', { name: 'model_2/1' }).waitFor();
  await page.getByRole('button', { name: 'Show names only' }).click();
  assert.equal((await cards.getByRole('listitem').first().boundingBox()).height, 32);
  await page.getByRole('separator', { name: 'Width of the list' }).focus();
  await page.keyboard.press('ArrowRight');
  assert.equal((await page.locator('.side').boundingBox()).width, 320);
  await page.getByRole('button', { name: 'Sort and filter' }).click();
  await page.getByLabel('Sort by').selectOption('endpoint');
  assert.match(await cards.getByRole('listitem').first().innerText(), /model_0\/1/);
});

withPage('loading instances have a tab with filters of their own', '/endpoints/loading', {}, async page => {
  await first(page).waitFor();
  const cells = await page.locator('tbody tr[data-index="0"] > *').allInnerTexts();
  assert.deepEqual(cells.map(text => text.trim()), ['replica-50', 'big/1', 'big net', '1m', 'downloading', '', 'N/A', 'float32', '[3, 224, 224]']);
  await page.getByRole('button', { name: 'Filter INPUT SIZE' }).click();
  await page.getByRole('textbox', { name: 'INPUT SIZE from' }).fill('200000');
  await page.keyboard.press('Enter');
  await page.getByText('No results.').waitFor();
});

withPage('what fails says why, with the last lines of its log', '/', {}, async page => {
  fake.endpoints.push(endpoint(70, { name: 'broken', state: 'FAILED', instanceCount: 0, reason: 'Preprocess failed: no module torch' }));
  fake.endpoints[3].reason = 'replica-2: disk full';
  fake.log = { replica: 'replica-1', reason: 'no module torch', lines: ['Traceback', "ModuleNotFoundError: No module named 'torch'"] };
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await page.getByRole('link', { name: 'FAILING 2' }).click();
  assert.deepEqual(await rowNames(page), ['broken', 'model_3/1']);
  await page.getByText('broken', { exact: true }).click();
  await page.getByText('No module named').waitFor();
  await page.getByRole('navigation', { name: 'Endpoint', exact: true }).getByRole('link', { name: 'DETAILS' }).click();
  await page.locator('.reason').getByText('Preprocess failed').waitFor();
});

withPage('nothing at all says what to do', '/', {}, async page => {
  fake.endpoints = [];
  await page.reload();
  await page.getByText('No active endpoints.').waitFor();
  await page.getByText('clearml-serving model add').waitFor();
});

withPage('new figures come without a reload, only while the tab is seen and refreshing is on', '/', {}, async page => {
  await first(page).waitFor();
  await page.clock.install();
  await page.reload();
  await first(page).waitFor();
  fake.endpoints[11].requestCount = '424242';
  await page.clock.runFor(10_500);
  await page.getByText('424,242').waitFor();
  // What the page has asked is here by the time that it has the answer to a later question.
  const asked = async () => {
    await page.evaluate(async () => (await fetch('/page.json')).text());
    return fake.requests.filter(({ path }) => path === '/v1/metrics/endpoints').length;
  };
  const show = isHidden => page.evaluate(value => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
  await show(true);
  fake.requests = [];
  await page.clock.runFor(60_000);
  assert.equal(await asked(), 0);
  fake.endpoints[11].requestCount = '434343';
  await show(false);
  await page.getByText('434,343').waitFor();
  await page.getByRole('switch', { name: 'Auto-refresh' }).uncheck();
  fake.requests = [];
  await page.clock.runFor(60_000);
  const count = await asked();
  assert.ok(count <= 1, `${count} readings though refreshing is off`);
});

test('a server that goes away is told of, and is found again', async () => {
  const own = await startFake(await freePort());
  own.endpoints = [endpoint(1)];
  const { page, close } = await openPage(browser, own.address, { expectsErrors: true });
  await first(page).waitFor();
  await own.stop();
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await page.getByRole('alert').getByText('the server does not answer').waitFor();
  assert.deepEqual(await rowNames(page), ['model_1/1']);
  const again = await startFake(own.port);
  again.endpoints = [endpoint(2)];
  await page.getByText('model_2/1', { exact: true }).waitFor();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await close();
  await again.stop();
});

test('colours follow the system, and the button overrides them', async () => {
  const { page, close } = await openPage(browser, fake.address, { colorScheme: 'dark' });
  await first(page).waitFor();
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await picture(page, 'endpoints-dark');
  await page.getByRole('button', { name: 'Theme: system' }).click();
  const light = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  await first(page).waitFor();
  assert.equal(await paper(), light);
  await page.getByRole('button', { name: 'Theme: light' }).click();
  assert.equal(await paper(), dark);
  await close();
});

test('a narrow screen shows all without scrolling the page sideways', async () => {
  const { page, close } = await openPage(browser, fake.address, { width: 390, height: 844 });
  await first(page).waitFor();
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(await overflow(), 0);
  await picture(page, 'endpoints-narrow');
  await page.getByText('model_11/1', { exact: true }).click();
  await page.getByRole('heading', { name: 'model_11/1' }).waitFor();
  assert.equal(await overflow(), 0);
  assert.equal(await page.locator('.side').isVisible(), false);
  await picture(page, 'details-narrow');
  await page.getByRole('button', { name: 'Back to the table' }).click();
  await first(page).waitFor();
  await close();
});

test('a thousand endpoints scroll and filter at once', async () => {
  fake.endpoints = Array.from({ length: 1000 }, (_, number) => endpoint(number));
  const { page, close } = await openPage(browser, fake.address);
  await first(page).waitFor();
  assert.ok(await page.locator('tbody tr').count() < 80, 'rows out of sight are in the document');
  const scroll = await workOf(page, Array.from({ length: 20 }, (_, step) => 1500 * (step + 1)), top => {
    document.querySelector('.scroller').scrollTop = top;
  });
  const filter = await workOf(page, ['m', 'mo', 'model_5', 'model_55', ''], text => {
    const input = document.querySelector('input[type=search]');
    input.value = text;
    input.dispatchEvent(new InputEvent('input', { bubbles: true }));
  });
  assert.ok(scroll < 100 && filter < 100, `a scroll takes ${scroll} ms, a filter ${filter} ms`);
  assert.equal(await page.locator('tbody tr[data-index="0"]').count() + await page.locator('tbody tr[data-index="999"]').count(), 1);
  await close();
});
