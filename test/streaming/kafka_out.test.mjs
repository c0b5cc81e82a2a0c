// Kafka out: the capture role against a real broker, beside a real Debezium connector on the same database (the same
// changes, message by message), and through kill -9 of itself and of the broker. kcat is the independent consumer; it
// reads at read_committed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Capture } from '../harness/capture.mjs';
import { Connect } from '../harness/connect.mjs';
import { Kafka } from '../harness/kafka.mjs';
import { Postgres } from '../harness/postgres.mjs';
import { eventually, make_directory, remove_directory } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world as make_sink_world } from '../harness/world.mjs';

async function make_world(t, name) {
  const world = { directory: make_directory(name), endings: [] };
  // Hooks run in the order they are registered in: this one ends all that writes to the directory, the last first.
  t.after(async () => {
    const ended = [];
    for (const ending of world.endings.reverse()) ended.push(...(await Promise.allSettled([ending()])));
    remove_directory(world.directory);
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  });
  world.postgres = await Postgres.start(world.directory);
  world.endings.push(() => world.postgres.stop());
  await world.postgres.create_database('shop');
  world.kafka = await Kafka.start(world.directory);
  world.endings.push(() => world.kafka.stop('SIGKILL'));
  return world;
}

const payload_of = (text) => {
  const parsed = JSON.parse(text);
  return parsed.schema && 'payload' in parsed ? parsed.payload : parsed;
};

const setup = `
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE types (id int primary key, b boolean, s smallint, l bigint, r real, d double precision, n numeric(10,2), nu numeric, tx text, vc varchar(10), ch char(5),
  ba bytea, u uuid, da date, ti time, ti3 time(3), ts timestamp, ts3 timestamp(3), tsz timestamptz, iv interval, j json, jb jsonb, m mood, ip inet, ci cidr, mac macaddr,
  mon money, bt bit(8), b1 bit(1), ir int4range, nr numrange, x xml, hs hstore, ia int[], ta text[], na numeric(5,1)[], tsa timestamp[], daa date[], bya bytea[], ua uuid[],
  o oid, c1 "char", boa bool[], fa float8[], tsza timestamptz[], jba jsonb[]);
INSERT INTO types VALUES (1, true, 2, 9007199254740993, 1.5, 0.1, 12.50, 123456789012345678901234567890.123, 'tä"x', 'vc', 'ch', '\\xdeadbeef', '123e4567-e89b-12d3-a456-426614174000',
  '2024-02-29', '12:34:56.789', '12:34:56.789', '2024-02-29 12:34:56.123456', '2024-02-29 12:34:56.123', '2024-02-29 12:34:56.123456+02', '1 year 2 mons 3 days 04:05:06.789', '{"a": 1}', '{"b": 2}', 'ok',
  '10.0.0.1/24', '10.0.0.0/24', '08:00:2b:01:02:03', '1234.56', '10110011', '1', '[1,5)', '[1.5,2.5]', '<a>1</a>', 'a=>1,b=>NULL', '{1,NULL,3}', '{a,NULL,"c d"}', '{1.5,2.5}', '{2024-02-29 12:34:56}',
  '{2024-02-29}', '{"\\\\xdead"}', '{123e4567-e89b-12d3-a456-426614174000}', '456', 'q', '{t,f}', '{1.5,2}', '{2024-02-29 12:34:56+00}', '{"{\\"a\\": 1}"}');
INSERT INTO types (id, r, d, n, tx) VALUES (2, 'NaN', 'Infinity', -0.01, ''), (3, '-Infinity', '-0', 0.00, E'line\\nbreak\\t\\\\'), (4, 1e30, 1e300, 99999999.99, NULL);
INSERT INTO types (id, ts, tsz, nu) VALUES (5, '2024-02-29 12:34:00', '2024-02-29 12:34:00+00', 1e-10);
CREATE TABLE nokey (a int, b text);
INSERT INTO nokey VALUES (0, 'first');
CREATE TABLE twokey (a int, b text, c text not null, f int not null, g timestamp not null, h numeric not null, primary key (b, a));
INSERT INTO twokey VALUES (1, 'x', 'c1', 5, '2024-01-01', 1.5);
CREATE TABLE full_id (id int primary key, v text, big text);
ALTER TABLE full_id REPLICA IDENTITY FULL;
INSERT INTO full_id VALUES (1, 'a', NULL);
CREATE TABLE toast (id int primary key, v int, t text, j jsonb, b bytea, ta text[], ia int[], n numeric);
ALTER TABLE toast ALTER t SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER ta SET STORAGE EXTERNAL, ALTER ia SET STORAGE EXTERNAL, ALTER n SET STORAGE EXTERNAL;
INSERT INTO toast VALUES (1, 1, repeat('x', 5000), ('{"a":"' || repeat('y', 5000) || '"}')::jsonb, decode(repeat('ab', 5000), 'hex'), ARRAY[repeat('z', 5000)],
  (SELECT array_agg(i) FROM generate_series(1, 2000) i), (repeat('9', 9000))::numeric);
`;

