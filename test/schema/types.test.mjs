// Types by value, and the same from all three ways in: the initial copy, the hand-over, the stream.
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

// column: [Postgres type, type in ClickHouse, values..., how ClickHouse is asked, how Postgres is asked]
const columns = {
  truth: { type: 'boolean', target: 'Nullable(Bool)', values: ['true', 'false', 'NULL'] },
  small: { type: 'smallint', target: 'Nullable(Int16)', values: ['-32768', '32767', '0'] },
  whole: { type: 'integer', target: 'Nullable(Int32)', values: ['-2147483648', '2147483647', 'NULL'] },
  big: { type: 'bigint', target: 'Nullable(Int64)', values: ['-9223372036854775808', '9223372036854775807', '9007199254740993'] },
  single: { type: 'real', target: 'Nullable(Float32)', values: ['1.1', "'NaN'", "'-Infinity'", '1e-40', '3.4028235e38'] },
  double: { type: 'double precision', target: 'Nullable(Float64)', values: ['0.1', "'Infinity'", "'NaN'", '1.7976931348623157e308', '-0.0'] },
  money: { type: 'numeric(10,2)', target: 'Nullable(Decimal(10, 2))', values: ['-99999999.99', '99999999.99', '0.01', '-0.01', 'NULL'] },
  wide: { type: 'numeric(38,10)', target: 'Nullable(Decimal(38, 10))', values: ['9999999999999999999999999999.9999999999', '-0.0000000001', '0'] },
  widest: { type: 'numeric(76,20)', target: 'Nullable(Decimal(76, 20))', values: ['-12345678901234567890123456789012345678901234567890123456.00000000000000000001', '1'] },
  unbounded: { type: 'numeric', target: 'Nullable(String)', values: ['1.50', "'NaN'", "'Infinity'", '123456789012345678901234567890.123456789012345678901234567890', '0.000', '1e100'] },
  words: { type: 'text', target: 'Nullable(String)', values: ["''", "E'tab\\t newline\\n back\\\\slash ''quote'' \"'", "'Ünïcode 漢字 🙂'", "'\\N'", 'NULL'] },
  short: { type: 'varchar(10)', target: 'Nullable(String)', values: ["'abc'", "'  x  '"] },
  padded: { type: 'char(5)', target: 'Nullable(String)', values: ["'ab'", "''"] },
  id16: { type: 'uuid', target: 'Nullable(UUID)', values: ["'00000000-0000-0000-0000-000000000000'", "'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'"] },
  day: { type: 'date', target: 'Nullable(Date32)', values: ["'1970-01-01'", "'1900-01-01'", "'2299-12-31'", "'2024-02-29'"] },
  moment: { type: 'timestamp', target: 'Nullable(DateTime64(6))', values: ["'1900-01-01 00:00:00'", "'2299-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'", "'2026-03-29 02:30:00.000001'"] },
  moment_zone: { type: 'timestamptz', target: "Nullable(DateTime64(6, 'UTC'))", values: ["'2024-06-01 12:00:00+05:30'", "'1900-01-01 00:00:00+00'", "'2299-12-31 23:59:59.999999+00'"] },
  clock: { type: 'time', target: 'Nullable(String)', values: ["'24:00:00'", "'00:00:00.000001'", "'12:34:56'"] },
  span: { type: 'interval', target: 'Nullable(String)', values: ["'1 year 2 mons -3 days 04:05:06.789'", "'-1 day'", "'0'"] },
  document: { type: 'json', target: 'Nullable(String)', values: [`'{"b": 1, "a":  [1.0, null]}'`, "'null'", 'NULL'] },
  documents: { type: 'jsonb', target: 'Nullable(String)', values: [`'{"b": 1, "a":  [1.0, null, "\\u0041"]}'`, "'null'", 'NULL', '\'"text"\''] },
  bytes: { type: 'bytea', target: 'Nullable(String)', values: ["'\\x00ff0a095c'", "''", 'NULL'], clickhouse: 'lower(hex(bytes))', postgres: "encode(bytes, 'hex')" },
  address: { type: 'inet', target: 'Nullable(String)', values: ["'192.168.1.1'", "'10.0.0.0/8'", "'2001:db8::1'"] },
  mood: { type: 'mood', values: ["'fine'", "'very bad'", 'NULL'] },
  numbers: { type: 'int[]', values: ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'", 'NULL'] },
  labels: { type: 'text[]', values: [`'{"",NULL,"a,b","q\\"uote"}'`, "'{}'"] },
  tags: { type: "text[] NOT NULL DEFAULT '{}'", values: ["'{a,b}'", "'{}'", "'{NULL}'"], clickhouse: "arrayStringConcat(arrayMap(tag -> ifNull(tag, 'NULL'), tags), ',')", postgres: "array_to_string(tags, ',', 'NULL')" },
  needed: { type: 'integer NOT NULL DEFAULT 7', target: 'Int32', values: ['1'] },
  derived: { type: 'integer GENERATED ALWAYS AS (needed * 2) STORED', target: null, values: [] },
};

const stored = Object.entries(columns).filter(([, column]) => column.values.length > 0);
const rounds = Math.max(...stored.map(([, column]) => column.values.length));

function insert(phase) {
  const names = stored.map(([name]) => name).join(', ');
  return Array.from({ length: rounds }, (_, round) => {
    const values = stored.map(([, column]) => column.values[round % column.values.length]).join(', ');
    return `INSERT INTO "All Types" (phase, ${names}) VALUES ('${phase}', ${values});`;
  }).join('\n');
}

test('every type the packs use', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'types', { pack: null });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql(`CREATE TYPE mood AS ENUM ('very bad', 'fine');
    CREATE TABLE "All Types" (id bigserial PRIMARY KEY, phase text NOT NULL, ${Object.entries(columns).map(([name, { type }]) => `${name} ${type}`).join(', ')});`);
  project.write('sources/all.yaml', 'source: all\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: ["All Types"]\n');
  await sql(insert('copy'));

  // rows keep coming while the copy runs, so that some fall into the hand-over
  project.launch();
  let going = true;
  const handover = (async () => {
    while (going) await sql(insert('hand-over'));
  })();
  await project.ready().finally(() => (going = false));
  await handover;
  await sql(insert('stream'));
  await sql(`BEGIN; ${insert('transaction')} COMMIT`);
  await sql(`UPDATE "All Types" SET phase = phase || ', updated' WHERE id % 3 = 0`);
  await project.caught_up(postgres);

  const view = 'bronze.`All Types__current`';
  await t.test('types in the warehouse', async () => {
    const { rows } = await project.table(`SELECT name, type FROM system.columns WHERE database = 'bronze' AND table = 'All Types'`);
    const types = Object.fromEntries(rows);
    for (const [name, { target }] of stored) if (target) assert.equal(types[name], target, name);
    assert.equal(types.id, 'Int64');
  });
  for (const [name, { clickhouse, postgres: expected }] of stored)
    await t.test(name, () => project.assert_equal(name, postgres, database, `SELECT id, phase, ${expected ?? name} FROM "All Types"`, `SELECT id, phase, ${clickhouse ?? name} FROM ${view}`));

  await t.test('a value that does not fit is kept aside with its reason, and nothing else is lost', async () => {
    await sql(`INSERT INTO "All Types" (id, phase, moment) VALUES (1000001, 'bad', 'infinity'), (1000002, 'bad', '0044-03-15 BC'), (1000003, 'good', '2026-01-01')`);
    await sql(`INSERT INTO "All Types" (id, phase, money) VALUES (1000004, 'bad', 'NaN')`);
    await project.caught_up(postgres);
    assert.equal(await project.clickhouse(`SELECT count() FROM ${view} WHERE id >= 1000001`), '1\n');
    await eventually('the counter shows three', async (seen) => {
      const status = await project.status();
      seen(status);
      return status.sources[0].tables[0].quarantined === 3;
    }, { deadline_ms: 10_000 });
    const kept = await project.clickhouse('SELECT count(), countIf(reason != \'\') FROM tidemark.quarantine', { account: 'admin' });
    assert.equal(kept, '3\t3\n');
  });

  // Which is `resync` of a table with every type.
  await t.test('rows that did not fit are listed, tried again and dropped', async () => {
    const listed = async () => (await project.json('deadletter', 'list', '--quarantined')).data.quarantined.map(({ source, table, column }) => `${source}.${table}: ${column}`).sort();
    assert.deepEqual(await listed(), ['all.All Types: moment', 'all.All Types: moment', 'all.All Types: money']);
    await sql(`UPDATE "All Types" SET money = 1 WHERE id = 1000004; UPDATE "All Types" SET moment = '2026-01-02' WHERE id = 1000001`);
    await project.clickhouse('ALTER TABLE bronze.`All Types` DELETE WHERE id % 3 = 1 SETTINGS mutations_sync = 1', { account: 'tidemark' });
    await project.clickhouse("ALTER TABLE bronze.`All Types` UPDATE words = 'x', numbers = '{7}', widest = 0, bytes = 'x', tags = [], needed = 3, moment_zone = NULL WHERE id % 3 = 2 SETTINGS mutations_sync = 1", { account: 'tidemark' });
    const retried = await project.run('deadletter', 'retry', 'All Types', '--quarantined');
    assert.equal(retried.code, 0, retried.stdout + retried.stderr);
    await project.caught_up(postgres);
    const columns_of = (how) => stored.map(([name, column]) => column[how] ?? name).join(', ');
    await project.assert_equal('after the retry', postgres, database, `SELECT id, phase, ${columns_of('postgres')} FROM "All Types" WHERE id <> 1000002`, `SELECT id, phase, ${columns_of('clickhouse')} FROM ${view}`);
    assert.deepEqual(await listed(), ['all.All Types: moment']);
    assert.match((await project.run('deadletter', 'drop', 'All Types', '--quarantined')).stdout, /All Types: 1 row dropped/);
    assert.deepEqual(await listed(), []);
    assert.equal((await project.status()).sources[0].tables[0].quarantined, 0);
  });
  await project.down();
});
