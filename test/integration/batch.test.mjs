// Sources of mode batch: the same tables as a stream mirrors, read by SELECT on a schedule.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { assert_adtech_equal, kpis, tables } from '../harness/adtech.mjs';
import { Child, binary, eventually, run } from '../harness/process.mjs';
import { Project } from '../harness/project.mjs';
import { make_world } from '../harness/world.mjs';

// A second project over the same Postgres, which waits for itself by a run that verify asks for.
async function batch_project(world, source) {
  const directory = path.join(world.directory, 'batch');
  fs.mkdirSync(directory);
  const project = await Project.create(directory, { pack: 'adtech', environment: { ADS_DATABASE_URL: world.url } });
  project.write('sources/ads.yaml', source);
  project.caught_up = () => project.assert_verified();
  return project;
}

async function kill_and_start_again(project) {
  project.up_child.kill('SIGKILL');
  await project.up_child.ended;
  await project.assert_nothing_left();
  project.launch();
}

const types = ['boolean', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric(10,2)', 'numeric(38,10)', 'numeric', 'text', 'varchar(40)', 'char(5)', 'uuid', 'date', 'timestamp', 'timestamptz', 'time', 'interval', 'json', 'jsonb', 'bytea', 'inet', 'mood', 'int[]', 'text[]', 'tstzrange', 'bit(4)', 'money', 'xml'];
const value_of = {
  boolean: 'g % 2 = 0', smallint: 'g % 30000', real: 'g / 7.0', 'double precision': 'g / 3.0', 'numeric(10,2)': 'g / 100.0', 'numeric(38,10)': 'g / 1e10', numeric: "('1e' || g % 90)::numeric",
  text: "repeat('Ünï漢🙂', g % 700)", 'varchar(40)': "E'tab\\t' || g", 'char(5)': "'c' || g % 1000", uuid: 'md5(g::text)::uuid', date: "'1950-01-01'::date + g % 40000", timestamp: "'1950-01-01'::timestamp + g * interval '1 hour 1 microsecond'",
  timestamptz: "'2000-01-01'::timestamptz + g * interval '1 second'", time: "'00:00'::time + g * interval '1 second'", interval: "g * interval '1 day 2 hours'", json: "('{\"b\": ' || g || ', \"a\":  [1.0]}')::json", jsonb: "('{\"b\": ' || g || '}')::jsonb",
  bytea: "decode(md5(g::text), 'hex')", inet: "'10.0.0.0'::inet + g", mood: "(CASE WHEN g % 2 = 0 THEN 'fine' ELSE 'very bad' END)::mood", 'int[]': 'ARRAY[g, NULL, 3]', 'text[]': "ARRAY['', NULL, 'a,b']", tstzrange: "tstzrange('2000-01-01'::timestamptz + g * interval '1 day', NULL)",
  'bit(4)': '(g % 16)::bit(4)', money: '(g / 10.0)::numeric::money', xml: "('<a>' || g || '</a>')::xml",
};
const insert_types = (from, to) =>
  `INSERT INTO all_types SELECT g, 'key ' || g, now(), ${types.map((type) => `CASE WHEN g % 11 <> 0 THEN ${value_of[type] ?? 'g'} END`).join(', ')} FROM generate_series(${from}, ${to}) g;`;

test('a stream and batches of the same tables end in the same rows and KPIs', { timeout: 600_000 }, async (t) => {
  // Before the world, which waits until nothing of it runs.
  let batch;
  t.after(() => batch?.up_child?.end({ signal: 'SIGKILL' }));
  const world = await make_world(t, 'batch');
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const generate = (...options) => run(binary, ['generate', 'adtech', '--url', world.url, ...options]);
  assert.equal((await generate('--rows', '60000', '--seed', '7')).code, 0);
  await sql(`CREATE TYPE mood AS ENUM ('very bad', 'fine');
    CREATE TABLE all_types (id bigint, name text, changed_at timestamptz NOT NULL, ${types.map((type, index) => `c${index} ${type}`).join(', ')}, PRIMARY KEY (id, name));
    CREATE INDEX ON all_types (changed_at); CREATE INDEX ON clicks (created_at, id);
    ${insert_types(1, 3000)}`);
  const stream_source = project.read('sources/ads.yaml');
  project.write('sources/ads.yaml', stream_source.replace('clicks]', 'clicks, all_types]'));
  batch = await batch_project(world, `source: ads
postgres:
  url: \${env:ADS_DATABASE_URL}
  mode: batch
  batch: { every: 1s, cursor: updated_at, overlap: 5s, deletes: { every: 3s, compare: rows } }
  tables:
    - advertiser
    - campaign
    - { table: impressions, cursor: id, overlap: 100 }
    - { table: clicks, cursor: [created_at, id], every: 2s }
    - { table: all_types, cursor: changed_at }
`);
  const batch_world = { ...world, project: batch };

  project.launch();
  batch.launch();
  // In the first load, as early as there is something to lose.
  await eventually('the first load is under way', async () => Number(await batch.clickhouse('SELECT count() FROM bronze.impressions').catch(() => 0)) > 0, { deadline_ms: 120_000 });
  await kill_and_start_again(batch);
  await Promise.all([project.ready(), batch.ready()]);

  const traffic = new Child(binary, ['generate', 'adtech', '--url', world.url, '--seed', '11', '--rate', '400', '--updates', '0.3', '--deletes', '0.15']);
  for (let round = 0; round < 3; ++round) {
    await sql(`${insert_types(3001 + round * 500, 3500 + round * 500)}
      UPDATE all_types SET c9 = c9 || 'x', changed_at = now() WHERE id % 13 = ${round};
      UPDATE all_types SET id = id + 1000000, changed_at = now() WHERE id % 17 = ${round};
      DELETE FROM all_types WHERE id % 19 = ${round};`);
    const before = (await batch.status()).sources[0].last_cut;
    await eventually('a cut more', async () => (await batch.status()).sources[0].last_cut > before);
    await kill_and_start_again(batch);
    await batch.ready();
  }
  const { code } = await traffic.end({ signal: 'SIGINT' });
  assert.equal(code, 0, traffic.stderr);
  await sql(`UPDATE campaign SET id = id + 100000, updated_at = now() AT TIME ZONE 'utc' WHERE id IN (SELECT id FROM campaign ORDER BY id LIMIT 5)`);

  await assert_adtech_equal(world, 'stream');
  await assert_adtech_equal(batch_world, 'batch');
  for (const name of [...tables, 'all_types'].map((table) => `bronze.${table}__current`).concat(kpis.map((kpi) => `analytics.${kpi}`))) {
    const query = `SELECT * FROM ${name} ORDER BY ALL`;
    const rows = await batch.clickhouse(query);
    assert.ok(rows.length > 0, name);
    assert.ok(rows === (await project.clickhouse(query)), `${name} differs between stream and batch`);
  }
  assert.equal(await batch.clickhouse('SELECT count() FROM tidemark.quarantine', { account: 'admin' }), '0\n');
  await batch.down();
  await project.down();
});

const orders = `CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL, amount numeric(12,2) NOT NULL, changed_at timestamptz NOT NULL DEFAULT now());
  CREATE INDEX ON orders (changed_at);`;
const by_customer = '-- kind: incremental\nSELECT customer, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY customer\n';
const source_with = (options) => `source: shop\npostgres:\n  url: \${env:ADS_DATABASE_URL}\n  mode: batch\n  batch: ${options}\n  tables: [orders]\n`;

test('up --once on a server without logical decoding; a load that was killed goes on', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'batch_once', { pack: null, settings: { wal_level: 'replica', max_wal_senders: 0, max_replication_slots: 0 } });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  project.write('sources/shop.yaml', source_with('{ cursor: changed_at }'));
  project.write('models/analytics/by_customer.sql', by_customer);
  await sql(`${orders} INSERT INTO orders (customer, amount, changed_at) SELECT g % 100, g, now() - (2000000 - g) * interval '10 milliseconds' FROM generate_series(1, 2000000) g;`);

  const killed = new Child(binary, ['up', '--once'], { cwd: project.directory, env: project.environment, log: path.join(project.directory, 'killed.log') });
  await eventually('some pages are in', async () => Number(await project.clickhouse("SELECT max(cut) FROM tidemark.cuts WHERE state = 'fenced'", { account: 'admin' }).catch(() => 0)) >= 2, { every_ms: 5 });
  killed.kill('SIGKILL');
  await killed.ended;
  await project.assert_nothing_left();
  await sql('UPDATE orders SET amount = amount + 1, changed_at = now() WHERE id % 5000 = 0; DELETE FROM orders WHERE id % 777 = 0;');

  const once = await project.run('up', '--once');
  assert.equal(once.code, 0, once.stderr);
  await project.assert_nothing_left();
  const [, read] = /run 1: 1 tables, (\d+) rows read/.exec(once.stderr + once.stdout) ?? [];
  assert.ok(Number(read) > 0 && Number(read) < 2_000_000, `the load went on where it was: ${read}\n${fs.readFileSync(path.join(project.directory, "killed.log"), "utf8")}${once.stderr}`);

  await sql("INSERT INTO orders (customer, amount) VALUES (7, 1); UPDATE orders SET customer = 8, changed_at = now() WHERE id = 5; DELETE FROM orders WHERE id = 6;");
  assert.equal((await project.run('up', '--once')).code, 0);
  await project.up();
  await project.assert_equal('by customer', postgres, database, 'SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer', 'SELECT * FROM analytics.by_customer');
  await project.assert_verified();

  // What has no moved cursor is out of a run's reach, and verify does not hide it.
  await sql("UPDATE orders SET changed_at = now() - interval '1 day' WHERE id <= 10");
  const { code, data } = await project.json('verify');
  assert.equal(code, 4);
  assert.equal(data.tables[0].different, 9, JSON.stringify(data.tables));
  await project.down();
});