const changes = `
BEGIN;
INSERT INTO types SELECT (jsonb_populate_record(types, '{"id":11}')).* FROM types WHERE id = 1;
INSERT INTO types (id, r, d, n) VALUES (12, 'NaN', 'Infinity', -0.01), (13, '-Infinity', '-0', 0.00);
INSERT INTO nokey VALUES (1, 'x');
INSERT INTO types (id, da, ts, tsz) VALUES (14, '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC');
COMMIT;
UPDATE twokey SET c = 'c2';
UPDATE twokey SET a = 2, c = 'c3';
UPDATE full_id SET v = 'b';
UPDATE full_id SET id = 2;
DELETE FROM full_id;
DELETE FROM twokey;
UPDATE toast SET v = 2;
TRUNCATE nokey, full_id;
INSERT INTO nokey VALUES (99, 'end');
`;

// What both must say alike. Times, places in the log, names and versions are each one's own.
function comparable(message, prefix) {
  const strip = (text) => text?.replaceAll(`"${prefix}.`, '"PREFIX.');
  const normal = { key: message.key === null ? null : JSON.parse(strip(message.key)), headers: [] };
  for (let at = 0; at < (message.headers?.length ?? 0); at += 2)
    if (/^__debezium\.(new|old)key$/.test(message.headers[at])) normal.headers.push([message.headers[at], JSON.parse(strip(message.headers[at + 1]))]);
  if (message.payload === null) return { ...normal, tombstone: true };
  const { schema, payload } = JSON.parse(strip(message.payload));
  // Debezium also tells of columns' defaults and of enums' labels.
  const bare = (field) => {
    if (Array.isArray(field)) return field.map(bare);
    if (field === null || typeof field !== 'object') return field;
    const { default: _, ...rest } = field;
    if (rest.name === 'io.debezium.data.Enum' && rest.field !== 'snapshot') for (const key of ['name', 'version', 'parameters']) delete rest[key];
    return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, bare(value)]));
  };
  const { before, after, op, source, transaction } = payload;
  return {
    ...normal,
    schema: bare(schema),
    before,
    after,
    op,
    source: { ...Object.fromEntries(Object.entries(source).map(([key, value]) => [key, typeof value])), db: source.db, schema: source.schema, table: source.table, connector: source.connector, txId: op === 'r' ? 'any' : source.txId, snapshot: String(source.snapshot !== 'false') },
    lsn: op === 'r' ? 'any' : source.lsn,
    order: transaction && { total_order: transaction.total_order, data_collection_order: transaction.data_collection_order, transaction: transaction.id.split(':')[0] },
    fields: Object.keys(payload).sort(),
    sources: Object.keys(source).sort(),
  };
}

