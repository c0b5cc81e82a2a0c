// The page as a person sees it: right numbers, new ones by push, no errors, in both themes and on a phone.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import test from 'node:test';
import { openapi_mistakes } from '../harness/openapi.mjs';
import { assert_accessible, assert_fits, launch_browser, open_page, screenshot } from '../harness/browser.mjs';
import { binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('the adtech dashboard', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'dashboard');
  const { project, postgres, database } = world;
  assert.equal((await run(binary, ['generate', 'adtech', '--url', world.url, '--rows', '20000'])).code, 0);
  await project.up();
  await project.caught_up(postgres);
  const browser = await launch_browser(t);
  const address = `http://127.0.0.1:${project.http_port}/`;
  const count = async (table) => Number(await postgres.sql(database, `SELECT count(*) FROM ${table}`));
  const tile = (page, title) => page.getByTestId(/^tile-\d+$/).filter({ has: page.getByRole('heading', { name: title, exact: true }) });
  const number = async (page, title) => Number(await tile(page, title).getByTestId('value').getAttribute('data-value'));

  const page = await open_page(browser, address);
  await t.test('shows the numbers of the source', async () => {
    const impressions = await count('impressions');
    await eventually('the impressions', async (seen) => {
      const shown = await number(page, 'Impressions');
      seen(shown);
      return shown === impressions;
    }, { deadline_ms: 15_000 });
    assert.equal(await number(page, 'Clicks'), await count('clicks'));
    const spend = Number(await postgres.sql(database, 'SELECT sum(bid) FROM impressions JOIN campaign ON campaign.id = campaign_id'));
    assert.ok(Math.abs((await number(page, 'Spend')) - spend) < 0.005);
  });

  await t.test('every tile has data, every campaign of the table its rate', async () => {
    await eventually('all tiles', async (seen) => {
      const states = await page.getByTestId(/^tile-\d+$/).evaluateAll((tiles) => tiles.map((one) => one.dataset.state));
      seen(states);
      return states.length === 14 && states.every((state) => !['loading', 'error', 'empty'].includes(state));
    }, { deadline_ms: 15_000 });
    const rows = tile(page, 'Click-through rate by campaign').locator('tbody tr');
    const cells = await rows.evaluateAll((all) => all.map((row) => Object.fromEntries([...row.querySelectorAll('[data-column]')].map((cell) => [cell.dataset.column, cell.dataset.value]))));
    assert.ok(cells.length > 10);
    for (const row of cells) assert.ok(Math.abs(Number(row.ctr) - (Number(row.impressions) ? Number(row.clicks) / Number(row.impressions) : 0)) < 1e-9, JSON.stringify(row));
  });

  await t.test('a commit shows within a second, without a reload and without polling', async () => {
    await page.evaluate(() => (globalThis.same_page = true));
    const requests = page.requests.length;
    for (let round = 0; round < 3; ++round) {
      await postgres.sql(database, 'INSERT INTO impressions (campaign_id) SELECT min(id) FROM campaign');
      const wanted = await count('impressions');
      await eventually(`${wanted} impressions`, async () => (await number(page, 'Impressions')) === wanted, { deadline_ms: 2_000 });
    }
    await postgres.sql(database, "UPDATE campaign SET name = 'Seen at once' WHERE id = (SELECT campaign_id FROM impressions GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)");
    await tile(page, 'Click-through rate by campaign').getByText('Seen at once').waitFor({ timeout: 2_000 });
    await postgres.sql(database, 'DELETE FROM impressions WHERE id % 2 = 0');
    const wanted = await count('impressions');
    await eventually('deletes show', async () => (await number(page, 'Impressions')) === wanted, { deadline_ms: 2_000 });
    assert.equal(await page.evaluate(() => globalThis.same_page), true);
    assert.deepEqual(page.requests.slice(requests), [], 'data comes by push only');
  });

  const metric = async (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await (await project.fetch('/metrics')).text())[1]);
  await t.test('a change is asked for once, however many look', async () => {
    const leave = new AbortController();
    const streams = await Promise.all(Array.from({ length: 30 }, () => project.fetch('/api/dashboards/overview/live', { signal: AbortSignal.any([leave.signal, AbortSignal.timeout(30_000)]) })));
    const heard = streams.map(() => '');
    const readers = streams.map(async ({ body }, index) => {
      for await (const piece of body) heard[index] += Buffer.from(piece);
    });
    const all_heard = (what, fits) => eventually(what, (seen) => {
      const missing = heard.filter((text) => !fits(text)).length;
      seen(`${missing} have not`);
      return missing === 0;
    }, { deadline_ms: 15_000 });
    await all_heard('a first round', (text) => text.includes('event: refresh'));
    const before = { rounds: await metric('tidemark_dashboard_rounds_total'), queries: await metric('tidemark_dashboard_queries_total') };
    heard.fill('');
    await postgres.sql(database, 'INSERT INTO impressions (campaign_id) SELECT min(id) FROM campaign');
    const shown = `[["${await count('impressions')}",`;
    await all_heard('the new number and the end of its round', (text) => text.includes(shown) && text.indexOf('event: refresh', text.indexOf(shown)) > 0);
    const rounds = (await metric('tidemark_dashboard_rounds_total')) - before.rounds;
    const queries = (await metric('tidemark_dashboard_queries_total')) - before.queries;
    leave.abort();
    await Promise.allSettled(readers);
    assert.ok(queries > 0 && queries <= 3 * 14 * rounds, `${queries} queries in ${rounds} rounds for ${streams.length} viewers of 14 tiles`);
    assert.ok(queries < 14 * streams.length, `${queries} queries`);
  });

  await t.test('a hidden tab rests, and catches up when it is looked at', async () => {
    const other = await open_page(browser, address, { clock: true });
    const old = await count('impressions');
    await eventually('the impressions', async () => (await number(other, 'Impressions')) === old, { deadline_ms: 15_000 });
    const asked = [];
    other.on('request', (request) => asked.push(request.url()));
    const hide = (hidden) => other.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    const viewers = await metric('tidemark_dashboard_viewers');
    await hide(true);
    await other.clock.fastForward(31_000);
    await eventually('nothing is sent to it', async () => (await metric('tidemark_dashboard_viewers')) === viewers - 1, { deadline_ms: 10_000 });
    await postgres.sql(database, 'INSERT INTO impressions (campaign_id) SELECT min(id) FROM campaign');
    await eventually('who looks sees it', async () => (await number(page, 'Impressions')) === old + 1, { deadline_ms: 5_000 });
    assert.equal(await number(other, 'Impressions'), old);
    assert.deepEqual(asked, []);
    await hide(false);
    await eventually('it has caught up', async () => (await number(other, 'Impressions')) === old + 1, { deadline_ms: 5_000 });
    assert.ok(asked.some((url) => /\/live\?.*after=/.test(url)), `only what changed is asked for: ${asked}`);
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  await t.test('freshness is shown', async () => {
    assert.match(await page.getByTestId('freshness').textContent(), /as of \d\d:\d\d:\d\d/);
    assert.match(await page.getByTestId('freshness-note').textContent(), /up to date|\d (ms|s) behind/);
    await page.getByTestId('source-ads').waitFor();
  });

  await t.test('it says so when the connection is lost, and comes back by itself', async () => {
    await project.down();
    await eventually('not fresh any more', async () => (await page.getByTestId('freshness').getAttribute('data-level')) === 'bad', { deadline_ms: 10_000 });
    await postgres.sql(database, 'INSERT INTO clicks (campaign_id) SELECT min(id) FROM campaign');
    page.problems.length = 0;
    await project.up();
    const wanted = await count('clicks');
    await eventually('the clicks made meanwhile', async () => (await number(page, 'Clicks')) === wanted, { deadline_ms: 30_000 });
    // refused connections while nothing listens are the browser's own messages
    page.problems = page.problems.filter((problem) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/.test(problem));
  });

  for (const [theme, width, height] of [['light', 1440, 900], ['dark', 1440, 900], ['light', 390, 844], ['dark', 2560, 1440]])
    await t.test(`${theme}, ${width} x ${height}: no errors, nothing wider than the page`, async () => {
      const other = await open_page(browser, address, { theme, width, height });
      const impressions = await count('impressions');
      await eventually('the impressions', async () => (await number(other, 'Impressions')) === impressions, { deadline_ms: 15_000 });
      await assert_fits(other, `${theme} ${width}`);
      if (width === 1440) await assert_accessible(other, `${theme} dashboard`);
      const [red, green, blue] = (await other.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g).map(Number);
      assert.equal((red + green + blue) / 3 < 128, theme === 'dark', `background ${red},${green},${blue}`);
      await screenshot(other, `dashboard-${theme}-${width}`);
      assert.deepEqual(other.problems, []);
      await other.context().close();
    });

  await t.test('a stretch drawn over one chart is shown by all, a tile is a file, and large', async () => {
    const card = tile(page, 'Impressions and clicks by day');
    const plot = card.locator('.u-over');
    await card.scrollIntoViewIfNeeded();
    const { x, y, width, height } = await plot.boundingBox();
    await page.mouse.move(x + width * 0.25, y + height / 2);
    // The other chart of days points at the same one.
    await page.mouse.move(x + width * 0.3, y + height / 2);
    const pointed = await card.locator('time').textContent();
    assert.equal(await tile(page, 'Click-through rate by day').locator('time').textContent(), pointed);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.6, y + height / 2, { steps: 4 });
    await page.mouse.up();
    const shown = page.getByTestId('zoom');
    await shown.waitFor({ timeout: 5_000 });
    const [from, to] = ['from', 'to'].map((name) => Number(new URL(page.url()).searchParams.get(name)));
    assert.ok(to - from > 5 * 86_400 && to - from < 20 * 86_400, `${from} to ${to} of a month`);
    await shown.click();
    assert.equal(new URL(page.url()).search, '');
    const rates = tile(page, 'Click-through rate by campaign');
    const saving = page.waitForEvent('download');
    await rates.getByRole('button', { name: 'as CSV' }).click();
    const file = await saving;
    assert.equal(file.suggestedFilename(), 'click-through-rate-by-campaign.csv');
    const lines = fs.readFileSync(await file.path(), 'utf8').trim().split('\r\n');
    assert.equal(lines.length, 1 + Math.min(50, Number(await project.clickhouse('SELECT count() FROM analytics.mv_campaign_ctr'))));
    await rates.getByRole('button', { name: 'large' }).click();
    assert.match(page.url(), /\?tile=\d+$/);
    assert.ok((await rates.boundingBox()).width > 1300);
    await page.keyboard.press('Escape');
    assert.ok((await rates.boundingBox()).width < 1000);
  });

  await t.test('a range of time, filters, the period before, and the rows behind a number', async () => {
    const shows = (what, wanted) => eventually(what, async (seen) => {
      const shown = await number(page, 'Impressions');
      seen(`${shown} instead of ${wanted}`);
      return shown === Number(wanted);
    }, { deadline_ms: 10_000 });
    const search = () => new URL(page.url()).searchParams;
    const today = "(now() AT TIME ZONE 'utc')::date";
    const of = (where) => postgres.sql(database, `SELECT count(*) FROM impressions JOIN campaign ON campaign.id = campaign_id JOIN advertiser ON advertiser.id = advertiser_id WHERE ${where}`);
    await page.getByTestId('time').click();
    await page.getByRole('button', { name: 'Last 7 days' }).click();
    assert.equal(search().get('time'), 'last 7 days');
    const week = `impressions.created_at >= ${today} - 6 AND impressions.created_at < ${today} + 1`;
    await shows('a week', await of(week));
    // Charts have no other day, and a commit shows under the choice, too.
    const area = tile(page, 'Impressions and clicks by day');
    assert.ok(Number(await area.locator('[data-series=impressions]').getAttribute('data-value')) > 0);
    await postgres.sql(database, 'INSERT INTO impressions (campaign_id) SELECT min(id) FROM campaign');
    await shows('one more', await of(week));
    await page.getByTestId('compare').click();
    const before = await of(`impressions.created_at >= ${today} - 13 AND impressions.created_at < ${today} - 6`);
    await eventually('the week before', async () => (await tile(page, 'Impressions').getByTestId('delta').count()) === 1, { deadline_ms: 10_000 });
    assert.equal((await tile(page, 'Impressions').getByTestId('delta').getAttribute('title')).replaceAll(/\D/g, ''), before);
    // A click on a name chooses it everywhere, and is in the address.
    const rates = tile(page, 'Click-through rate by campaign');
    const name = await rates.locator('tbody tr').first().locator('[data-column=campaign_name]').getAttribute('data-value');
    await rates.getByRole('button', { name, exact: true }).click();
    assert.deepEqual(search().getAll('campaign'), [name]);
    const quoted = name.replaceAll("'", "''");
    await shows('one campaign', await of(`${week} AND campaign.name = '${quoted}'`));
    await eventually('one row', async () => (await rates.locator('tbody tr').count()) === 1, { deadline_ms: 10_000 });
    // Behind it are its days, which add up.
    await rates.getByRole('button', { name: /^Days of a campaign/ }).click();
    const rows = page.getByTestId('rows');
    await rows.locator('tbody tr').first().waitFor();
    const days = await rows.locator('[data-column=impressions]').evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));
    assert.equal(days.reduce((sum, value) => sum + value, 0), await number(page, 'Impressions'));
    await assert_accessible(page, 'rows behind a row');
    await screenshot(page, 'dashboard-rows-1440');
    await page.keyboard.press('Escape');
    await rows.waitFor({ state: 'detached' });
    // The address alone brings back what was chosen, in another window, with the zone of its days.
    const other = await open_page(browser, `${page.url()}&zone=America%2FNew_York`);
    await eventually('the same choice', async () => (await other.getByTestId('filter-campaign').textContent()).includes(name), { deadline_ms: 10_000 });
    await assert_accessible(other, 'a dashboard under a choice');
    assert.deepEqual(other.problems, []);
    await other.context().close();
    // Two advertisers from the menu; then back, then everything.
    await page.getByRole('button', { name: 'Reset' }).click();
    await shows('everything', await of('true'));
    await page.getByTestId('filter-advertiser').click();
    const boxes = page.getByRole('dialog').getByRole('checkbox');
    await boxes.nth(1).waitFor();
    const chosen = [];
    for (const index of [0, 1]) {
      chosen.push((await page.getByRole('dialog').locator('label').nth(index).textContent()).trim());
      await boxes.nth(index).check();
    }
    assert.deepEqual(search().getAll('advertiser'), chosen);
    await page.keyboard.press('Escape');
    await shows('two advertisers', await of(`advertiser.name IN (${chosen.map((one) => `'${one.replaceAll("'", "''")}'`)})`));
    await page.goBack();
    await shows('one of them', await of(`advertiser.name = '${chosen[0].replaceAll("'", "''")}'`));
    // Files are of what is shown: Parquet by the server, a picture by the browser.
    const saved = async (title, button) => {
      const saving = page.waitForEvent('download');
      await tile(page, title).hover();
      await tile(page, title).getByRole(button === 'PNG' ? 'button' : 'link', { name: `as ${button}` }).click();
      return fs.readFileSync(await (await saving).path());
    };
    const parquet = await saved('Click-through rate by campaign', 'Parquet');
    assert.equal(parquet.subarray(0, 4).toString(), 'PAR1');
    assert.equal((await saved('Impressions and clicks by day', 'PNG')).subarray(1, 4).toString(), 'PNG');
    assert.equal((await saved('Bids and clicks', 'PNG')).subarray(1, 4).toString(), 'PNG');
    // What is no choice is said, and can be left.
    await page.goto(`${address}?time=tomorrow`);
    await page.getByText("'tomorrow' is not a range of time").waitFor();
    await page.getByRole('button', { name: "Show the dashboard's own choice" }).click();
    await shows('everything again', await of('true'));
    page.problems = page.problems.filter((problem) => !/status of 400|EventSource/.test(problem));
  });

  await t.test('the theme can be switched', async () => {
    const brightness = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await brightness();
    await page.getByTestId('theme').click();
    await eventually('another background', async () => (await brightness()) !== before, { deadline_ms: 2_000 });
  });

  await t.test('the frame: links, back, keyboard, addresses', async () => {
    const other = await open_page(browser, `${address}#/d/overview`);
    await other.waitForURL(`${address}dashboards/overview`);
    const heading = (name) => other.getByRole('heading', { level: 1, name, exact: true }).waitFor({ timeout: 10_000 });
    const wanted = await count('impressions');
    await eventually('the dashboard of an old link', async () => (await number(other, 'Impressions')) === wanted, { deadline_ms: 15_000 });
    await other.evaluate(() => (globalThis.same_page = true));
    // By keyboard alone: past the skip link and the name to the first page.
    await other.keyboard.press('Tab');
    assert.equal(await other.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    for (const step of ['Tab', 'Tab', 'Enter']) await other.keyboard.press(step);
    await heading('Overview');
    assert.equal(new URL(other.url()).pathname, '/overview');
    await eventually('focus is at the page', async () => (await other.evaluate(() => document.activeElement.id)) === 'content', { deadline_ms: 5_000 });
    const applied = async () => Number(await other.getByTestId('rows-applied').getAttribute('data-value'));
    const before = await applied();
    await postgres.sql(database, 'INSERT INTO impressions (campaign_id) SELECT min(id) FROM campaign');
    await eventually('one more row', async () => (await applied()) === before + 1, { deadline_ms: 10_000 });
    assert.equal(await other.getByTestId('findings').getAttribute('data-count'), '0');
    await assert_accessible(other, 'overview');
    await screenshot(other, 'overview-light-1440');
    await other.getByRole('navigation').getByRole('link', { name: 'Alerts' }).click();
    await heading('Alerts');
    await eventually('both are in order', async () => (await other.getByTestId(/^alert-/).evaluateAll((rows) => rows.map((row) => row.dataset.state).join())) === 'ok,ok', { deadline_ms: 15_000 });
    await eventually('what it was', async () => (await other.getByTestId('alert-traffic_stopped').locator('[data-field=value]').getAttribute('data-value')) !== null, { deadline_ms: 15_000 });
    await assert_accessible(other, 'alerts');
    await screenshot(other, 'alerts-light-1440');
    await other.getByRole('link', { name: 'click_fraud' }).click();
    await heading('click_fraud');
    await other.getByText('It has always been in order').waitFor();
    await assert_accessible(other, 'one alert');
    await other.getByRole('navigation').getByRole('link', { name: 'Overview' }).click();
    await heading('Overview');
    await other.getByRole('navigation').getByRole('link', { name: 'Models' }).click();
    await heading('Models');
    const node = other.getByTestId('node-analytics.mv_campaign_ctr');
    await node.click();
    assert.equal(new URL(other.url()).search, '?model=analytics.mv_campaign_ctr');
    await eventually('its state', async () => (await node.getAttribute('data-tone')) === 'good', { deadline_ms: 10_000 });
    assert.match(await other.locator('.details').textContent(), /SELECT/);
    // A number is explained down to the rows of the source.
    await other.getByLabel('campaign_id', { exact: true }).fill('2');
    await other.getByRole('button', { name: 'Show its rows' }).click();
    await other.getByLabel('Token').fill(JSON.parse(project.read('.tidemark/up.json')).token);
    await other.getByRole('button', { name: 'Use it' }).click();
    await other.getByTestId('origin').waitFor();
    assert.equal(await other.getByTestId('origin').getAttribute('data-rows'), '1');
    assert.equal(await other.locator('[data-table="bronze.impressions"]').getAttribute('data-total'), await postgres.sql(database, 'SELECT count(*) FROM impressions WHERE campaign_id = 2'));
    await assert_accessible(other, 'models');
    await screenshot(other, 'models-light-1440');
    await other.goBack();
    await heading('Overview');
    // A model that is only on disk is a plan; applied by clicking it is there.
    const steps = async () => (await other.getByTestId('plan').count()) === 1 && Number(await other.getByTestId('plan').getAttribute('data-steps'));
    await other.getByRole('navigation').getByRole('link', { name: 'Plans' }).click();
    await eventually('nothing to do', async () => (await steps()) === 0, { deadline_ms: 15_000 });
    project.write('models/analytics/by_click.sql', '-- kind: incremental\nSELECT campaign_id, count() AS impressions FROM bronze.impressions GROUP BY campaign_id\n');
    await eventually('a new model', async () => {
      await other.getByRole('button', { name: 'Look again' }).click();
      return (await steps()) === 1;
    }, { deadline_ms: 30_000, every_ms: 1_000 });
    await assert_accessible(other, 'plans');
    await screenshot(other, 'plans-light-1440');
    await other.getByRole('button', { name: 'Apply' }).click();
    await eventually('it is deployed', async () => (await other.getByTestId('deployment').count()) === 1 && (await other.getByTestId('deployment').getAttribute('data-state')) === 'done', { deadline_ms: 30_000 });
    await eventually('nothing left to do', async () => (await steps()) === 0, { deadline_ms: 30_000 });
    assert.equal(Number(await project.clickhouse('SELECT sum(impressions) FROM analytics.by_click')), await count('impressions'));
    other.problems = other.problems.filter((problem) => !/status of 401/.test(problem));
    await other.getByRole('navigation').getByRole('link', { name: 'Settings' }).click();
    await other.getByTestId('project').waitFor();
    assert.doesNotMatch(await other.locator('main').textContent(), /postgresql:|password|token=/);
    await assert_accessible(other, 'settings');
    await screenshot(other, 'settings-light-1440');
    assert.equal(await other.evaluate(() => globalThis.same_page), true, 'nothing was loaded anew');
    assert.deepEqual(other.problems, []);
    // A link that somebody was sent; one that is wrong.
    await other.goto(`${address}models?model=bronze.clicks`);
    assert.equal(await other.getByTestId('node-bronze.clicks').getAttribute('aria-pressed'), 'true');
    await other.goto(`${address}dashboards/nothing`);
    await other.getByText('There is no such dashboard').waitFor();
    assert.deepEqual(other.problems, []);
    await other.setViewportSize({ width: 390, height: 844 });
    await other.getByRole('button', { name: 'Menu' }).click();
    await other.getByRole('link', { name: 'Overview' }).click();
    await heading('Overview');
    await assert_fits(other, 'overview on a phone');
    await screenshot(other, 'overview-light-390');
    await other.context().close();
    for (const [path, status] of [['/nothing', 404], ['/api/nothing', 404], ['/dashboards/a/b', 200], ['/experiments', 200]])
      assert.equal((await project.fetch(path)).status, status, path);
    // What the browser had to load before the first dashboard stood.
    const first = await open_page(browser, address);
    await first.getByTestId(/^tile-\d+$/).first().waitFor();
    const bytes = await first.evaluate(() => [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')].filter(({ name }) => !name.includes('/api/')).reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0));
    t.diagnostic(`first load: ${bytes} bytes`);
    assert.ok(bytes > 10_000 && bytes <= 150_000, `${bytes} bytes`);
    await first.context().close();
    // From the address to all tiles, nothing cached: the best of a few, because others use the machine too.
    let best = Infinity;
    for (let load = 0; load < 6 && best > 1_000; ++load) {
      const fresh = await open_page(browser, address);
      await fresh.waitForFunction(() => [...document.querySelectorAll('[data-testid^=tile-]')].filter(({ dataset }) => dataset.state === 'ready').length === 14);
      best = Math.min(best, await fresh.evaluate(() => performance.now()));
      await fresh.context().close();
    }
    // A second on a machine that has a core to spare; measured at sixteen busy programs on two cores it was 1.7 s.
    const most_ms = os.loadavg()[0] > os.cpus().length ? 4_000 : 1_000;
    t.diagnostic(`all tiles after ${best.toFixed(0)} ms, at most ${most_ms}`);
    assert.ok(best <= most_ms, `${best} ms`);
  });

  await t.test('a signed link shows the dashboard alone, with new numbers by push', async () => {
    const { link } = (await project.json('link', 'dashboards/overview', '--expires', '1h')).data;
    const other = await open_page(browser, link);
    const shown = async (wanted) => eventually(`${wanted} impressions`, async () => (await number(other, 'Impressions')) === wanted, { deadline_ms: 15_000 });
    await shown(await count('impressions'));
    await postgres.sql(database, 'INSERT INTO impressions (campaign_id) SELECT min(id) FROM campaign');
    await shown(await count('impressions'));
    await eventually('freshness', async () => (await other.getByTestId('freshness').getAttribute('data-level')) === 'good', { deadline_ms: 10_000 });
    assert.equal(await other.getByRole('navigation').count(), 0);
    assert.deepEqual(other.requests.filter((asked) => asked.startsWith('/api/') && !asked.startsWith('/api/shared/')), []);
    await assert_fits(other, 'a shared dashboard');
    await assert_accessible(other, 'a shared dashboard');
    assert.deepEqual(other.problems, []);
    await other.goto(`${link}x`);
    await other.getByText('This link shows nothing').waitFor();
    await other.context().close();
  });

  await t.test('endpoints, metrics, health', async () => {
    const rows = await (await project.fetch('/api/endpoints/campaign?campaign_id=2')).json();
    assert.ok(JSON.stringify(rows).includes('daily_ctr'));
    const injected = await project.fetch(`/api/endpoints/campaign?campaign_id=${encodeURIComponent('1 OR 1=1')}`);
    assert.equal(injected.status, 400);
    const pages = await project.fetch('/api/endpoints/campaign?campaign_id=2&limit=1');
    assert.match(pages.headers.get('link'), /offset=1>; rel="next"/);
    assert.equal((await project.fetch('/api/endpoints/campaign?campaign_id=2', { headers: { 'if-none-match': (await project.fetch('/api/endpoints/campaign?campaign_id=2')).headers.get('etag') } })).status, 304);
    // Who has the answer costs no query, until a commit that touched what it reads.
    const again = async (path, tag) => {
      const queries = await metric('tidemark_answer_queries_total');
      const { status } = await project.fetch(path, { headers: { 'if-none-match': tag } });
      return [status, (await metric('tidemark_answer_queries_total')) - queries];
    };
    for (const path of ['/api/endpoints/campaign?campaign_id=2', '/api/dashboards/overview/tiles/0']) {
      const tag = (await project.fetch(path)).headers.get('etag');
      assert.deepEqual(await again(path, tag), [304, 0], path);
      await postgres.sql(database, 'INSERT INTO impressions (campaign_id) VALUES (2)');
      await project.caught_up(postgres);
      await eventually('another answer', async () => (await again(path, tag))[0] === 200, { deadline_ms: 5_000 });
    }
    const document = await (await project.fetch('/openapi.json')).json();
    assert.deepEqual(openapi_mistakes(document), []);
    assert.ok(openapi_mistakes({ ...document, paths: { '/api/{name}': document.paths['/api/status'] } }).length > 0, 'the check can fail');
    const docs = await open_page(browser, `${address}docs`);
    await docs.getByRole('button', { name: '/api/endpoints/campaign' }).click();
    await docs.getByLabel('campaign_id').fill('2');
    await docs.getByRole('button', { name: 'Try it' }).click();
    await docs.locator('[data-status="200"]').waitFor();
    assert.match(await docs.locator('.command').textContent(), /curl 'http:.*campaign_id=2'/);
    await assert_accessible(docs, 'the API');
    await screenshot(docs, 'docs-light-1440');
    assert.deepEqual(docs.problems, []);
    await docs.context().close();
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /^# TYPE \w+ histogram$/m);
    assert.equal((await project.fetch('/healthz')).status, 200);
  });

  assert.deepEqual(page.problems, []);
  await project.down();
});