test('rows that are committed late are not missed', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'batch_late', { pack: null });
  const { project, postgres, database, url } = world;
  const sql = (text) => postgres.sql(database, text);
  // Nothing but the cursor may find them.
  project.write('sources/shop.yaml', source_with('{ every: 1s, cursor: changed_at, overlap: 1s, deletes: { every: 1d } }'));
  project.write('models/analytics/by_customer.sql', by_customer);
  await sql(orders);
  await project.up();

  const session = (text) => new Child('psql', ['-XAtq', '-d', url, '-c', text]);
  const holder = session('SELECT pg_advisory_lock(1) FROM pg_sleep(0); SELECT pg_sleep(3600)');
  await eventually('the lock is held', async () => (await sql('SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND granted')) === '1');
  // One has written when newer rows are read, the other has not, and has no transaction id.
  const written = session("BEGIN; INSERT INTO orders (customer, amount) VALUES (1, 10); SELECT pg_advisory_xact_lock_shared(1); COMMIT");
  const silent = session("BEGIN; SELECT now(); SELECT pg_advisory_xact_lock_shared(1); INSERT INTO orders (customer, amount) VALUES (2, 20); COMMIT");
  await eventually('both wait', async () => (await sql('SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND NOT granted')) === '2');
  const began = Date.now();
  for (let round = 0; round < 3; ++round) {
    await eventually('time has passed', () => Date.now() - began > 2500 * (round + 1));
    await sql('INSERT INTO orders (customer, amount) VALUES (3, 30)');
    await eventually('newer rows are in', async () => Number(await project.clickhouse('SELECT count() FROM bronze.orders__current')) === round + 1);
  }
  await sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted");
  await Promise.all([written.ended, silent.ended, holder.ended]);
  await eventually('the late rows are in', async () => (await project.clickhouse('SELECT count() FROM bronze.orders__current')) === '5\n');
  await project.assert_equal('by customer', postgres, database, 'SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer', 'SELECT * FROM analytics.by_customer');
  await project.down();
});