test('messages are those of the real Debezium connector', { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'kafka-shapes');
  await world.postgres.sql('shop', setup);
  const connect = new Connect(world.directory, world.kafka);
  connect.add(
    'deb',
    world.postgres,
    'shop',
    {
      'provide.transaction.metadata': true,
      'skipped.operations': 'none',
      'decimal.handling.mode': 'string',
      'time.precision.mode': 'isostring',
      'interval.handling.mode': 'string',
    },
    { schemas: true },
  );
  await connect.start();
  world.endings.push(() => connect.stop('SIGKILL'));
  const tables = ['types', 'nokey', 'twokey', 'full_id', 'toast'];
  const own = new Capture(world, { tables, output: ', schema: true' });
  own.launch();
  world.endings.push(() => own.child.end({ signal: 'SIGKILL' }));
  await own.caught_up();
  await eventually('Debezium has copied', async () => {
    for (const table of tables) if (!(await world.kafka.consume(`deb.public.${table}`)).length) return false;
    return true;
  });
  await world.postgres.sql('shop', changes);
  await own.caught_up();
  await eventually('Debezium has followed', async () => (await world.kafka.consume('deb.public.nokey')).some((message) => message.payload.includes('"a":99')), { deadline_ms: 120_000 });

  for (const table of tables)
    await t.test(table, async () => {
      const theirs = (await world.kafka.consume(`deb.public.${table}`)).map((message) => comparable(message, 'deb'));
      const ours = (await world.kafka.consume(`own.public.${table}`)).map((message) => comparable(message, 'own'));
      assert.equal(ours.length, theirs.length);
      for (const [at, message] of theirs.entries()) assert.deepEqual(ours[at], message, `message ${at}`);
    });

  await t.test('transactions', async () => {
    const read = async (prefix) =>
      (await world.kafka.consume(`${prefix}.transaction`)).map((message) => {
        const marker = payload_of(message.payload);
        const collections = marker.data_collections?.map((one) => `${one.data_collection} ${one.event_count}`).sort();
        return [marker.id.split(':')[0], marker.status, marker.event_count, collections, payload_of(message.key).id === marker.id];
      });
    const [ours, theirs] = [await read('own'), await read('deb')];
    // Debezium also counts logical messages, which are no rows (the test's fences).
    assert.deepEqual(ours, theirs.filter(([id]) => ours.some(([own_id]) => own_id === id)));
    assert.equal(ours.length, 2 * 10);
  });
  await own.stop();
});

