// A warehouse on a cluster of two shards: the adtech pack and models of every kind over a mixed workload, with kill -9 of
// tidemark, of one shard and of both in between. Everything equals what Postgres computes, by value, and verify finds no
// difference; both shards hold rows.
//   TIDEMARK_SEED=42 node --test test/integration/cluster.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_adtech_equal } from '../harness/adtech.mjs';
import { Child, binary, eventually, run } from '../harness/process.mjs';
import { Shards } from '../harness/shards.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

async function make_cluster_world(t, name, options = {}) {
  const world = await make_world(t, name, options);
  world.shards = await Shards.start(world.directory, 2);
  const { project, shards } = world;
  world.settings = (warehouse = shards.settings()) => project.write('tidemark.yaml', `project: test\n${warehouse}http: { listen: 127.0.0.1:${project.http_port} }\n`);
  world.settings();
  project.clickhouse = (query, { format } = {}) => shards.list[0].query(query, { format });
  return world;
}

// Rows of a sharded table on each shard.
const rows_by_shard = (world, table) =>
  Promise.all(world.shards.list.map(async (shard) => Number(await shard.query(`SELECT count() FROM ${table.replace('.', '_shard.')}`))));

// Models beside the pack's: file -> SQL of the model, and Postgres's answer.
const models = {
  'rows_kept': {
    sql: '-- kind: incremental\nSELECT id, campaign_id * 2 AS doubled, toDate(created_at) AS day FROM bronze.impressions WHERE id % 3 = 0\n',
    expected: 'SELECT id, campaign_id * 2, created_at::date FROM impressions WHERE id % 3 = 0',
  },
  'latest_click': {
    sql: '-- kind: keyed\n-- key: campaign_id\nSELECT c.id AS campaign_id, any(c.name) AS name, max(k.created_at) AS latest, uniqExact(k.id) AS clicks\nFROM bronze.campaign AS c INNER JOIN bronze.clicks AS k ON k.campaign_id = c.id\nGROUP BY c.id\n',
    expected: 'SELECT c.id, min(c.name), max(k.created_at), count(DISTINCT k.id) FROM campaign c JOIN clicks k ON k.campaign_id = c.id GROUP BY c.id',
  },
  'both_sides': {
    sql: '-- kind: view\nSELECT i.day AS impression_day, k.day AS click_day, i.rows AS impressions, k.rows AS clicks FROM\n(SELECT toDate(created_at) AS day, count() AS rows FROM bronze.impressions WHERE id % 5 = 0 GROUP BY day) AS i\nFULL JOIN (SELECT toDate(created_at) AS day, count() AS rows FROM bronze.clicks WHERE id % 7 = 0 GROUP BY day) AS k ON i.day = k.day\n',
  },
  'unclicked': {
    sql: '-- kind: view\nSELECT count() AS campaigns FROM bronze.campaign WHERE id NOT IN (SELECT campaign_id FROM bronze.clicks WHERE id % 2 = 0)\n',
    expected: 'SELECT count(*) FROM campaign WHERE id NOT IN (SELECT campaign_id FROM clicks WHERE id % 2 = 0 AND campaign_id IS NOT NULL)',
  },
  'without_partner': {
    sql: '-- kind: view\nSELECT count() AS rows, countIf(k.id = 0) AS alone FROM bronze.clicks AS k RIGHT JOIN bronze.campaign AS c ON k.campaign_id = c.id AND k.id % 1000 = 0\n',
    expected: 'SELECT count(*), count(*) FILTER (WHERE k.id IS NULL) FROM clicks k RIGHT JOIN campaign c ON k.campaign_id = c.id AND k.id % 1000 = 0',
  },
  'by_advertiser': {
    sql: '-- kind: refresh\n-- every: 1h\nSELECT advertiser_id, count() AS campaigns, sum(budget) AS budget FROM bronze.campaign GROUP BY advertiser_id\n',
  },
};

async function assert_right(world, phase) {
  const { project, postgres, database } = world;
  await assert_adtech_equal(world, phase);
  for (const [name, { expected }] of Object.entries(models))
    if (expected) await project.assert_equal(`${phase}: ${name}`, postgres, database, expected, `SELECT * FROM analytics.${name}`);
  await project.assert_verified();
  for (const table of ['bronze.impressions', 'bronze.clicks']) {
    const rows = await rows_by_shard(world, table);
    assert.ok(rows.every((count) => count > 0), `${phase}: ${table} has rows on every shard: ${rows}`);
  }
}

