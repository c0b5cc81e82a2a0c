// `tidemark verify` of tables over Kafka: equal after everything that topics may hold, and whatever differs is found and named.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Connect } from '../harness/connect.mjs';
import { caught_up, kafka_world } from '../harness/kafka_world.mjs';
import { eventually } from '../harness/process.mjs';

const counts = ({ missing, extra, different }) => ({ missing, extra, different });
const none = { missing: 0, extra: 0, different: 0 };

test('the proof of tables over Kafka', { timeout: 600_000 }, async (t) => {
  const world = await kafka_world(t, 'kafka-verify');
  const { kafka, project, postgres, database } = world;
  const topics = ['shop.public.orders', 'shop.public.notes'];
  await postgres.sql(
    database,
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, amount numeric(12, 2), state text, at timestamptz DEFAULT now());
     CREATE TABLE notes (tenant int, number int, body text, extra jsonb, PRIMARY KEY (tenant, number));
     ALTER TABLE notes ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN extra SET STORAGE EXTERNAL;
     INSERT INTO orders (id, customer, amount, state) SELECT n, n % 7, n / 4.0, CASE WHEN n % 3 > 0 THEN 'new' END FROM generate_series(1, 3000) n;
     INSERT INTO notes SELECT n % 3, n, repeat('body ' || n, 600), to_jsonb(repeat('extra' || n, 500)) FROM generate_series(1, 60) n;`,
  );
  await kafka.create_topic('prices', 3);
  await kafka.create_topic('lines', 2);
  project.write('sources/shop.yaml', 'source: shop\nkafka: { brokers: "${env:BROKERS}", format: debezium, pattern: "shop\\\\.public\\\\..*" }\n');
  project.write(
    'sources/plain.yaml',
    'source: plain\nkafka:\n  brokers: ${env:BROKERS}\n  format: json\n  topics: [prices]\n' +
      '  tables:\n    - table: prices\n      key: [id]\n      columns: { id: Int64, price: "Nullable(Decimal(12, 2))", tags: "Array(Nullable(String))" }\n',
  );
  project.write('sources/raw.yaml', 'source: raw\nkafka: { brokers: "${env:BROKERS}", format: lines, topics: [lines] }\n');
  project.write('models/analytics/by_customer.sql', '-- kind: incremental\nSELECT customer, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY customer\n');
  world.connect = new Connect(world.directory, kafka);
  world.connect.add('shop', postgres, database, { 'skipped.operations': 'none' }, { schemas: true });
  await world.connect.start();
  for (const [topic, rows] of [[topics[0], 3000], [topics[1], 60]])
    await eventually(`the snapshot is in ${topic}`, async () => (await kafka.kcat(['-Q', '-t', `${topic}:0:-1`])).includes(`offset ${rows}`), { deadline_ms: 180_000 });
  // Before the second messages of the same keys: kcat spreads keys over partitions by themselves.
  const price = (id, value) => ({ key: `{"id":${id}}`, value: value === null ? null : JSON.stringify({ id, ...value }) });
  await kafka.produce('prices', Array.from({ length: 500 }, (_, id) => price(id, { price: id / 4, tags: [String(id), null] })));
  await kafka.produce('lines', ['one', '{"two"', 'three', 'three']);
  await project.up();

  const verify = async (...names) => {
    const { code, data, stderr } = await project.json('verify', ...names);
    assert.ok(data.tables, stderr);
    return { code, proof: data, tables: Object.fromEntries(data.tables.map((table) => [table.table.slice('bronze.'.length), table])) };
  };
  let mark = 0;
  const settle = async () => {
    mark -= 1;
    await postgres.sql(database, `INSERT INTO notes (tenant, number) VALUES (0, ${mark}); INSERT INTO orders (id, customer) VALUES (${mark}, 0)`);
    for (const [table, key] of [['orders', 'id'], ['notes', 'number']])
      await eventually(`row ${mark} of ${table} arrives`, async () => (await project.clickhouse(`SELECT count() FROM bronze.${table}__current WHERE ${key} = ${mark}`)) === '1\n', { deadline_ms: 120_000 });
  };

  await t.test('nothing differs after a mixed workload', async () => {
    await postgres.sql(database, "INSERT INTO orders (id, customer, amount) VALUES (900000, 1, 1); TRUNCATE orders; INSERT INTO orders (id, customer, amount, state) SELECT n, n % 7, n / 2.0, 'again' FROM generate_series(1, 2000) n");
    for (const statement of [
      'UPDATE orders SET amount = NULL WHERE id % 5 = 0',
      'UPDATE orders SET id = id + 100000 WHERE id % 11 = 0',
      'DELETE FROM orders WHERE id % 13 = 0',
      'BEGIN; DELETE FROM orders WHERE id = 1; INSERT INTO orders (id, customer, amount) VALUES (1, 3, 1); UPDATE orders SET customer = 4 WHERE id = 1; COMMIT',
      'BEGIN; UPDATE orders SET amount = 0; ROLLBACK',
      'UPDATE notes SET tenant = tenant WHERE number % 5 = 1',
      'UPDATE notes SET number = number + 1000 WHERE number % 4 = 0',
      'UPDATE notes SET number = number + 1000 WHERE number % 8 = 0',
      "UPDATE notes SET extra = '{\"short\": 1}' WHERE number % 7 = 0",
      'DELETE FROM notes WHERE number % 9 = 0',
    ])
      await postgres.sql(database, statement);
    await kafka.produce(topics[0], ['poison']);
    await kafka.produce('prices', [...Array.from({ length: 100 }, (_, id) => price(id * 3, { price: null, tags: [] })), ...Array.from({ length: 50 }, (_, id) => price(id * 5, null))]);
    await kafka.produce('prices', ['poison', '{"id":7777777,"price":1.234,"tags":[]}']);
    await kafka.produce('lines', ['four', 'five']);
    await settle();
    await caught_up(world, 'shop', topics);
    const { code, proof, tables } = await verify();
    assert.deepEqual(Object.values(tables).map(counts), Object.values(tables).map(() => none), JSON.stringify(tables));
    assert.equal(code, 0);
    assert.equal(tables.orders.rows, Number(await postgres.sql(database, 'SELECT count(*) FROM orders')));
    assert.equal(tables.notes.rows, Number(await postgres.sql(database, 'SELECT count(*) FROM notes')));
    assert.deepEqual(['orders', 'prices', 'notes', 'lines'].map((table) => tables[table].refused), [1, 2, 0, 0]);
    assert.deepEqual(Object.values(tables).map(({ not_judged, moving }) => not_judged + moving), Object.values(tables).map(() => 0));
    assert.equal(tables.lines.rows, 6);
    assert.deepEqual(Object.keys(proof.as_of.plain), ['prices/0', 'prices/1', 'prices/2']);
    assert.equal(Object.values(proof.as_of.plain).reduce((sum, offset) => sum + offset, 0), 652);
    assert.equal(proof.models[0].different, 0);
    assert.equal(await project.clickhouse("SELECT count() FROM system.databases WHERE name LIKE 'tidemark_verify%'", { account: 'tidemark' }), '0\n');
  });

  await t.test('nothing differs while writes go on', async () => {
    let work = true;
    const workload = (async () => {
      for (let round = 0; work; ++round) {
        await postgres.sql(database, `UPDATE orders SET amount = coalesce(amount, 0) + 1 WHERE id % 10 = ${round % 10}; UPDATE notes SET tenant = tenant WHERE number % 10 = ${round % 10}; DELETE FROM orders WHERE id = ${500 + round}; UPDATE orders SET id = id + 500000 WHERE id = ${1500 + round}`);
        await kafka.produce('prices', Array.from({ length: 20 }, (_, id) => price(id, { price: round, tags: [] })));
      }
    })();
    for (let round = 0; round < 3; ++round) {
      const { tables } = await verify('orders', 'notes', 'prices', 'lines');
      assert.deepEqual(Object.values(tables).map(counts), Object.values(tables).map(() => none), JSON.stringify(tables));
      assert.deepEqual(Object.values(tables).map(({ not_judged, moving }) => not_judged + moving), [0, 0, 0, 0]);
    }
    work = false;
    await workload;
  });

  await t.test('nothing differs without a running project, also after kill -9', async () => {
    const names = Object.keys((await verify()).tables);
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    // Tables only: models may be ahead of them by the cut that the kill interrupted, until it is finished.
    const { code, tables } = await verify(...names);
    assert.deepEqual(Object.values(tables).map(counts), Object.values(tables).map(() => none), JSON.stringify(tables));
    assert.equal(code, 0);
    await project.up();
  });

  await t.test('a wrong value, a row that is gone and one too many are found and named', async () => {
    await settle();
    const write = (sql) => project.clickhouse(sql, { account: 'tidemark' });
    await write('INSERT INTO bronze.orders SELECT * REPLACE (amount + 1 AS amount, _version + 1 AS _version) FROM bronze.orders FINAL WHERE id = 2');
    await write('INSERT INTO bronze.orders SELECT * REPLACE (1 AS _deleted, _version + 1 AS _version) FROM bronze.orders FINAL WHERE id = 3');
    await write('INSERT INTO bronze.orders SELECT * REPLACE (7654321 AS id) FROM (SELECT * FROM bronze.orders FINAL WHERE id = 4)');
    await write("INSERT INTO bronze.notes SELECT * REPLACE (concat(body, '!') AS body, _version + 1 AS _version) FROM bronze.notes FINAL WHERE number = 2");
    await write("INSERT INTO bronze.prices SELECT * REPLACE ([''] AS tags, _version + 1 AS _version) FROM bronze.prices FINAL WHERE id = 4");
    await write("ALTER TABLE bronze.lines UPDATE line = 'uno' WHERE line = 'one' SETTINGS mutations_sync = 1");
    await write("ALTER TABLE bronze.lines DELETE WHERE line = 'five' SETTINGS mutations_sync = 1");
    await write("INSERT INTO bronze.lines SELECT * REPLACE ('more' AS line) FROM (SELECT * FROM bronze.lines WHERE line = 'four')");
    await write("ALTER TABLE tidemark.quarantine DELETE WHERE table = 'orders' SETTINGS mutations_sync = 1");
    const { code, proof, tables } = await verify();
    assert.equal(code, 4);
    assert.equal(proof.ok, false);
    assert.deepEqual(counts(tables.orders), { missing: 2, extra: 1, different: 1 });
    assert.deepEqual(tables.orders.examples.slice(0, 3), ['different: 2 (amount)', 'extra: 7654321', 'missing: 3']);
    assert.match(tables.orders.examples[3], /^missing in quarantine: shop\.public\.orders\/0 offset \d+$/);
    assert.deepEqual([counts(tables.notes), tables.notes.examples], [{ ...none, different: 1 }, ['different: (2,2) (body)']]);
    assert.deepEqual([counts(tables.prices), tables.prices.examples], [{ ...none, different: 1 }, ['different: 4 (tags)']]);
    assert.deepEqual(counts(tables.lines), { missing: 1, extra: 1, different: 1 });
    for (const what of ['missing', 'extra', 'different']) assert.ok(tables.lines.examples.some((text) => text.startsWith(`${what}: partition `)), JSON.stringify(tables.lines));
  });

  await t.test('what the brokers removed is not judged, and said', async () => {
    const file = path.join(world.directory, 'delete.json');
    const removed = Number(/offset (\d+)/.exec(await kafka.kcat(['-Q', '-t', `${topics[0]}:0:-1`]))[1]) - 1;
    fs.writeFileSync(file, JSON.stringify({ partitions: [{ topic: topics[0], partition: 0, offset: removed }], version: 1 }));
    await kafka.tool('org.apache.kafka.tools.DeleteRecordsCommand', '--offset-json-file', file);
    const { tables } = await verify('orders');
    assert.deepEqual(Object.keys(tables), ['orders']);
    assert.deepEqual(counts(tables.orders), none, JSON.stringify(tables));
    assert.equal(tables.orders.rows, 1);
    assert.equal(tables.orders.not_judged, Number(await project.clickhouse('SELECT count() FROM bronze.orders__current')) - 1);
    assert.match(tables.orders.notes[0], new RegExp(`^shop.public.orders/0: proved from offset ${removed} on; the messages from 0 on were removed`));
  });
  await project.down();
  await project.assert_nothing_left();
});
