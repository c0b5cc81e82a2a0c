// The adtech pack end to end: initial copy, the hand-over to the stream, and a stream of everything that breaks naive
// KPIs. After each step (in continuous integration after every third) every table and every model equals what Postgres computes, by value.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_adtech_equal, kpis, readme_queries } from '../harness/adtech.mjs';
import { Child, binary, run } from '../harness/process.mjs';
import { parse_tsv } from '../harness/compare.mjs';
import { compared_after } from '../harness/pack.mjs';
import { make_world } from '../harness/world.mjs';

const seed = process.env.TIDEMARK_SEED ?? String(Date.now() % 1_000_000);

async function generate(world, ...options) {
  const result = await run(binary, ['generate', 'adtech', '--url', world.url, '--seed', seed, ...options]);
  assert.equal(result.code, 0, result.stderr);
}

test(`adtech KPIs (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'adtech_kpis');
  const { postgres, project, database } = world;
  const sql = (text) => postgres.sql(database, text);

  await t.test('initial copy', async () => {
    await generate(world, '--rows', '25000', '--updates', '0.02', '--deletes', '0.01');
    await project.up();
    assert.ok((await assert_adtech_equal(world, 'initial copy')) > 25_000);
  });

  await t.test('a stream of generated traffic with updates, deletes, key changes and renames', async () => {
    await generate(world, '--rows', '30000', '--updates', '0.05', '--deletes', '0.03', '--transaction-rows', '500');
    await assert_adtech_equal(world, 'stream');
  });

  // Each is one commit; afterwards everything must be right again.
  const steps = {
    'a late impression from years ago': `INSERT INTO impressions (campaign_id, created_at) SELECT min(id), '2019-02-28 23:59:59.999999' FROM campaign`,
    'a day with clicks but no impressions': `INSERT INTO clicks (campaign_id, created_at) SELECT min(id), '2018-06-15 12:00:00' FROM campaign`,
    'a campaign is renamed': `UPDATE campaign SET name = E'Ümlaut \\t tab ''quote'' \\\\ 漢字' WHERE id = (SELECT min(id) FROM campaign)`,
    'an advertiser is renamed': `UPDATE advertiser SET name = 'Renamed & Sons' WHERE id = (SELECT min(id) FROM advertiser)`,
    'a campaign moves to another advertiser': `UPDATE campaign SET advertiser_id = (SELECT max(id) FROM advertiser) WHERE id = (SELECT min(id) FROM campaign)`,
    'a campaign and an advertiser without traffic': `
      WITH made AS (INSERT INTO advertiser (name) VALUES ('Quiet') RETURNING id)
      INSERT INTO campaign (name, bid, budget, start_date, end_date, advertiser_id) SELECT 'Silent', 9.99, 0.01, '2026-01-01', '2026-01-01', id FROM made;
      INSERT INTO advertiser (name) VALUES ('')`,
    'impressions move to another campaign': `UPDATE impressions SET campaign_id = (SELECT max(id) FROM campaign) WHERE id % 97 = 0`,
    'impressions move to another month': `UPDATE impressions SET created_at = created_at - interval '45 days' WHERE id % 89 = 0`,
    'an update that changes nothing': `UPDATE impressions SET campaign_id = campaign_id WHERE id % 101 = 0`,
    'primary keys shift by one': `UPDATE clicks SET id = -id; UPDATE clicks SET id = -id + 1;
      SELECT setval('clicks_id_seq', (SELECT max(id) + 1000 FROM clicks))`,
    'two keys are swapped in one transaction': `
      BEGIN;
      CREATE TEMP TABLE pair ON COMMIT DROP AS SELECT min(id) AS low, max(id) AS high FROM clicks;
      UPDATE clicks SET id = -1 WHERE id = (SELECT low FROM pair);
      UPDATE clicks SET id = (SELECT low FROM pair) WHERE id = (SELECT high FROM pair);
      UPDATE clicks SET id = (SELECT high FROM pair) WHERE id = -1;
      COMMIT`,
    'insert, update and delete of one key in one transaction': `
      BEGIN;
      INSERT INTO impressions (id, campaign_id) SELECT 2000000001, min(id) FROM campaign;
      UPDATE impressions SET campaign_id = (SELECT max(id) FROM campaign) WHERE id = 2000000001;
      DELETE FROM impressions WHERE id = 2000000001;
      COMMIT`,
    'delete and insert again': `
      DELETE FROM impressions WHERE id = (SELECT max(id) FROM impressions);
      BEGIN; INSERT INTO impressions (id, campaign_id) SELECT 2000000002, min(id) FROM campaign; COMMIT;
      DELETE FROM impressions WHERE id = 2000000002;
      INSERT INTO impressions (id, campaign_id) SELECT 2000000002, max(id) FROM campaign`,
    'a rolled back transaction and a rolled back savepoint': `
      BEGIN; DELETE FROM clicks; ROLLBACK;
      BEGIN; SAVEPOINT before; DELETE FROM impressions; ROLLBACK TO before; INSERT INTO clicks (campaign_id) SELECT min(id) FROM campaign; COMMIT`,
    'a campaign gets another id, and its facts with it': `UPDATE campaign SET id = 1000000 WHERE id = (SELECT min(id) FROM campaign)`,
    'all traffic of a campaign is deleted': `DELETE FROM impressions WHERE campaign_id = 1000000; DELETE FROM clicks WHERE campaign_id = 1000000`,
    'a campaign is deleted with everything': `
      BEGIN;
      DELETE FROM clicks WHERE campaign_id = (SELECT max(id) FROM campaign WHERE id < 1000000);
      DELETE FROM impressions WHERE campaign_id = (SELECT max(id) FROM campaign WHERE id < 1000000);
      DELETE FROM campaign WHERE id = (SELECT max(id) FROM campaign WHERE id < 1000000);
      COMMIT`,
    'a bid with all its digits': `UPDATE campaign SET bid = 99999999.99, budget = 99999999.99 WHERE id = 1000000`,
  };
  for (const [index, [step, statements]] of Object.entries(steps).entries())
    await t.test(step, async () => {
      await sql(`${statements};`);
      if (compared_after(index, steps)) await assert_adtech_equal(world, step);
    });

  await t.test('no ratio is NaN or infinite, no cost without clicks', async () => {
    assert.equal(await project.clickhouse('SELECT count() FROM analytics.mv_campaign_ctr WHERE NOT isFinite(ctr)'), '0\n');
    assert.equal(await project.clickhouse('SELECT count() FROM analytics.mv_daily_performance WHERE NOT isFinite(daily_ctr)'), '0\n');
    assert.equal(await project.clickhouse('SELECT count() FROM analytics.mv_campaign_efficiency WHERE (clicks = 0) != isNull(cost_per_click)'), '0\n');
  });

  await t.test('ids keep the type of the source', async () => {
    const { types } = await project.table('SELECT campaign_id FROM analytics.mv_campaign_ctr');
    assert.deepEqual(types, ['Int32']);
    assert.deepEqual((await project.table('SELECT impression_id, campaign_id FROM analytics.fact_impressions LIMIT 1')).types, ['Int64', 'Int32']);
  });

  await t.test('verify proves it', async () => {
    const proof = await project.assert_verified();
    for (const kpi of kpis) assert.ok(proof.models.some(({ model }) => model === `analytics.${kpi}`), `verify covers ${kpi}`);
    assert.match(proof.as_of.ads, /^[0-9A-F]+\/[0-9A-F]+$/);
  });

  await t.test("the source's README queries, unchanged, through tidemark sql and through curl", async () => {
    for (const [title, query] of Object.entries(readme_queries)) {
      const verb = await project.run('sql', query);
      assert.equal(verb.code, 0, `${title}: ${verb.stderr}`);
      const curl = await run('curl', ['-sS', '--fail-with-body', '-u', `reader:${project.password('reader')}`, `http://127.0.0.1:${project.clickhouse_port}/?default_format=TabSeparatedWithNames`, '--data-binary', query]);
      assert.equal(curl.code, 0, `${title}: ${curl.stdout}${curl.stderr}`);
      const [names, ...rows] = parse_tsv(curl.stdout);
      assert.ok(rows.length > 0, `${title}: rows`);
      assert.deepEqual(names, query.match(/(?<=SELECT)[\s\S]*(?=FROM)/)[0].split(',').map((name) => name.trim()));
      // not a terminal: tab-separated, the same rows whatever the order of equal ones
      const lines = verb.stdout.trimEnd().split('\n');
      assert.deepEqual(new Set(lines.slice(-rows.length)), new Set(curl.stdout.trimEnd().split('\n').slice(1)), title);
    }
  });

  await t.test('a stop, changes meanwhile, and a new start', async () => {
    await project.down();
    await generate(world, '--rows', '5000', '--updates', '0.1', '--deletes', '0.1');
    await project.up();
    await assert_adtech_equal(world, 'after a stop');
  });

  await t.test('the end leaves nothing behind', async () => {
    await project.down();
    await project.assert_nothing_left();
  });
});