test('nothing is lost and nothing comes twice through kill -9', { timeout: 900_000 }, async (t) => {
  const seed = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`TIDEMARK_SEED=${seed}`);
  const random = random_numbers(seed);
  const world = await make_world(t, 'kafka-kill');
  const { postgres, kafka } = world;
  // More rows than one chunk of the copy has, so that a kill finds it half done.
  await postgres.sql(
    'shop',
    `CREATE TABLE orders (id bigint primary key, item text not null, price numeric(10,2), changed timestamptz not null default now());
     CREATE TABLE visits (who text, at timestamp, n int, primary key (who, at));
     CREATE TABLE log (n bigint, line text);
     CREATE TABLE people (id int primary key, ssn text, name text);
     INSERT INTO people SELECT i, 'secret ' || i, 'p' || i FROM generate_series(1, 900) i;
     INSERT INTO orders SELECT i, 'item ' || i, i / 100.0 FROM generate_series(1, 180000) i;
     INSERT INTO visits SELECT 'p' || i % 100, '2024-01-01'::timestamp + i * interval '1 second', i FROM generate_series(1, 1000) i;
     INSERT INTO log SELECT i, 'line ' || i FROM generate_series(1, 1000) i;`,
  );
  const tables = ['orders', 'visits', 'log', '{ table: people, exclude: [ssn], where: "id % 3 = 0" }'];
  const own = new Capture(world, { tables, output: ', partitions: 3' });
  world.endings.push(async () => own.child?.end({ signal: 'SIGKILL' }));
  const kill = () => own.child.end({ signal: 'SIGKILL' });

  own.launch();
  // Asked of the topic's end: fast enough to come between two chunks.
  await eventually('a chunk of the copy is in', async () => Number(/offset (\d+)/.exec(await kafka.kcat(['-Q', '-t', 'own.public.orders:0:-1']))[1]) > 20_000, { every_ms: 10 });
  await kill();
  // Between the lives of the copy: rows that were read already, or not yet, change and go.
  await postgres.sql('shop', "DELETE FROM orders WHERE id % 1000 = 0; UPDATE orders SET item = 'changed' WHERE id % 1000 = 1; INSERT INTO orders VALUES (1000001, 'new', 1); UPDATE orders SET id = -id WHERE id % 1000 = 2;");
  own.launch();
  await own.caught_up();
  assert.match(fs.readFileSync(own.log, 'utf8'), /going on where it was interrupted/, 'the kill came when the copy was under way');
  const copied = await kafka.consume('own.public.orders');
  const reads = copied.filter((message) => message.payload && payload_of(message.payload).op === 'r').map((message) => message.key);
  assert.equal(new Set(reads).size, reads.length, 'no row is copied twice');

  // Half a megabyte a round, and a topic is read as one text, which may be 512: a quick machine must not make more of them.
  const rounds_max = 600;
  const round_ms_min = 150;
  let work = true;
  const workload = (async () => {
    for (let round = 0; work && round < rounds_max; ++round) {
      const paced = new Promise((resolve) => setTimeout(resolve, round_ms_min));
      const id = () => 1 + Math.floor(random() * 180_000);
      const first = 2_000_000 + round * 1000;
      const size = 1 + Math.floor(random() * 300);
      await postgres.sql(
        'shop',
        `BEGIN;
         INSERT INTO orders SELECT ${first} + i, 'bulk', i FROM generate_series(1, ${size}) i;
         UPDATE orders SET price = price + 1, changed = now() WHERE id BETWEEN ${id()} AND ${id()} AND id % 97 = 0;
         DELETE FROM orders WHERE id = ${id()};
         UPDATE orders SET id = id + 10000000 WHERE id = ${id()};
         INSERT INTO log VALUES (${first}, 'round ${round}');
         COMMIT;
         UPDATE visits SET n = n + 1 WHERE who = 'p${round % 100}';
         UPDATE visits SET at = at + interval '1 day' WHERE who = 'p${round % 100}';
         UPDATE people SET id = id + 1000, ssn = 'secret' WHERE id % 100 = ${round % 100}; UPDATE people SET name = name || '.' WHERE id % 10 = ${round % 10}; DELETE FROM people WHERE id % 100 = ${(round + 50) % 100};
         BEGIN; INSERT INTO orders VALUES (-${first}, 'never', 0); ROLLBACK;`,
      );
      await paced;
    }
  })();
  t.after(() => {
    work = false;
  });
  for (let round = 0; round < (process.env.CI ? 4 : 6); ++round) {
    await eventually('it streams', () => /streaming to/.test(own.log_tail()));
    const before = (await own.position()).cut;
    const ahead = 1 + Math.floor(random() * 15);
    await eventually('some more cuts', async () => (await own.position()).cut >= before + ahead, { every_ms: 20, deadline_ms: 120_000 });
    if (round === 3) {
      await kafka.stop('SIGKILL');
      await kafka.up();
    } else {
      await kill();
      own.launch();
    }
  }
  work = false;
  await workload;
  await own.caught_up();

  await t.test('the topics, folded by key, are the tables', async () => {
    for (const [table, key, columns, condition = ''] of [
      ['orders', ['id'], ['id', 'item', 'price', 'changed']],
      ['visits', ['who', 'at'], ['who', 'at', 'n']],
      ['people', ['id'], ['id', 'name'], 'WHERE id % 3 = 0'],
    ]) {
      const state = new Map();
      for (const message of await kafka.consume(`own.public.${table}`)) {
        assert.notEqual(message.key, null);
        assert.doesNotMatch(message.payload ?? '', /secret/, 'what is left out does not leave the server');
        if (message.payload === null) assert.ok(!state.has(message.key), 'a tombstone follows its delete');
        else {
          const { after } = payload_of(message.payload);
          if (after === null) state.delete(message.key);
          else {
            assert.deepEqual(JSON.parse(message.key), Object.fromEntries(key.map((name) => [name, after[name]])));
            state.set(message.key, after);
          }
        }
      }
      const iso = { changed: "to_char(changed AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", at: "to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')" };
      const rows = await postgres.rows('shop', `SELECT ${columns.map((name) => iso[name] ?? name).join(', ')} FROM ${table} ${condition}`);
      const ours = [...state.values()].map((row) => columns.map((name) => (row[name] === null ? null : String(row[name]))).join('\t')).sort();
      assert.deepEqual(ours, rows.map((row) => row.join('\t')).sort());
    }
    const lines = (await kafka.consume('own.public.log')).map((message) => payload_of(message.payload).after).map((row) => `${row.n}\t${row.line}`);
    assert.deepEqual(lines.sort(), (await postgres.rows('shop', 'SELECT n, line FROM log')).map((row) => row.join('\t')).sort());
  });

  await t.test('every transaction is there once, with all of its events', async () => {
    const events = new Map();
    for (const table of ['orders', 'visits', 'log', 'people'])
      for (const message of await kafka.consume(`own.public.${table}`)) {
        const transaction = message.payload === null ? null : payload_of(message.payload).transaction;
        if (!transaction) continue;
        if (!events.has(transaction.id)) events.set(transaction.id, []);
        events.get(transaction.id).push(transaction.total_order);
      }
    const markers = (await kafka.consume('own.transaction')).map((message) => JSON.parse(message.payload));
    const ends = markers.filter((marker) => marker.status === 'END');
    assert.equal(new Set(ends.map((marker) => marker.id)).size, ends.length);
    assert.equal(markers.length, 2 * ends.length);
    assert.deepEqual(ends.map((marker) => marker.id).sort(), [...events.keys()].sort());
    for (const { id, event_count } of ends)
      assert.deepEqual(
        events.get(id).sort((left, right) => left - right),
        Array.from({ length: event_count }, (_, at) => at + 1),
        `transaction ${id}`,
      );
  });

  await t.test('a second process leaves the first alone', async () => {
    const second = new Capture(world, { tables, output: ', partitions: 3' });
    second.log = `${second.log}.second`;
    second.launch();
    t.after(() => second.child.end({ signal: 'SIGKILL' }));
    assert.notEqual((await second.child.ended).code, 0);
    assert.match(second.log_tail(), /in use|active|streams from/);
    await postgres.sql('shop', "INSERT INTO log VALUES (-1, 'still')");
    await own.caught_up();
    assert.ok((await kafka.consume('own.public.log')).some((message) => message.payload.includes('still')));
  });
  await own.stop();

  await t.test('other rows of a table are not taken without a copy', async () => {
    const source = path.join(own.project, 'sources/shop.yaml');
    fs.writeFileSync(source, fs.readFileSync(source, 'utf8').replace('id % 3 = 0', 'id % 3 = 1'));
    own.launch();
    assert.notEqual((await own.child.ended).code, 0);
    assert.match(own.log_tail(), /others than those the topics were filled under/);
  });
});

