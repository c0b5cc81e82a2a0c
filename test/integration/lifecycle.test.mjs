// Start, stop, restart, kill: exit codes, nothing left behind, nothing lost.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_adtech_equal } from '../harness/adtech.mjs';
import { Child, binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('the life of tidemark up', { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'lifecycle');
  const { project, postgres } = world;
  const generate = (...options) => run(binary, ['generate', 'adtech', '--url', world.url, ...options]);
  assert.equal((await generate('--rows', '5000')).code, 0);

  await t.test('SIGTERM drains, exits 0 and leaves no process and no port', async () => {
    await project.up();
    await project.down();
    await project.assert_nothing_left();
  });

  await t.test('SIGINT ends it too', async () => {
    await project.up();
    const outcome = await project.up_child.end({ signal: 'SIGINT' });
    assert.ok(outcome.code === 0 || outcome.code === 130, JSON.stringify(outcome));
    await project.assert_nothing_left();
  });

  await t.test('a restart under load continues', async () => {
    const traffic = new Child(binary, ['generate', 'adtech', '--url', world.url, '--rate', '2000', '--updates', '0.2', '--deletes', '0.1']);
    for (let round = 0; round < 3; ++round) {
      await project.up();
      await project.down();
    }
    const { code } = await traffic.end({ signal: 'SIGINT' });
    assert.equal(code, 0, traffic.stderr);
    await project.up();
    await assert_adtech_equal(world, 'after restarts');
  });

  await t.test('a second tidemark up on the same project says who holds it', async () => {
    const second = await project.run('up');
    assert.equal(second.code, 1, second.stderr);
    assert.match(second.stderr, new RegExp(String(project.up_child.pid)));
  });

  await t.test('the ClickHouse child is started again when it dies', async () => {
    const before = project.clickhouse_pid();
    assert.ok(before > 0);
    process.kill(before, 'SIGKILL');
    await eventually('a new ClickHouse', () => project.clickhouse_pid() && project.clickhouse_pid() !== before);
    await generate('--rows', '1000');
    await assert_adtech_equal(world, 'after the death of ClickHouse');
  });

  await t.test('SIGHUP reads the project again; mistakes change nothing', async () => {
    const model = 'models/analytics/by_day.sql';
    project.write(model, '-- kind: incremental\nSELECT toDate(created_at) AS day, count() AS impressions FROM bronze.impressions GROUP BY nonsense(\n');
    project.up_child.kill('SIGHUP');
    await eventually('the mistake is reported', () => /error deployment: models\/analytics\/by_day\.sql:2:\d+/.test(project.log_tail(60)));
    await project.ready();
    project.write(model, '-- kind: incremental\nSELECT toDate(created_at) AS day, count() AS impressions FROM bronze.impressions GROUP BY day\n');
    project.up_child.kill('SIGHUP');
    await eventually('the new model answers', async () => Number(await project.clickhouse('SELECT sum(impressions) FROM analytics.by_day')) > 0, { deadline_ms: 30_000 });
    await project.ready();
    await assert_adtech_equal(world, 'after reloads');
    await project.assert_verified();
  });

  await t.test('kill -9 leaves no child and no port; the next start is right', async () => {
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await project.assert_nothing_left();
    await generate('--rows', '1000', '--updates', '0.5');
    await project.up();
    await assert_adtech_equal(world, 'after kill -9');
  });

  await t.test('Postgres goes away and comes back', async () => {
    // Postgres ends only when its subscribers have confirmed everything: it must not be kept waiting.
    const asked = performance.now();
    await postgres.stop();
    assert.ok(performance.now() - asked < 20_000, `Postgres needed ${Math.round(performance.now() - asked)} ms to stop`);
    await eventually('the source waits', async (seen) => {
      const { sources } = await project.status();
      seen(sources);
      return sources[0].state === 'waiting';
    });
    assert.equal((await project.fetch('/healthz')).status, 200);
    assert.equal((await project.fetch('/readyz')).status, 503);
    // Ended and started while it is away: what is there can be read, and the rest comes by itself.
    await project.down();
    project.launch();
    await eventually('it waits from its start', async (seen) => {
      const answer = await project.status().catch(() => null);
      seen(answer ?? project.log_tail(5));
      return answer?.sources[0].state === 'waiting';
    });
    assert.match((await project.run('status')).stdout, /source ads: waiting/);
    assert.ok((await (await project.fetch('/api/endpoints/campaign?campaign_id=2')).json()).rows > 0, 'what is there can be read');
    await project.down();
    project.launch();
    await postgres.up();
    await generate('--rows', '1000');
    await project.ready();
    await assert_adtech_equal(world, 'after Postgres was away');
  });

  await t.test('status and plan', async () => {
    const { code, data } = await project.json('status');
    assert.equal(code, 0);
    assert.equal(data.sources[0].source, 'ads');
    assert.deepEqual(Object.keys(data.sources[0].ladder).sort(), ['acknowledged', 'cut', 'fenced', 'queryable', 'received', 'server']);
    assert.ok(data.sources[0].tables.every((table) => table.state === 'live' && table.quarantined === 0), JSON.stringify(data));
    assert.equal((await project.run('plan')).code, 0, 'plan after up is empty');
    const doctor = await project.run('doctor');
    assert.equal(doctor.code, 0);
    assert.match(doctor.stdout, /pass  clock: Postgres of ads agrees with this machine/);
  });

  await project.down();
  await project.assert_nothing_left();
});