test(`adtech: rows committed while the initial copy runs (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'adtech_handover');
  await generate(world, '--rows', '150000');
  // A transaction that is open when the slot is made, and commits after.
  const open = new Child('psql', ['-Xq', '-d', world.url, '-v', 'ON_ERROR_STOP=1', '-c', 'BEGIN', '-c', 'INSERT INTO clicks (campaign_id) SELECT id FROM campaign', '-c', 'SELECT pg_sleep(1)', '-c', 'COMMIT']);
  const traffic = new Child(binary, ['generate', 'adtech', '--url', world.url, '--seed', seed, '--rate', '5000', '--rows', '25000', '--updates', '0.2', '--deletes', '0.1']);
  await world.project.up();
  assert.equal((await open.ended).code, 0, open.stderr);
  assert.equal((await traffic.ended).code, 0, traffic.stderr);
  await assert_adtech_equal(world, 'hand-over');
  await world.project.down();
});

// The tables as the source's own migration makes them: everything that can be NULL is, and all ids are 32 bits.
test('adtech on the tables of the original schema', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'adtech_original');
  await world.postgres.sql(world.database, `
    CREATE TABLE advertiser (id serial PRIMARY KEY, name varchar(255) NOT NULL, updated_at timestamp, created_at timestamp DEFAULT now());
    CREATE TABLE campaign (id serial PRIMARY KEY, name varchar(255) NOT NULL, bid numeric(10,2) NOT NULL, budget numeric(10,2) NOT NULL,
      start_date date, end_date date, advertiser_id integer REFERENCES advertiser (id), updated_at timestamp, created_at timestamp DEFAULT now());
    CREATE TABLE impressions (id serial PRIMARY KEY, campaign_id integer REFERENCES campaign (id), created_at timestamp DEFAULT now());
    CREATE TABLE clicks (id serial PRIMARY KEY, campaign_id integer REFERENCES campaign (id), created_at timestamp DEFAULT now());`);
  await generate(world, '--rows', '10000');
  await world.project.up();
  await generate(world, '--rows', '10000', '--updates', '0.1', '--deletes', '0.1');
  await assert_adtech_equal(world, 'nullable columns');
  await world.postgres.sql(world.database, 'UPDATE campaign SET updated_at = NULL; UPDATE advertiser SET created_at = NULL');
  await assert_adtech_equal(world, 'NULLs');
  await world.project.down();
});