test(`a warehouse of two shards (seed ${seed})`, { timeout: 900_000 }, async (t) => {
  const world = await make_cluster_world(t, 'cluster');
  const { project, postgres, database, url, shards } = world;
  const sql = (text) => postgres.sql(database, text);
  const generate = async (...options) => {
    const result = await run(binary, ['generate', 'adtech', '--url', url, ...options]);
    assert.equal(result.code, 0, result.stderr);
  };
  for (const [name, { sql: text }] of Object.entries(models)) project.write(`models/analytics/${name}.sql`, text);

  await t.test('initial copy', async () => {
    await generate('--rows', '20000', '--updates', '0.02', '--deletes', '0.01', '--seed', String(seed));
    await project.up();
    await assert_right(world, 'initial copy');
  });

  await t.test('keys that move between shards', async () => {
    await sql(`UPDATE clicks SET id = -id; UPDATE clicks SET id = -id + 1; SELECT setval('clicks_id_seq', (SELECT max(id) + 1000 FROM clicks))`);
    await sql(`UPDATE impressions SET campaign_id = (SELECT max(id) FROM campaign) WHERE id % 97 = 0`);
    await sql(`UPDATE campaign SET id = 1000000 WHERE id = (SELECT min(id) FROM campaign)`);
    await sql(`DELETE FROM impressions WHERE id % 11 = 0`);
    await assert_right(world, 'moved keys');
  });

  await t.test('kill -9 of tidemark, of a shard, of both, under load', async () => {
    const traffic = new Child(binary, ['generate', 'adtech', '--url', url, '--seed', String(seed + 1), '--rate', '1500', '--updates', '0.2', '--deletes', '0.05']);
    t.after(() => traffic.end({ signal: 'SIGKILL' }));
    const applied = async () => (await project.status()).sources[0].tables.reduce((sum, table) => sum + table.rows_applied, 0);
    const goes_on = async (what) => {
      const before = await eventually(`status ${what}`, applied);
      await eventually(`cuts are applied ${what}`, async () => (await applied()) > before + 1000, { deadline_ms: 120_000 });
    };
    await goes_on('at first');
    for (let round = 0; round < 2; ++round) {
      await project.up_child.end({ signal: 'SIGKILL' });
      await project.up();
      await goes_on(`after kill -9 of tidemark, round ${round}`);
      await shards.list[1].kill();
      await shards.list[1].start();
      await goes_on(`after kill -9 of shard 2, round ${round}`);
      await Promise.all([shards.list[round].kill(), project.up_child.end({ signal: 'SIGKILL' })]);
      await shards.list[round].start();
      await project.up();
      await goes_on(`after kill -9 of tidemark and shard ${round + 1}`);
    }
    await traffic.end();
    await assert_right(world, 'kills');
  });

  await t.test('a model changes while cuts go on', async () => {
    const traffic = new Child(binary, ['generate', 'adtech', '--url', url, '--seed', String(seed + 2), '--rate', '1000', '--updates', '0.2', '--deletes', '0.05']);
    t.after(() => traffic.end({ signal: 'SIGKILL' }));
    models.rows_kept = {
      sql: '-- kind: incremental\nSELECT id, campaign_id + 1 AS raised FROM bronze.impressions WHERE id % 2 = 0\n',
      expected: 'SELECT id, campaign_id + 1 FROM impressions WHERE id % 2 = 0',
    };
    models.added = {
      sql: '-- kind: incremental\nSELECT campaign_id, count() AS impressions, sum(id) AS ids FROM bronze.impressions GROUP BY campaign_id\n',
      expected: 'SELECT campaign_id, count(*), sum(id) FROM impressions GROUP BY campaign_id',
    };
    models.latest_click.sql = models.latest_click.sql.replace('uniqExact(k.id) AS clicks', 'uniqExact(k.id) + 1 AS clicks');
    models.latest_click.expected = models.latest_click.expected.replace('count(DISTINCT k.id)', 'count(DISTINCT k.id) + 1');
    for (const name of ['rows_kept', 'added', 'latest_click']) project.write(`models/analytics/${name}.sql`, models[name].sql);
    const applied = await project.run('apply', '--yes');
    assert.equal(applied.code, 0, `${applied.stdout}${applied.stderr}\n${project.log_tail()}`);
    await traffic.end();
    await assert_right(world, 'deployment');
    const plan = await project.run('plan');
    assert.equal(plan.code, 0, `plan is empty after apply: ${plan.stdout}`);
  });

  await t.test('it ends in peace and starts again', async () => {
    await project.down();
    await generate('--rows', '3000', '--updates', '0.1', '--deletes', '0.05', '--seed', String(seed + 3));
    await project.up();
    await assert_right(world, 'restart');
    await project.down();
  });

  await t.test('what cannot be right is refused', async () => {
    const refused = async (warehouse, words) => {
      world.settings(warehouse);
      const { code, stderr } = await project.run('up', '--once');
      assert.notEqual(code, 0);
      for (const word of words) assert.match(stderr, word);
    };
    await refused(shards.settings({ cluster: 'other' }), [/knows no cluster other; it knows: main/]);
    await refused(shards.settings({ shards: [shards.list[0]].map(({ http_port }) => `http://127.0.0.1:${http_port}`) }), [/has 1 servers, and cluster main has 2 shards/]);
    await refused(shards.settings({ shards: [...shards.list].reverse().map(({ http_port }) => `http://127.0.0.1:${http_port}`) }), [/is not the server that cluster main has as shard 1/]);
    await refused(shards.settings().replace(/url: .*/, `url: http://127.0.0.1:${shards.list[1].http_port}`), [/has rows of \w+, and http:\S+ knows nothing of them/]);
    await refused(shards.settings().replace(/ {2}cluster:.*\n {2}shards:.*\n/, ''), [/lies on the 2 shards of cluster main/]);
    await shards.list[1].kill();
    await refused(shards.settings(), [/shard 2 of warehouse.cluster/]);
  });
});
