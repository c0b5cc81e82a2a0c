// Headless Chromium (Debian's) through playwright-core. A page collects what its console and its network said.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { eventually, root } from './process.mjs';

export async function launch_browser(t) {
  const executable = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
  if (!executable) throw new Error('no Chromium: scripts/setup installs it');
  const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  t.after(() => browser.close());
  return browser;
}

// `clock`: the page's own time can be moved on (page.clock).
export async function open_page(browser, url, { theme = 'light', width = 1440, height = 900, clock = false } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height }, timezoneId: 'UTC' });
  const page = await context.newPage();
  if (clock) await page.clock.install();
  page.problems = [];
  page.requests = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) page.problems.push(message.text());
  });
  page.on('pageerror', (error) => page.problems.push(error.message));
  page.on('request', (request) => page.requests.push(new URL(request.url()).pathname));
  await page.goto(url);
  return page;
}

export async function screenshot(page, name) {
  const directory = path.join(root, 'build/test/screenshots');
  fs.mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: path.join(directory, `${name}.png`), fullPage: true });
}

// No serious or critical finding of axe, in the page as it stands.
const axe_source = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export async function assert_accessible(page, what) {
  // Not by a script element: the page's content security policy has no inline script.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe_source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const found = serious.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 4).map((node) => `  ${node.html.slice(0, 200)}\n    ${node.failureSummary?.split('\n').slice(1, 2)}`).join('\n')}`);
  assert.equal(serious.length, 0, `${what}\n${found.join('\n')}`);
}

// All tiles of a dashboard have data. `may_be_empty`: titles of those that need not.
export const assert_tiles = (page, count, may_be_empty = []) =>
  eventually(`${count} tiles with data`, async (seen) => {
    const tiles = await page.getByTestId(/^tile-\d+$/).evaluateAll((all) => all.map((one) => [one.querySelector('h2').textContent, one.dataset.state]));
    seen(JSON.stringify(tiles));
    return tiles.length === count && tiles.every(([title, state]) => state === 'ready' || (state === 'empty' && may_be_empty.includes(title)));
  }, { deadline_ms: 30_000 });

// Nothing is wider than the window.
export const assert_fits = async (page, what) =>
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true, `${what}: no sideways scrolling`);
