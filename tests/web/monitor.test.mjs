// The charts of the monitor, against an API that the test fills.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openBrowser, openPage, picture, workOf } from './browser.mjs';
import { endpoint, instance, startFake } from './fakeServer.mjs';

const titles = [
  'NUMBER OF REQUESTS', 'REQUESTS PER MINUTE', 'AVERAGE LATENCY (ms)', 'LATENCY P50 / P90 / P99 (ms)', 'ERRORS (%)', 'FAILURES PER MINUTE',
  'LATENCY HEAT MAP (ms)', 'LATENCY DISTRIBUTION (ms)', 'BATCH SIZE (rows)', 'QUEUE DELAY (ms)', 'CPU COUNT', 'GPU COUNT', 'AVERAGE CPU LOAD (%)',
  'AVERAGE GPU UTILIZATION (%)', 'MEMORY USAGE (GB)', 'MEMORY FREE (GB)', 'GPU MEMORY USAGE (GB)', 'GPU MEMORY FREE (GB)',
  'NETWORK THROUGHPUT RX (MBps)', 'NETWORK THROUGHPUT TX (MBps)'];
// What each chart with lines asks for: "usage" of memory is what is used, not what there is.
const asked = [
  'REQUESTS', 'REQUESTS_MIN', 'LATENCY_MS', 'LATENCY_P50', 'ERROR_RATE', 'FAILURES_MIN', 'CPU_COUNT', 'GPU_COUNT', 'CPU_UTIL', 'GPU_UTIL', 'RAM_USED',
  'RAM_FREE', 'GPU_RAM_USED', 'GPU_RAM_FREE', 'NETWORK_RX', 'NETWORK_TX'];

let fake;
let browser;
let path;

before(async () => {
  fake = await startFake();
  browser = await openBrowser();
});

after(async () => {
  await browser.close();
  await fake.stop();
});

beforeEach(() => {
  fake.endpoints = [endpoint(1)];
  fake.instances = [instance(1), instance(2), instance(3)];
  fake.seriesOffset = 0;
  fake.requests = [];
  path = `/endpoints/active/${fake.endpoints[0].id}/monitor`;
});

const series = () => fake.requests.filter(request => request.path === '/v1/metrics/series');

/** Scrolls through all charts, so that each is read. */
async function readAll(page) {
  const charts = page.locator('figure.chart');
  await charts.first().waitFor();
  for (let place = 0; place < await charts.count(); place++) {
    await charts.nth(place).scrollIntoViewIfNeeded();
    await charts.nth(place).locator('canvas, .bars').first().waitFor();
  }
}

test('all charts are there in their order, and show use where they say so', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  await page.locator('figure.chart canvas').first().waitFor();
  const early = series().length;
  await readAll(page);
  assert.deepEqual(await page.locator('figure.chart h3').allInnerTexts(), titles);
  assert.ok(early < asked.length, 'charts out of sight were read');
  const metrics = new Set(series().map(({ query }) => (query.metrics === 'LATENCY_P99' ? 'LATENCY_P50' : query.metrics)));
  assert.deepEqual([...metrics].sort(), [...asked].sort());
  await picture(page, 'monitor-all');
  await close();
});

test('lines are one per instance with the total, in the same colours everywhere; counts have the total only', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  await readAll(page);
  const legend = chart => page.locator(`[data-chart=${chart}] .legend li`).evaluateAll(
    items => items.map(item => [item.querySelector('.line-name').textContent, item.querySelector('.line').style.background]));
  const rate = await legend('rate');
  assert.deepEqual(rate.map(([name]) => name), ['Total', 'replica-1', 'replica-2', 'replica-3']);
  assert.equal(new Set(rate.map(([, colour]) => colour)).size, 4);
  assert.deepEqual((await legend('tx')).slice(1), rate.slice(1));
  assert.deepEqual((await legend('latency')).map(([name]) => name), ['Mean', 'replica-1', 'replica-2', 'replica-3']);
  assert.equal((await legend('cpu-count')).length, 1);
  assert.deepEqual((await legend('quantiles')).map(([name]) => name), ['P50', 'P90', 'P99']);
  await close();
});

test('one instance has one line', async () => {
  fake.instances = [instance(1)];
  const { page, close } = await openPage(browser, fake.address + path);
  await page.locator('[data-chart=rate] .legend li').first().waitFor();
  assert.equal(await page.locator('[data-chart=rate] .legend li').count(), 1);
  await close();
});

test('the cursor is the same in all charts', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  await page.locator('[data-chart=rate] .u-over').waitFor();
  await page.locator('[data-chart=requests] .u-over').hover({ position: { x: 100, y: 50 } });
  const places = await page.locator('figure.chart .u-cursor-x').evaluateAll(lines => lines.slice(0, 2).map(line => line.style.transform));
  assert.equal(places[0], places[1]);
  assert.match(places[0], /translate\(/);
  const shown = await page.locator('[data-chart=rate] .legend b').allInnerTexts();
  await page.locator('[data-chart=requests] .u-over').hover({ position: { x: 300, y: 50 } });
  await page.waitForFunction(
    texts => [...document.querySelectorAll('[data-chart=rate] .legend b')].some((value, at) => value.innerText !== texts[at]), shown);
  await close();
});