test('Postgres, capture, Kafka, sink', { timeout: 600_000 }, async (t) => {
  let world;
  let own;
  // Registered first, so that it runs before the world looks whether everything is gone.
  t.after(async () => {
    await Promise.allSettled([own?.child?.end({ signal: 'SIGKILL' }), world?.kafka?.stop('SIGKILL'), world?.project?.up_child?.end({ signal: 'SIGKILL' })]);
  });
  world = await make_sink_world(t, 'kafka-sink', { pack: null, database: 'shop' });
  const { postgres, project } = world;
  world.kafka = await Kafka.start(world.directory);
  const kafka = world.kafka;
  await postgres.sql(
    'shop',
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, amount numeric(12, 2) NOT NULL, state text, updated timestamptz NOT NULL DEFAULT now());
     CREATE TABLE notes (tenant int, number int, body text, extra jsonb, PRIMARY KEY (tenant, number));
     ALTER TABLE notes ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN extra SET STORAGE EXTERNAL;
     CREATE TABLE kinds (id int PRIMARY KEY, n numeric, d date, ts timestamp, ts3 timestamp(3), u uuid, f real, g double precision, o boolean, s smallint, r int4range, a int[], w text[]);
     ALTER TABLE kinds REPLICA IDENTITY FULL;
     INSERT INTO orders (id, customer, amount, state) SELECT n, n % 7, n / 4.0, 'new' FROM generate_series(1, 2000) n;
     INSERT INTO notes SELECT n % 3, n, repeat('body ' || n, 600), to_jsonb(repeat('extra' || n, 500)) FROM generate_series(1, 60) n;
     INSERT INTO kinds VALUES (1, 1.2345678901234567890123456789, '2024-02-29', '2024-02-29 12:34:56.789012', '1969-12-31 23:59:59.5', '11111111-2222-3333-4444-555555555555', 1.5, 2.25, true, -7, '[1,5)', '{1,2}', '{a,"b c"}'),
       (2, -0.001, '1900-01-01', '2299-12-31 23:59:59.999999', NULL, NULL, 'NaN', '-Infinity', false, 0, 'empty', '{}', '{}');`,
  );
  own = new Capture(world, { tables: ['orders', 'notes', 'kinds'], output: ', schema: true, partitions: 3' });
  own.launch();
  await own.caught_up();
  project.write(
    'sources/sink.yaml',
    `source: sink\nkafka:\n  brokers: "${kafka.brokers}"\n  format: debezium\n  pattern: "own\\\\.public\\\\..*"\n`,
  );
  await project.up();

  let mark = 0;
  const compare = async (phase) => {
    await own.caught_up();
    mark -= 1;
    await postgres.sql('shop', `INSERT INTO orders (id, customer, amount) VALUES (${mark}, 0, 0); INSERT INTO notes VALUES (0, ${mark}); INSERT INTO kinds (id) VALUES (${mark});`);
    for (const [table, columns, back] of [
      ['orders', 'id, customer, amount::text, state, updated', 'id, customer, amount, state, updated'],
      ['notes', 'tenant, number, body, extra', 'tenant, number, body, extra'],
      ['kinds', 'id, n::text, d, ts, ts3, u, f, g, o, s, r', 'id, n, d, ts, ts3, u, f, g, o, s, r'],
    ])
      await eventually(
        `${phase}: ${table}`,
        async () => {
          await project.assert_equal(`${phase}: ${table}`, postgres, 'shop', `SELECT ${columns} FROM ${table}`, `SELECT ${back} FROM bronze.${table}__current`);
          return true;
        },
        { deadline_ms: 90_000, every_ms: 500 },
      ).catch((error) => {
        throw new Error(`${error.message}\n${project.log_tail()}\n${own.log_tail()}`);
      });
    const quarantined = (await project.status()).sources[0].tables.map((table) => table.quarantined);
    assert.ok(quarantined.every((count) => count === 0), JSON.stringify(quarantined));
  };
  await compare('the copy');
  for (let round = 0; round < 3; ++round) {
    await postgres.sql(
      'shop',
      `BEGIN; UPDATE orders SET amount = amount + 1, updated = now() WHERE id % 5 = ${round}; UPDATE orders SET amount = amount * 2 WHERE id % 10 = ${round}; DELETE FROM orders WHERE id % 100 = ${round}; COMMIT;
       INSERT INTO orders (id, customer, amount) SELECT 10000 * ${round + 1} + n, n % 7, n FROM generate_series(1, 500) n;
       UPDATE notes SET tenant = tenant WHERE number % 4 = ${round}; UPDATE notes SET body = 'short ${round}' WHERE number % 7 = ${round};
       UPDATE kinds SET s = s + 1; UPDATE kinds SET id = id + 10 WHERE id = ${round === 0 ? 1 : 1 + 10 * round};`,
    );
    await own.child.end({ signal: 'SIGKILL' });
    own.launch();
    await compare(`round ${round}`);
  }
  await postgres.sql('shop', "TRUNCATE kinds; INSERT INTO kinds (id, n) VALUES (7, 7);");
  await compare('after TRUNCATE');
  await own.stop();
  await project.down();
});