test('a standby as the source, and its promotion', { timeout: 300_000 }, async (t) => {
  let standby;
  // Before the world, which waits until nothing of it runs.
  t.after(() => standby?.stop());
  const world = await make_world(t, 'batch_standby', { pack: null });
  const { project, postgres, database, url } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql(`${orders} INSERT INTO orders (customer, amount, changed_at) SELECT g % 100, g, now() - (20000 - g) * interval '1 second' FROM generate_series(1, 20000) g;`);
  standby = await postgres.standby();
  await postgres.followed_by(standby);
  project.environment.ADS_DATABASE_URL = standby.url(database);
  project.write('sources/shop.yaml', source_with('{ every: 1s, cursor: changed_at, overlap: 1s, deletes: { every: 1s } }'));
  project.write('models/analytics/by_customer.sql', by_customer);
  await project.up();
  const equal = async (what) => {
    await project.assert_verified();
    await project.assert_equal(what, standby, database, 'SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer', 'SELECT * FROM analytics.by_customer');
  };
  await equal('the load');

  // Open on the primary while the standby is read.
  const late = new Child('psql', ['-XAtq', '-d', url, '-c', 'BEGIN; INSERT INTO orders (customer, amount) VALUES (1, 10); SELECT pg_sleep(4); COMMIT']);
  await eventually('it has written', async () => (await sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(4)%' AND pid <> pg_backend_pid()")) === '1');
  await sql('UPDATE orders SET amount = amount + 1, changed_at = now() WHERE id % 50 = 0; DELETE FROM orders WHERE id % 77 = 0; INSERT INTO orders (customer, amount) SELECT g % 7, g FROM generate_series(1, 500) g');
  assert.equal((await late.ended).code, 0);
  await postgres.followed_by(standby);
  await equal('changes on the primary');

  await postgres.stop();
  await standby.sql('postgres', 'SELECT pg_promote(true, 60)');
  await standby.sql(database, "INSERT INTO orders (customer, amount) SELECT g % 9, g FROM generate_series(1, 300) g; UPDATE orders SET customer = 3, changed_at = now() WHERE id % 41 = 0; DELETE FROM orders WHERE id % 43 = 0");
  await equal('after the promotion');
  await project.down();
  await project.up();
  await equal('after a restart');
  await project.down();
});
