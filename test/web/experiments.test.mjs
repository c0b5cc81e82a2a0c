// The read-out of experiments as a person sees it: every number is the API's, what was planted is told, the address keeps what
// was chosen.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_accessible, assert_fits, assert_tiles, launch_browser, open_page, screenshot } from '../harness/browser.mjs';
import { binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('the experiments page', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'experiments_page', { pack: 'experiments', database: 'experiments' });
  const { project, postgres, database } = world;
  const generated = await run(binary, ['generate', 'experiments', '--url', world.url, '--seed', '1', '--rows', '30000']);
  assert.equal(generated.code, 0, generated.stderr);
  await project.up();
  await project.caught_up(postgres);
  const browser = await launch_browser(t);
  const address = `http://127.0.0.1:${project.http_port}`;
  const api = async (path) => (await project.fetch(`/api/experiments${path}`, { signal: AbortSignal.timeout(60_000) })).json();
  const page = await open_page(browser, `${address}/`);
  const attribute = (locator, name) => locator.getAttribute(`data-${name}`);
  const same = (shown, value, what) => assert.equal(shown, value === null || value === undefined ? null : String(value), what);

  // Every number of the table against a read-out; `interval` as the page calls it.
  const assert_shown = async (metrics, interval = (comparison) => comparison.adjusted) => {
    for (const metric of metrics) {
      const body = page.getByTestId(`metric-${metric.metric}`);
      const shown = await body.locator('tr[data-arm]').evaluateAll((rows) =>
        rows.map((row) => [row.dataset.arm, Object.fromEntries([...row.querySelectorAll('[data-field]')].map((cell) => [cell.dataset.field, { ...cell.dataset }]))]));
      assert.equal(shown.length, metric.arms.length);
      const rows = new Map(shown);
      for (const arm of metric.arms) {
        const row = rows.get(arm.variant);
        const what = `${metric.metric} ${arm.variant}`;
        same(row.units.value, arm.units, what);
        same(row.value.value ?? null, arm.value, what);
        const comparison = metric.comparisons.find((one) => one.variant === arm.variant);
        assert.equal(row.lift !== undefined, comparison !== undefined, what);
        if (!comparison) continue;
        same(row.lift.value ?? null, comparison.estimate, what);
        same(row.interval.lower ?? null, interval(comparison).lower, what);
        same(row.interval.upper ?? null, interval(comparison).upper, what);
        same(row.power.value ?? null, comparison.power, what);
        same(row['days-left'].value ?? null, comparison.days_left, what);
      }
    }
  };
  // A time that is past: the page and the API are asked at different moments.
  const past = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);

  await t.test('the list: who is in them, and which is broken', async () => {
    await page.getByRole('navigation').getByRole('link', { name: 'Experiments' }).click();
    const { experiments } = await api('');
    for (const one of experiments) {
      const row = page.getByTestId(`experiment-${one.experiment}`);
      await row.waitFor();
      same(await attribute(row.locator('[data-field=units]'), 'value'), one.exposures.units, one.experiment);
      assert.equal(await row.locator('[data-field=sample-ratio]').textContent(), one.exposures.sample_ratio.alarm ? 'mismatch' : 'as planned');
    }
    assert.deepEqual(experiments.filter((one) => one.exposures.sample_ratio.alarm).map((one) => one.experiment), ['free_shipping']);
    await assert_accessible(page, 'list');
    await screenshot(page, 'experiments-light-1440');
  });

  await t.test('the dashboard: an experiment chosen by a click, a commit, days behind a variant', async () => {
    const other = await open_page(browser, `${address}/dashboards/experiments`);
    await assert_tiles(other, 5);
    const variants = other.getByTestId(/^tile-\d+$/).filter({ has: other.getByRole('heading', { name: 'Variants', exact: true }) });
    const values = (column) => variants.locator(`[data-column=${column}]`).evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));
    await variants.getByRole('button', { name: '3', exact: true }).first().click();
    await eventually('one experiment', async () => new Set(await values('experiment_id')).size === 1, { deadline_ms: 10_000 });
    const users = async () => (await values('unique_users')).reduce((sum, value) => sum + value, 0);
    assert.equal(await users(), Number(await project.clickhouse('SELECT sum(unique_users) FROM experiments_analytics.experiment_performance WHERE experiment_id = 3')));
    const before = await users();
    await postgres.sql(database, `INSERT INTO events SELECT (SELECT max(id) + 1 FROM events), experiment_id, 'seen-at-once', variant_id, variant_key, event_type, now() AT TIME ZONE 'utc', now() AT TIME ZONE 'utc', properties, 'session-once', 'request-once'
      FROM events WHERE experiment_id = 3 AND event_type = 'exposure' LIMIT 1`);
    await eventually('one more user', async (seen) => {
      seen(`${await users()} after ${before}`);
      return (await users()) === before + 1;
    }, { deadline_ms: 15_000 });
    await variants.getByRole('button', { name: /^Days of a variant/ }).first().click();
    await other.getByTestId('rows').locator('[data-column=exposures]').first().waitFor();
    await assert_accessible(other, 'days of a variant');
    await other.keyboard.press('Escape');
    await screenshot(other, 'experiments-dashboard-1440');
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  await t.test('a read-out: every number is the API’s', async () => {
    await page.goto(`${address}/experiments/checkout_button?at=${past}`);
    await page.getByTestId('metric-conversion').waitFor();
    const report = await api(`/checkout_button?at=${past}`);
    same(await attribute(page.getByTestId('units'), 'value'), report.exposures.units, 'units');
    for (const arm of report.exposures.arms) same(await attribute(page.getByTestId(`units-${arm.variant}`), 'value'), arm.units, arm.variant);
    same(await attribute(page.getByTestId('multiple-exposure'), 'value'), report.exposures.multiple_exposure.units, 'in two arms');
    assert.ok(report.exposures.multiple_exposure.units > 0 && report.metrics.length === 9);
    for (const decision of report.decisions) {
      const card = page.getByTestId(`decision-${decision.variant}`);
      assert.equal(await attribute(card, 'hint'), decision.hint);
      for (const reason of decision.reasons) assert.ok((await card.textContent()).includes(reason), reason);
    }
    await assert_shown(report.metrics);
    // The same as the verb.
    const verb = await project.json('experiment', 'report', 'checkout_button', '--at', past);
    assert.deepEqual(verb.data.metrics.map((metric) => metric.comparisons.map((one) => one.adjusted)), report.metrics.map((metric) => metric.comparisons.map((one) => one.adjusted)));
    await assert_accessible(page, 'read-out');
  });

  await t.test('other intervals, a dimension and the course over time; the address keeps them', async () => {
    const report = await api(`/checkout_button?at=${past}&dimension=device&series=16`);
    for (const kind of ['fixed', 'sequential', 'bayesian']) {
      await page.getByLabel('Interval').first().selectOption(kind);
      await assert_shown(report.metrics, (comparison) => comparison[kind]);
    }
    await page.getByTestId('metric-conversion').getByRole('button').click();
    const course = page.getByTestId('over-time');
    await course.waitFor({ timeout: 60_000 });
    same(await attribute(course, 'points'), report.series.length, 'points');
    const [green] = report.series.at(-1).metrics.find((one) => one.metric === 'conversion').comparisons;
    const shown = await course.locator('figcaption').first().textContent();
    assert.ok(shown.includes(`green ${green.estimate > 0 ? '+' : '−'}${Math.abs(green.estimate * 100).toFixed(1)}`), `${shown} has ${green.estimate}`);
    await page.goto(`${page.url()}&dimension=device`);
    const table = page.getByTestId('dimension-device');
    await table.waitFor();
    for (const level of report.dimensions[0].levels)
      for (const [index, arm] of level.arms.entries()) {
        const row = table.locator(`tr[data-level="${level.level}"][data-arm="${arm.variant}"]`);
        same(await attribute(row.locator('[data-field=units]'), 'value'), arm.units, level.level);
        same(await attribute(row.locator('[data-field=value]'), 'value'), level.metrics.find((one) => one.metric === 'conversion').values[index], level.level);
      }
    await assert_accessible(page, 'open read-out');
    await screenshot(page, 'read-out-light-1440');
    const query = new URL(page.url()).searchParams;
    assert.deepEqual(Object.fromEntries(query), { at: past, interval: 'bayesian', metric: 'conversion', dimension: 'device' });
    assert.deepEqual(page.problems, []);
    await page.reload();
    await course.waitFor({ timeout: 60_000 });
    await table.waitFor();
    assert.equal(await page.getByLabel('Interval').first().inputValue(), 'bayesian');
  });

  await t.test('units that are lost are an alarm, and nothing is to be believed', async () => {
    await page.goto(`${address}/experiments/free_shipping`);
    await page.getByTestId('sample-ratio-alarm').waitFor();
    assert.equal(await attribute(page.getByTestId('decision-free'), 'hint'), 'repair');
    assert.equal(await attribute(page.getByTestId('sample-ratio'), 'alarm'), 'true');
    await screenshot(page, 'read-out-mismatch-light-1440');
  });

  await t.test('what is committed shows without a reload', async () => {
    await page.goto(`${address}/experiments`);
    const units = page.getByTestId('experiment-new_ranking').locator('[data-field=units]');
    await units.waitFor();
    const before = Number(await attribute(units, 'value'));
    await postgres.sql(database, `INSERT INTO events SELECT (SELECT max(id) + 1 FROM events), experiment_id, 'somebody-new', variant_id, variant_key, event_type, now() AT TIME ZONE 'utc', now() AT TIME ZONE 'utc', properties, 'session-new', 'request-new'
      FROM events WHERE experiment_id = 3 AND event_type = 'exposure' LIMIT 1`);
    await eventually('one more unit', async (seen) => {
      const now = Number(await attribute(units, 'value'));
      seen(`${now} after ${before}`);
      return now === before + 1;
    }, { deadline_ms: 10_000 });
  });

  for (const [theme, width, height] of [['dark', 1440, 900], ['light', 390, 844]])
    await t.test(`${theme}, ${width} x ${height}`, async () => {
      const other = await open_page(browser, `${address}/experiments/checkout_button?metric=conversion`, { theme, width, height });
      await other.getByTestId('over-time').waitFor({ timeout: 60_000 });
      await assert_fits(other, `${theme} ${width}`);
      await assert_accessible(other, `${theme} ${width}`);
      await screenshot(other, `read-out-${theme}-${width}`);
      assert.deepEqual(other.problems, []);
      await other.context().close();
    });

  assert.deepEqual(page.problems, []);
  await project.down();
});
