// The dashboard of the finance pack as a person sees it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_accessible, assert_fits, launch_browser, open_page, screenshot } from '../harness/browser.mjs';
import { binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('the finance dashboard', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'finance_dashboard', { pack: 'finance', database: 'bank' });
  const { project, postgres, database } = world;
  const generated = await run(binary, ['generate', 'finance', '--url', world.url, '--rows', '20000', '--accounts', '300', '--addresses', '800', '--seed', '5']);
  assert.equal(generated.code, 0, generated.stderr);
  await project.up();
  await project.caught_up(postgres);
  const browser = await launch_browser(t);
  const page = await open_page(browser, `http://127.0.0.1:${project.http_port}/`);
  const tile = (title) => page.getByTestId(/^tile-\d+$/).filter({ has: page.getByRole('heading', { name: title, exact: true }) });
  const number = async (title) => Number(await tile(title).getByTestId('value').getAttribute('data-value'));
  const of_newest_day = async (what) =>
    Number(await postgres.sql(database, `SELECT ${what} FROM raw_transactions WHERE timestamp::date = (SELECT max(timestamp::date) FROM raw_transactions WHERE timestamp <= now() AT TIME ZONE 'utc')`));

  await t.test('every tile has data', async () => {
    await eventually('all tiles', async (seen) => {
      const states = await page.getByTestId(/^tile-\d+$/).evaluateAll((tiles) => tiles.map((one) => one.dataset.state));
      seen(states);
      // Nobody need be suspicious.
      return states.length === 13 && states.filter((state) => state === 'empty').length <= 1 && states.every((state) => ['ready', 'empty'].includes(state));
    }, { deadline_ms: 30_000 });
  });

  await t.test('shows the numbers of the source, and new ones without a reload', async () => {
    assert.equal(await number('Payments today'), await of_newest_day('count(*)'));
    const failure_rate = Number(await postgres.sql(database, `SELECT count(*) FILTER (WHERE status = 'failed')::float8 / count(*) FILTER (WHERE status <> 'pending') FROM raw_transactions
      WHERE timestamp::date > (now() AT TIME ZONE 'utc')::date - 7 AND timestamp::date <= (now() AT TIME ZONE 'utc')::date`));
    assert.ok(Math.abs((await number('Failure rate')) - failure_rate) < 1e-9);
    const payment = (status, amount) => `INSERT INTO raw_transactions SELECT gen_random_uuid(), account_id, timestamp, ${amount}, 'EUR', merchant_id, '${status}', ip, device_id
      FROM raw_transactions WHERE timestamp <= now() AT TIME ZONE 'utc' ORDER BY timestamp DESC LIMIT 1`;
    const volume = await number('Volume today');
    await postgres.sql(database, payment('success', '1234567.89'));
    await eventually('the volume', async () => Math.abs((await number('Volume today')) - volume - 1234567.89) < 0.005, { deadline_ms: 3_000 });
    await postgres.sql(database, payment('failed', 1));
    const wanted = await of_newest_day('count(*)');
    await eventually('the payments', async () => (await number('Payments today')) === wanted, { deadline_ms: 3_000 });
  });

  for (const [theme, width, height] of [['light', 1440, 900], ['dark', 390, 844]])
    await t.test(`${theme}, ${width} x ${height}: no errors, nothing wider than the page`, async () => {
      const other = await open_page(browser, `http://127.0.0.1:${project.http_port}/`, { theme, width, height });
      await eventually('tiles', async () => (await other.getByTestId(/^tile-\d+$/).evaluateAll((tiles) => tiles.filter(({ dataset }) => dataset.state === 'ready').length)) >= 12, { deadline_ms: 15_000 });
      await assert_fits(other, theme);
      await assert_accessible(other, `finance, ${theme}`);
      await screenshot(other, `finance-${theme}-${width}`);
      assert.deepEqual(other.problems, []);
      await other.context().close();
    });

  assert.deepEqual(page.problems, []);
  await project.down();
});
