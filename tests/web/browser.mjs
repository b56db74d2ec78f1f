// The browser of the tests: Debian's Chromium, and the page's folder of screenshots.
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const { chromium } = createRequire(join(root, 'artifacts/web-tests/package.json'))('playwright-core');

export const pictures = join(root, 'artifacts/web-tests/screenshots');
mkdirSync(pictures, { recursive: true });

export const openBrowser = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** Opens a page in a session of its own; what the page logs as an error, or asks of another host, fails the test at its end. */
export async function openPage(browser, address, { width = 1280, height = 800, colorScheme = 'light', expectsErrors = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true, permissions: ['clipboard-write'] });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', error => faults.push(error.message));
  page.on('console', message => message.type() === 'error' && !expectsErrors && faults.push(message.text()));
  page.on('request', request => {
    const { protocol, host } = new URL(request.url());
    if (host !== new URL(address).host && protocol !== 'blob:') faults.push(`asked ${request.url()}`);
  });
  // Long, for busy machines; what never comes fails its test all the same.
  page.setDefaultTimeout(60_000);
  await page.goto(address);
  return {
    page,
    async close() {
      await context.close();
      if (faults.length > 0) throw new Error(`the page had faults:\n${faults.join('\n')}`);
    },
  };
}

export const picture = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`) });

/**
 * Does something with each of several values, and gives the milliseconds that the page's own thread works for one of them, painting
 * included; how long a busy machine lets it wait is no matter.
 */
export async function workOf(page, values, act) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const worked = async () => (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
  const before = await worked();
  for (const value of values) {
    await page.evaluate(act, value);
    await page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done))));
  }

  return (await worked() - before) / values.length;
}
