// kill -9 of tidemark, or of its ClickHouse, at random moments - in the initial copy, at start, in mid-stream - while
// the generator inserts, updates and deletes. Every few rounds the load pauses and every table and every model is
// compared by value with Postgres. Nothing may be lost, nothing counted twice.
//   ROUNDS=200 TIDEMARK_SEED=42 node --test test/torture/crash.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_adtech_equal } from '../harness/adtech.mjs';
import { Child, binary, eventually, run } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const rounds = Number(process.env.ROUNDS ?? (process.env.TIDEMARK_TORTURE === 'short' ? 8 : 50));
const compare_every = 10;
const copies_cut_short = 3;
const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

// The pack has views and incremental models; the third way of keeping a number right is under the same fire.
const keyed = {
  'analytics.torture_campaign': {
    model: `-- kind: keyed
-- key: campaign_id
SELECT campaign_id, count() AS impressions, uniqExact(toDate(created_at)) AS days, min(created_at) AS first_at, max(id) AS last_id
FROM bronze.impressions
GROUP BY campaign_id
`,
    expected: 'SELECT campaign_id, count(*), count(DISTINCT created_at::date), min(created_at), max(id) FROM impressions GROUP BY campaign_id',
  },
  'analytics.torture_campaign_both': {
    model: `-- kind: keyed
-- key: campaign_id
SELECT campaign_id, sum(impression) AS impressions, sum(click) AS clicks, max(at) AS last_at
FROM (
  SELECT campaign_id, 1 AS impression, 0 AS click, created_at AS at FROM bronze.impressions
  UNION ALL
  SELECT campaign_id, 0 AS impression, 1 AS click, created_at AS at FROM bronze.clicks
)
GROUP BY campaign_id
`,
    expected: `SELECT campaign_id, sum(impression), sum(click), max(at) FROM (
      SELECT campaign_id, 1 AS impression, 0 AS click, created_at AS at FROM impressions
      UNION ALL SELECT campaign_id, 0, 1, created_at FROM clicks) both_kinds GROUP BY campaign_id`,
  },
};

test(`crash: ${rounds} rounds of kill -9 under load (seed ${seed})`, { timeout: 3_600_000 }, async (t) => {
  const random = random_numbers(seed);
  const world = await make_world(t, 'crash');
  const { project, postgres, database, url } = world;
  for (const [name, { model }] of Object.entries(keyed)) project.write(`models/${name.replace('.', '/')}.sql`, model);
  const history = await run(binary, ['generate', 'adtech', '--url', url, '--rows', '200000', '--seed', String(seed)]);
  assert.equal(history.code, 0, history.stderr);

  let traffic;
  let traffic_runs = 0;
  const start_traffic = () => {
    ++traffic_runs;
    traffic = new Child(binary, ['generate', 'adtech', '--url', url, '--seed', String(seed + traffic_runs), '--rate', '3000', '--updates', '0.3', '--deletes', '0.15']);
  };
  const stop_traffic = async () => {
    const { code } = await traffic.end({ signal: 'SIGINT' });
    assert.equal(code, 0, `the generator failed:\n${traffic.stderr}`);
  };
  t.after(() => traffic?.end({ signal: 'SIGKILL' }));
  // A wait of random length is what is being tested, not a way to synchronise.
  const random_moment = (ms_max) => new Promise((resolve) => setTimeout(resolve, random() * ms_max));

  const kills = { tidemark: 0, clickhouse: 0, during_copy: 0, during_start: 0 };
  let rows = 0;
  start_traffic();
  for (let round = 1; round <= rounds; ++round) {
    const victim = random() < 0.6 ? 'tidemark' : 'clickhouse';
    if (!project.up_child?.running) project.launch();
    if (round <= copies_cut_short) {
      await eventually('the initial copy runs', async () => (await project.status()).sources[0].state !== 'starting', { every_ms: 5 });
      await random_moment(200);
      ++kills.during_copy;
    } else if (random() < 0.35) {
      // not waiting for readiness: recovery itself is interrupted
      await random_moment(1500);
      if (victim === 'clickhouse') await eventually('ClickHouse has been started', () => project.clickhouse_pid(), { deadline_ms: 30_000 });
      ++kills.during_start;
    } else {
      await project.ready();
      await random_moment(2500);
    }
    assert.ok(project.up_child.running, `tidemark ended by itself in round ${round}:\n${project.log_tail()}`);
    assert.ok(traffic.running, `the generator ended by itself:\n${traffic.stderr}`);
    if (victim === 'tidemark') {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.assert_nothing_left();
    } else {
      await project.kill_clickhouse();
    }
    ++kills[victim];

    if (round % compare_every === 0 || round === rounds) {
      await stop_traffic();
      if (!project.up_child.running) project.launch();
      await project.ready({ deadline_ms: 180_000 });
      rows = await assert_adtech_equal(world, `round ${round}, seed ${seed}`);
      for (const [name, { expected }] of Object.entries(keyed))
        rows += await project.assert_equal(`round ${round}, seed ${seed}: ${name}`, postgres, database, expected, `SELECT * FROM ${name}`);
      const proof = await project.assert_verified();
      for (const name of Object.keys(keyed)) assert.ok(proof.models.some((model) => model.model === name && model.rows > 0), name);
      t.diagnostic(`round ${round}: ${rows} rows of all tables and models equal; ${JSON.stringify(kills)}`);
      if (round < rounds) start_traffic();
    }
  }
  await project.down();
  await project.assert_nothing_left();
  t.diagnostic(`rounds ${rounds}, kills ${JSON.stringify(kills)}, rows compared at the end ${rows}, lost 0, doubled 0, seed ${seed}`);
});
