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
  network: { type: 'cidr', values: ["'10.0.0.0/8'", "'2001:db8::/32'"] },
  hardware: { type: 'macaddr', values: ["'08:00:2b:01:02:03'"] },
  hardware8: { type: 'macaddr8', values: ["'08:00:2b:01:02:03:04:05'"] },
  cash: { type: 'money', values: ["'-1234567.89'", '0', "'92233720368547758.07'"] },
  flags: { type: 'bit varying', values: ["B'101010101'", "B''"] },
  flags5: { type: 'bit(5)', values: ["B'10101'"] },
  markup: { type: 'xml', values: [`'<a b="c">d</a>'`, "''"] },
  pairs: { type: 'hstore', values: ["'a=>1, b=>NULL'", "''"] },
  place: { type: 'pg_lsn', values: ["'16/B374D848'"] },
  clock_zone: { type: 'timetz', values: ["'12:34:56.789+05:30'", "'24:00-15:59'"] },
  transaction: { type: 'xid8', target: 'Nullable(UInt64)', values: ["'18446744073709551615'"] },
  letter: { type: '"char"', values: ["'a'", "''"] },
  label: { type: 'name', values: ["'pg_class'"] },
  any_case: { type: 'citext', values: ["'MiXed'"] },
  price: { type: 'price', target: 'Nullable(Decimal(10, 2))', values: ['12.34', 'NULL'] },
  moods: { type: 'mood[]', values: ["'{fine,NULL,\"very bad\"}'", "'{}'"] },
  spell: { type: 'tstzrange', values: ["'[2024-01-01 00:00+00,2024-01-02 12:00+00)'", "'empty'", "'(,)'"] },
  amounts: { type: 'numrange', values: ["'[1.5,2.50]'", 'NULL'] },
  spells: { type: 'datemultirange', values: ["'{[2024-01-01,2024-02-01),[2025-01-01,)}'", "'{}'"] },
};

// Types that only Postgres can print: a source that has one of them is streamed as text.
const printed = {
  point: { type: 'point', values: ["'(1.5,-2)'", "'(NaN,Infinity)'", 'NULL'] },
  line: { type: 'line', values: ["'{1,-1,0.1}'", "'[(0,0),(1,3)]'"] },
  lseg: { type: 'lseg', values: ["'[(0,0),(1,0.3)]'", 'NULL'] },
  box: { type: 'box', values: ["'((2,2),(0,0))'"] },
  path: { type: 'path', values: ["'((0,0),(1,1),(2,0))'", "'[(0,0),(1.5,1)]'"] },
  polygon: { type: 'polygon', values: ["'((0,0),(1,1),(2,0))'"] },
  circle: { type: 'circle', values: ["'<(1,-2.5),3>'", 'NULL'] },
  words: { type: 'tsvector', values: ["$$a:1A fat:2B,4C 'b c':3$$", "''"] },
  question: { type: 'tsquery', values: ["'fat & (rat | !cat:ab)'", "$$'it''s' <2> b:*$$", 'NULL'] },
  way: { type: 'jsonpath', values: [`'$.a[*] ? (@."b c" > 1)'`, "'strict $'"] },
  seen: { type: 'pg_snapshot', values: ["'10:20:10,14,15'", "'7:7:'"] },
  seen_before: { type: 'txid_snapshot', values: ["'10:20:10,14,15'"] },
  tuple: { type: 'tid', values: ["'(4294967295,65535)'"] },
  numbers: { type: 'int2vector', values: ["'1 -2 3'", "''"] },
  right_of: { type: 'aclitem', values: ["'postgres=r*w/postgres'"] },
  relation: { type: 'regclass', values: ["'pg_catalog.pg_class'"] },
  of_type: { type: 'regtype', values: ["'timestamp with time zone'", "'mood'"] },
  whole: { type: 'pair', values: ["ROW(1, 'x y')", 'ROW(NULL, NULL)', 'NULL'] },
  wholes: { type: 'pair[]', values: [`ARRAY[ROW(1, 'a"b')::pair, NULL]`, "'{}'"] },
  circles: { type: 'circle[]', values: [`'{"<(1,2),3>",NULL}'`] },
  questions: { type: "tsquery[] NOT NULL DEFAULT '{}'", target: 'String', values: [`ARRAY['a & b'::tsquery, NULL]`, "'{}'"] },
  plain: { type: 'text', values: ["repeat('large, ', 3000)", "'x'"], clickhouse: 'hex(MD5(plain))', postgres: 'upper(md5(plain))' },
};

function stored_of(columns) {
  return Object.entries(columns).filter(([, column]) => column.values.length > 0);
}
const stored = stored_of(columns);

function insert_into(table, columns, phase) {
  const stored = stored_of(columns);
  const names = stored.map(([name]) => name).join(', ');
  const rounds = Math.max(...stored.map(([, column]) => column.values.length));
  return Array.from({ length: rounds }, (_, round) => {
    const values = stored.map(([, column]) => column.values[round % column.values.length]).join(', ');
    return `INSERT INTO "${table}" (phase, ${names}) VALUES ('${phase}', ${values});`;
  }).join('\n');
}
const insert = (phase) => `${insert_into('All Types', columns, phase)}\n${insert_into('Printed Types', printed, phase)}`;