test('a stretch that is dragged over is looked at closer in all charts, until it is let go', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  const plot = page.locator('[data-chart=rate] .u-over');
  await plot.waitFor();
  await page.locator('[data-chart=requests] .u-over').waitFor();
  const whole = await page.locator('[data-chart=requests] canvas').evaluate(canvas => canvas.toDataURL());
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + 100, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + 160, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await page.getByRole('button', { name: 'Whole span' }).waitFor();
  await page.waitForFunction(picture => document.querySelector('[data-chart=requests] canvas').toDataURL() !== picture, whole);
  await plot.dblclick();
  await page.getByRole('button', { name: 'Whole span' }).waitFor({ state: 'detached' });
  await close();
});

test('six time spans ask for as much as they show', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  const spans = page.getByLabel('Time span');
  await spans.waitFor();
  assert.deepEqual(await spans.locator('option').allInnerTexts(), ['3 hours', '6 hours', '12 hours', '1 day', '1 week', '1 month']);
  assert.equal(await spans.inputValue(), '3');
  for (const hours of [6, 168, 720]) {
    const asks = page.waitForRequest(request => {
      const { pathname, searchParams } = new URL(request.url());
      return pathname === '/v1/metrics/series' && Math.abs(Date.now() - Number(searchParams.get('from_ms')) - hours * 3_600_000) < 60_000;
    });
    await spans.selectOption(String(hours));
    const query = new URL((await asks).url()).searchParams;
    assert.ok(Number(query.get('interval_ms')) >= Math.max(10_000, (hours * 3_600_000 * 2) / 600));
  }

  await close();
});

test('a refresh reads only what has come since', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  await page.locator('[data-chart=rate] .legend b').first().waitFor();
  await page.clock.install();
  await page.getByLabel('Time span').selectOption('6');
  // A chart that still waits for its first answer would be taken for one that reads all again.
  await page.waitForFunction(() => document.querySelector('[data-chart=rate] .u-over') && !document.querySelector('figure.chart .nothing'));
  await page.clock.runFor(1000);
  fake.requests = [];
  fake.seriesOffset = 1000;
  await page.clock.runFor(46_000);
  await page.waitForFunction(() => /1,0/.test(document.querySelector('[data-chart=rate] .legend b').textContent));
  for (const { query } of series()) assert.ok(Date.now() - Number(query.from_ms) < 15 * 60_000, query.from_ms);
  const points = await page.locator('[data-chart=rate] .plot').getAttribute('aria-label');
  assert.ok(Number(/(\d+) points/.exec(points)[1]) > 100, points);
  await close();
});

test('charts are hidden and shown, and stay so', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  await page.locator('figure.chart').first().waitFor();
  await page.getByRole('button', { name: 'Show and hide charts' }).click();
  const drawer = page.getByRole('complementary', { name: 'Charts' });
  await drawer.getByRole('button', { name: 'HIDE ALL' }).click();
  await page.getByText('All charts are hidden.').waitFor();
  await drawer.getByRole('searchbox', { name: 'Search charts' }).fill('network');
  assert.equal(await drawer.locator('li').count(), 2);
  await drawer.getByRole('button', { name: 'Show NETWORK THROUGHPUT TX (MBps)' }).click();
  await page.reload();
  await page.locator('figure.chart').first().waitFor();
  assert.deepEqual(await page.locator('figure.chart h3').allInnerTexts(), ['NETWORK THROUGHPUT TX (MBps)']);
  await page.getByRole('button', { name: 'Show and hide charts' }).click();
  await page.getByRole('button', { name: 'SHOW ALL' }).click();
  await page.getByRole('complementary', { name: 'Charts' }).getByRole('button', { name: 'QUEUE DELAY (ms)', exact: true }).click();
  await page.waitForFunction(() => {
    const { top } = document.querySelector('[data-chart=queue]').getBoundingClientRect();
    return top > 0 && top < innerHeight - 100;
  });
  await close();
});

test('heat map and bars say what lies where', async () => {
  const { page, close } = await openPage(browser, fake.address + path);
  await readAll(page);
  const heat = page.locator('[data-chart=heat] canvas');
  assert.match(await heat.getAttribute('aria-label'), /120 columns/);
  await heat.hover({ position: { x: 200, y: 60 } });
  assert.match(await page.locator('[data-chart=heat] .legend').innerText(), /\d+ requests from \d.* to \d.* ms/);
  const bars = page.locator('[data-chart=batches] .bars > div');
  assert.equal(await bars.count(), 4);
  assert.equal(await bars.last().getAttribute('title'), 'up to 8 rows: 80 (53.33%)');
  assert.equal(await page.locator('[data-chart=queue] .bars > div').count(), 3);
  await close();
});

test('two hundred instances are listed and drawn without a halt', async () => {
  fake.instances = Array.from({ length: 200 }, (_, number) => instance(number));
  const { page, close } = await openPage(browser, fake.address + path.replace('monitor', 'general'));
  await page.locator('.plain tbody tr').nth(199).waitFor();
  await page.getByRole('link', { name: 'MONITOR' }).click();
  await page.locator('[data-chart=rate] .legend').getByText('and 189 more').waitFor();
  const scroll = await workOf(page, Array.from({ length: 10 }, (_, step) => 60 * step), top => {
    document.querySelector('.charts').scrollTop = top;
  });
  assert.ok(scroll < 100, `a scroll takes ${scroll} ms`);
  await close();
});

test('charts are drawn in the dark and on a narrow screen', async () => {
  const { page, close } = await openPage(browser, fake.address + path, { width: 390, height: 844, colorScheme: 'dark' });
  await page.locator('figure.chart canvas').first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  assert.ok((await page.locator('figure.chart').first().boundingBox()).width <= 390);
  await picture(page, 'monitor-narrow-dark');
  await close();
});
