// Refresh models in a running project: on a schedule, on change, on demand; failures, restarts, kills; proven by verify.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('refresh models', { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'refresh');
  const { project, postgres } = world;
  const sql = (text) => postgres.sql(world.database, text);
  const generate = (...options) => run(binary, ['generate', 'adtech', '--url', world.url, ...options]);
  assert.equal((await generate('--rows', '3000')).code, 0);
  project.write(
    'models/analytics/ranked.sql',
    '-- kind: refresh\n-- on_change: true\n-- not_more_often: 1s\n-- key: campaign_id\n' +
      'SELECT campaign_id, count() AS impressions, uniqExact(toDate(created_at)) AS days, rank() OVER (ORDER BY impressions DESC, campaign_id) AS place\n' +
      'FROM bronze.impressions GROUP BY campaign_id ORDER BY place LIMIT 20\n',
  );
  project.write('models/analytics/best.sql', '-- kind: refresh\n-- on_change: true\n-- not_more_often: 1s\nSELECT max(impressions) AS most, count() AS campaigns FROM analytics.ranked\n');
  project.write('models/analytics/ages.sql', '-- kind: refresh\n-- every: 1h\nSELECT id, now() AS seen, bid * 2 AS twice FROM bronze.campaign\n');
  project.write('models/analytics/leader.sql', '-- kind: view\nSELECT campaign_id FROM analytics.ranked WHERE place = 1\n');
  const wanted = 'SELECT campaign_id, count(*), count(DISTINCT created_at::date) FROM impressions GROUP BY campaign_id ORDER BY count(*) DESC, campaign_id LIMIT 20';
  const equal = (what) => project.assert_equal(what, postgres, world.database, wanted, 'SELECT campaign_id, impressions, days FROM analytics.ranked');
  const model = async (name) => (await project.status()).models.find((entry) => entry.model === name);
  const up_to_date = () =>
    eventually('the refresh models are up to date', async (seen) => {
      const { models } = await project.status();
      const refreshed = models.filter((entry) => entry.kind === 'refresh');
      seen(JSON.stringify(refreshed));
      return refreshed.length === 3 && refreshed.every((entry) => entry.state === 'live' && entry.refresh.as_of_ms > 0) &&
        ['analytics.ranked', 'analytics.best'].every((name) => models.find((entry) => entry.model === name).as_of_lag_ms === 0);
    });

  await t.test('are right after the initial copy, and follow changes in chains', async () => {
    await project.up();
    await project.caught_up(postgres);
    await up_to_date();
    assert.ok((await equal('after the copy')) > 0);
      await sql('DELETE FROM impressions WHERE campaign_id = (SELECT min(campaign_id) FROM impressions)');
    assert.equal((await generate('--rows', '1000')).code, 0);
    await project.caught_up(postgres);
    await up_to_date();
    await equal('after changes');
    assert.equal(await project.clickhouse('SELECT most = (SELECT max(impressions) FROM analytics.ranked) FROM analytics.best'), '1\n');
    const verified = await project.assert_verified();
    assert.equal(verified.models.filter((entry) => entry.kind === 'refresh').length, 3);
  });

  await t.test('verify finds a wrong result only where it stays wrong', async () => {
    const store = (await project.clickhouse("SELECT name FROM system.tables WHERE database = 'analytics' AND match(name, '^ranked__[0-9a-f]+$')", { account: 'admin' })).trim();
    await project.clickhouse(`ALTER TABLE analytics.${store} UPDATE days = days + 1 WHERE 1 SETTINGS mutations_sync = 2`, { account: 'admin' });
    const { data, code } = await project.json('verify', 'analytics.ranked');
    assert.equal(code, 0, JSON.stringify(data)); // made again before it was compared again
    await equal('mended by verify');
  });

  await t.test('tidemark refresh runs them now; only who holds the token may ask', async () => {
    const before = await model('analytics.ages');
    const { data, code, stderr } = await project.json('refresh', 'analytics.ages');
    assert.equal(code, 0, stderr);
    assert.equal(data.models[0].model, 'analytics.ages');
    assert.ok(data.models[0].as_of_ms > before.refresh.as_of_ms);
    const refused = await project.fetch('/api/models/analytics.ages/refresh', { method: 'POST' });
    assert.equal(refused.status, 401);
    assert.equal(fs.statSync(path.join(project.directory, '.tidemark/up.json')).mode & 0o777, 0o600);
    const unknown = await project.run('refresh', 'analytics.rankd');
    assert.equal(unknown.code, 78);
    assert.match(unknown.stderr, /did you mean `analytics.ranked`/);
  });

  await t.test('a failing run keeps the result before, shows, and ends', async () => {
    project.write('models/analytics/fragile.sql', "-- kind: refresh\n-- on_change: true\n-- not_more_often: 1s\nSELECT count() AS campaigns, throwIf(countIf(name = 'boom') > 0, 'boom is there') AS bad FROM bronze.campaign\n");
    await project.down();
    await project.up();
    const campaigns = await project.clickhouse('SELECT campaigns FROM analytics.fragile');
    const [id] = (await postgres.rows(world.database, 'SELECT id, name FROM campaign ORDER BY id LIMIT 1'))[0];
    await sql(`UPDATE campaign SET name = 'boom' WHERE id = ${id}`);
    await eventually('the failure shows', async (seen) => {
      const entry = await model('analytics.fragile');
      seen(JSON.stringify(entry));
      return entry.state === 'failed' && /boom is there/.test(entry.refresh.error) && entry.as_of_lag_ms > 0;
    });
    assert.equal(await project.clickhouse('SELECT campaigns FROM analytics.fragile'), campaigns);
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /tidemark_refresh_failing\{model="analytics.fragile"\} 1/);
    assert.match(metrics, /tidemark_refresh_failing\{model="analytics.ranked"\} 0/);
    assert.match((await project.run('status')).stdout, /boom is there/);
    await sql(`UPDATE campaign SET name = 'calm' WHERE id = ${id}`);
    await eventually('it recovers', async () => (await model('analytics.fragile')).state === 'live');
  });

  await t.test('kills lose nothing', async () => {
    for (let round = 0; round < 3; ++round) {
      assert.equal((await generate('--rows', '500')).code, 0);
      await project.up_child.end({ signal: 'SIGKILL' });
      await project.up();
    }
    process.kill(project.clickhouse_pid(), 'SIGKILL');
    assert.equal((await generate('--rows', '500')).code, 0);
    await project.caught_up(postgres);
    await eventually('the result equals the source', async () => equal('after kills').then(() => true, () => false), { deadline_ms: 60_000 });
    await project.assert_verified();
  });

  await t.test('plan is empty after, and a refresh without up works too', async () => {
    assert.equal((await project.run('plan')).code, 0);
    await project.down();
    const { data, code, stderr } = await project.json('refresh');
    assert.equal(code, 0, stderr);
    assert.equal(data.models.length, 4);
    await project.assert_nothing_left();
  });
});