// Of databases that are not in UTF-8, each a source of its own: what they hold, and which bytes arrive.
const other_encodings = {
  // It does not say what its text is encoded in: bytes are taken as they are.
  ascii: { encoding: 'SQL_ASCII', values: ["E'caf\\xe9'", "E'\\xff\\xfe\\x80'", "E'gr\\xc3\\xbc\\xc3\\x9fe'", "'plain'"], arrives: (text) => `encode(textsend(${text}), 'hex')` },
  latin: { encoding: 'LATIN1', values: ["E'caf\\xe9'", "E'\\xfc\\xdf'", "'plain'"], arrives: (text) => `encode(convert_to(${text}, 'UTF8'), 'hex')` },
};
const insert_words = (name, phase) => other_encodings[name].values.map((value) => `INSERT INTO ${name}_words (phase, word, list) VALUES ('${phase}', ${value}, ARRAY[${value}, NULL]);`).join('\n');

// What is hard for a capture beside values (docs/CAPTURE.md), done once a phase: transactions over keys of its own, in
// tables of each kind that says differently which row a change is about.
const case_tables = ['case_default', 'case_full', 'case_index', 'case_parts'];
const create_cases = `${case_tables.map((table) => `CREATE TABLE ${table} (id int NOT NULL, n int NOT NULL, big text, other numeric, PRIMARY KEY (id)) ${table === 'case_parts' ? 'PARTITION BY RANGE (id)' : ''};`).join('\n')}
  CREATE TABLE case_parts_a PARTITION OF case_parts FOR VALUES FROM (0) TO (500000); CREATE TABLE case_parts_b (other numeric, gone int, big text, n int NOT NULL, id int NOT NULL); ALTER TABLE case_parts_b DROP COLUMN gone;
  ALTER TABLE case_parts ATTACH PARTITION case_parts_b FOR VALUES FROM (500000) TO (2000000000); CREATE TABLE case_emptied (id int PRIMARY KEY, n int); CREATE TABLE case_emptied_too (id int PRIMARY KEY REFERENCES case_emptied, n int);
  ALTER TABLE case_full REPLICA IDENTITY FULL; CREATE UNIQUE INDEX case_by_index ON case_index (n, id); ALTER TABLE case_index REPLICA IDENTITY USING INDEX case_by_index; ALTER TABLE case_default ALTER big SET STORAGE EXTERNAL;`;
function cases(number) {
  const key = (place) => number * 1000 + place;
  const large = (seed) => `(SELECT string_agg(md5('${seed}${number}' || i), '') FROM generate_series(1, 300) i)`;
  return `${case_tables.map((table) => `
  BEGIN; INSERT INTO ${table} SELECT ${key(0)} + i, i, NULL, i / 7.0 FROM generate_series(1, 40) i; UPDATE ${table} SET id = id + 100 WHERE id BETWEEN ${key(1)} AND ${key(20)}; COMMIT;
  BEGIN; UPDATE ${table} SET id = ${key(999)} WHERE id = ${key(101)}; UPDATE ${table} SET id = ${key(101)} WHERE id = ${key(102)}; UPDATE ${table} SET id = ${key(102)} WHERE id = ${key(999)}; COMMIT;
  INSERT INTO ${table} VALUES (${key(200)}, 1, ${large('a')}, 1), (${key(201)}, 1, ${large('b')}, 1); UPDATE ${table} SET n = n + 1 WHERE id = ${key(200)}; UPDATE ${table} SET id = ${key(202)}, n = 5 WHERE id = ${key(201)};
  BEGIN; INSERT INTO ${table} VALUES (${key(300)}, 1, ${large('c')}, 1); UPDATE ${table} SET n = 2 WHERE id = ${key(300)}; DELETE FROM ${table} WHERE id = ${key(300)}; DELETE FROM ${table} WHERE id = ${key(30)};
    INSERT INTO ${table} VALUES (${key(30)}, -1, 'again', NULL); UPDATE ${table} SET n = n - 1 WHERE id = ${key(30)}; UPDATE ${table} SET n = n - 1 WHERE id = ${key(30)}; COMMIT;
  BEGIN; INSERT INTO ${table} VALUES (${key(400)}, 1); SAVEPOINT a; INSERT INTO ${table} VALUES (${key(401)}, 1); UPDATE ${table} SET n = 99 WHERE id = ${key(400)}; ROLLBACK TO a; SELECT pg_logical_emit_message(true, 'case', 'inside');
    INSERT INTO ${table} VALUES (${key(402)}, 1); COMMIT; SELECT pg_logical_emit_message(false, 'case', 'outside');
  COPY ${table} FROM stdin;\n${Array.from({ length: 50 }, (_, row) => `${key(500 + row)}\t${row}\t\\N\t${row}.5`).join('\n')}\n\\.`).join('\n')}
  UPDATE case_parts SET id = id + 1000000 WHERE id BETWEEN ${key(500)} AND ${key(509)};`;
}
// Not without end while a table is copied: the copy of a table that was emptied meanwhile starts over.
const empty = (number) => `BEGIN; INSERT INTO case_emptied VALUES (${number}, 1); INSERT INTO case_emptied_too VALUES (${number}, 1); TRUNCATE case_emptied CASCADE; INSERT INTO case_emptied VALUES (${number}, 2); INSERT INTO case_emptied_too VALUES (${number}, 2); COMMIT;`;

test('every type the packs use', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'types', { pack: null });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const create = (table, columns) => `CREATE TABLE "${table}" (id bigserial PRIMARY KEY, phase text NOT NULL, ${Object.entries(columns).map(([name, { type }]) => `${name} ${type}`).join(', ')});`;
  await sql(`CREATE TYPE mood AS ENUM ('very bad', 'fine'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN price AS numeric(10,2);
    CREATE EXTENSION hstore; CREATE EXTENSION citext; ${create('All Types', columns)} ${create('Printed Types', printed)} ${create_cases}`);
  project.write('sources/all.yaml', 'source: all\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: ["All Types", "case_*"]\n');
  project.write('sources/printed.yaml', 'source: printed\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: ["Printed Types"]\n');
  await sql(insert('copy'));
  let number = 0;
  for (; number < 3; ++number) await sql(cases(number) + empty(number));
  for (const [name, other] of Object.entries(other_encodings)) {
    await postgres.sql('postgres', `CREATE DATABASE ${name} ENCODING '${other.encoding}' TEMPLATE template0`);
    await postgres.sql(name, `CREATE TABLE ${name}_words (id serial PRIMARY KEY, phase text, word text, list text[]); ${insert_words(name, 'copy')}`);
    project.write(`sources/${name}.yaml`, `source: ${name}\npostgres:\n  url: ${postgres.url(name)}\n  tables: [${name}_words]\n`);
  }

  // rows keep coming while the copy runs, so that some fall into the hand-over
  project.launch();
  let going = true;
  const handover = (async () => {
    while (going) {
      await sql(insert('hand-over'));
      await sql(cases(number) + (number === 4 ? empty(number) : ''));
      ++number;
      for (const name in other_encodings) await postgres.sql(name, insert_words(name, 'hand-over'));
    }
  })();
  await project.ready().finally(() => (going = false));
  await handover;
  await sql(insert('stream'));
  await sql(cases(number) + empty(number));
  ++number;
  await sql(`BEGIN; ${insert('transaction')} COMMIT`);
  for (const table of ['All Types', 'Printed Types']) await sql(`UPDATE "${table}" SET phase = phase || ', updated' WHERE id % 3 = 0`);
  for (const name in other_encodings) await postgres.sql(name, `${insert_words(name, 'stream')} UPDATE ${name}_words SET phase = phase || ', updated' WHERE id % 3 = 0`);
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

  const assert_printed = async (when) => {
    for (const [name, { clickhouse, postgres: expected }] of stored_of(printed))
      await project.assert_equal(`${name} ${when}`, postgres, database, `SELECT id, phase, ${expected ?? name} FROM "Printed Types"`, `SELECT id, phase, ${clickhouse ?? name} FROM bronze.\`Printed Types__current\``);
  };
  const assert_words = async (when) => {
    for (const [name, { arrives }] of Object.entries(other_encodings)) {
      const rows = await project.assert_equal(`${name} ${when}`, postgres, name, `SELECT id, phase, ${arrives('word')}, ${arrives('list::text')} FROM ${name}_words`, `SELECT id, phase, lower(hex(word)), lower(hex(list)) FROM bronze.${name}_words__current`);
      assert.ok(rows >= 2 * other_encodings[name].values.length);
    }
  };
  await t.test('hard cases in all three phases', async () => {
    for (const table of case_tables) {
      const rows = await project.assert_equal(table, postgres, database, `SELECT id, n, md5(big), other FROM ${table}`, `SELECT id, n, lower(hex(MD5(big))), other FROM bronze.${table}__current`);
      assert.ok(rows >= 90 * number, `${rows} rows of ${number} times`);
    }
    for (const table of ['case_emptied', 'case_emptied_too']) assert.equal(await project.assert_equal(table, postgres, database, `SELECT id, n FROM ${table}`, `SELECT id, n FROM bronze.${table}__current`), 1);
  });
  await t.test('types that only Postgres can print', () => assert_printed('as they came'));
  await t.test('databases in other encodings', () => assert_words('as they came'));
  await t.test('a printed and an unencoded table are proven and repaired', async () => {
    for (const table of ['Printed Types', 'ascii_words']) await project.clickhouse(`ALTER TABLE bronze.\`${table}\` DELETE WHERE id % 3 = 1 SETTINGS mutations_sync = 1`, { account: 'tidemark' });
    await project.clickhouse("ALTER TABLE bronze.ascii_words UPDATE word = 'x' WHERE id % 3 = 2 SETTINGS mutations_sync = 1", { account: 'tidemark' });
    const repaired = await project.run('verify', '--repair', 'Printed Types', 'ascii_words');
    assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
    await assert_printed('after the repair');
    await assert_words('after the repair');
  });

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
