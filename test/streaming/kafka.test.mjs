// Kafka as a source, with the real things: a broker, Debezium's connector over a real Postgres, kcat.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Connect } from '../harness/connect.mjs';
import { caught_up, kafka_world } from '../harness/kafka_world.mjs';
import { eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';

test('plain JSON with poison, tombstones and a log, through kcat', { timeout: 300_000 }, async (t) => {
  const world = await kafka_world(t, 'kafka-json');
  const { kafka, project } = world;
  await kafka.create_topic('prices', 1);
  await kafka.create_topic('lines', 1);
  project.write(
    'sources/plain.yaml',
    'source: plain\nkafka:\n  brokers: ${env:BROKERS}\n  format: json\n  topics: [prices]\n' +
      '  tables:\n    - table: prices\n      key: [id]\n      columns: { id: Int64, price: "Decimal(12, 2)", at: "Nullable(DateTime64(3))" }\n',
  );
  project.write('sources/raw.yaml', 'source: raw\nkafka: { brokers: "${env:BROKERS}", format: lines, topics: [lines] }\n');
  project.write('models/analytics/total.sql', '-- kind: incremental\nSELECT 1 AS one, count() AS prices, sum(price) AS total FROM bronze.prices GROUP BY one\n');
  await kafka.produce('prices', ['{"id":1,"price":1.50,"at":"2024-02-29T12:00:00Z"}', '{"id":2,"price":"2.25"}', 'poison', '{"id":3,"price":1.234}', '{"id":4,"price":4,"other":1}']);
  await kafka.produce('lines', ['one', '{"two"', 'three']);
  await project.up();
  const totals = () => project.clickhouse('SELECT prices, total FROM analytics.total');
  await caught_up(world, 'plain', ['prices']);
  await caught_up(world, 'raw', ['lines']);
  assert.equal(await totals(), '2\t3.75\n');
  assert.equal(await project.clickhouse('SELECT id, price, at FROM bronze.prices__current ORDER BY id'), '1\t1.5\t2024-02-29 12:00:00.000\n2\t2.25\t\\N\n');
  assert.equal(await project.clickhouse('SELECT line FROM bronze.lines__current ORDER BY offset'), 'one\n{"two"\nthree\n');
  const quarantine = await project.clickhouse("SELECT topic, partition, lsn, column, bytes FROM tidemark.quarantine FINAL WHERE source = 'plain' ORDER BY lsn", { account: 'tidemark' });
  assert.equal(quarantine, 'prices\t0\t2\t\tpoison\nprices\t0\t3\tprice\t{"id":3,"price":1.234}\nprices\t0\t4\tother\t{"id":4,"price":4,"other":1}\n');

  await kafka.produce('prices', ['{"id":1,"price":10}', '{"id":1,"price":20}']);
  await kafka.produce('prices', [{ key: '{"id":2}', value: null }]);
  await caught_up(world, 'plain', ['prices']);
  assert.equal(await totals(), '1\t20\n');

  await t.test('killed and started again, nothing is read twice', async () => {
    for (let round = 0; round < 3; ++round) {
      await kafka.produce('prices', Array.from({ length: 200 }, (_, index) => JSON.stringify({ id: 100 + index, price: round + 1 })));
      await kafka.produce('lines', [`round ${round}`]);
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.up();
    }
    await caught_up(world, 'plain', ['prices']);
    await caught_up(world, 'raw', ['lines']);
    assert.equal(await totals(), '201\t620\n');
    assert.equal(await project.clickhouse('SELECT count(), uniqExact(offset) FROM bronze.lines__current'), '6\t6\n');
    assert.equal(await project.clickhouse("SELECT count() FROM tidemark.quarantine FINAL WHERE source = 'plain'", { account: 'tidemark' }), '3\n');
    const proof = await project.assert_verified();
    assert.deepEqual(proof.models.map(({ model, different }) => [model, different]), [['analytics.total', 0]]);
  });
  await project.down();
});

test('Postgres, Debezium, Kafka, tidemark', { timeout: 600_000 }, async (t) => {
  const world = await kafka_world(t, 'kafka-debezium');
  const { kafka, project, postgres, database } = world;
  const seed = Number(process.env.TIDEMARK_SEED ?? 7);
  t.diagnostic(`TIDEMARK_SEED=${seed}`);
  const next = random_numbers(seed);
  const random = { integer: (least, most) => least + Math.floor(next() * (most - least + 1)), pick: (list) => list[Math.floor(next() * list.length)] };
  const tables = ['orders', 'notes', 'kinds'];
  const topics = tables.map((table) => `shop.public.${table}`);
  await postgres.sql(
    database,
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, amount numeric(12, 2) NOT NULL, state text, updated timestamptz NOT NULL DEFAULT now());
     CREATE TABLE notes (tenant int, number int, body text, extra jsonb, PRIMARY KEY (tenant, number));
     ALTER TABLE notes ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN extra SET STORAGE EXTERNAL;
     CREATE TABLE kinds (id int PRIMARY KEY, n numeric, d date, t time, ts timestamp, ts3 timestamp(3), b bytea, u uuid, f real, g double precision, o boolean, s smallint, r int4range);
     INSERT INTO orders (id, customer, amount, state) SELECT n, n % 7, n / 4.0, 'new' FROM generate_series(1, 2000) n;
     INSERT INTO notes SELECT n % 3, n, repeat('body ' || n, 600), to_jsonb(repeat('extra' || n, 500)) FROM generate_series(1, 60) n;
     INSERT INTO kinds VALUES (1, 1.2345678901234567890123456789, '2024-02-29', '12:34:56.789012', '2024-02-29 12:34:56.789012', '1969-12-31 23:59:59.5', '\\x0102ff', '11111111-2222-3333-4444-555555555555', 1.5, 2.25, true, -7, '[1,5)'), (2, -0.001, '1900-01-01', '24:00', '2299-12-31 23:59:59.999999', NULL, '', NULL, 'NaN', '-Infinity', false, 0, 'empty'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);`,
  );
  project.write('sources/shop.yaml', 'source: shop\nkafka: { brokers: "${env:BROKERS}", format: debezium, pattern: "shop\\\\.public\\\\..*" }\n');
  project.write('models/analytics/by_customer.sql', '-- kind: incremental\nSELECT customer, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY customer\n');
  project.write('models/analytics/latest.sql', '-- kind: keyed\n-- key: customer\nSELECT customer, max(amount) AS largest, uniqExact(state) AS states FROM bronze.orders GROUP BY customer\n');
  world.connect = new Connect(world.directory, kafka);
  world.connect.add('shop', postgres, database, { 'heartbeat.interval.ms': 1000, 'provide.transaction.metadata': true, 'skipped.operations': 'none' }, { schemas: true });
  await world.connect.start();
  for (const [index, rows] of [2000, 60, 3].entries())
    await eventually(`the snapshot is in ${topics[index]}`, async () => (await kafka.kcat(['-Q', '-t', `${topics[index]}:0:-1`])).includes(`offset ${rows}`), { deadline_ms: 180_000 });
  await project.up();

  // Everything committed is published by Debezium before this row.
  let mark = 0;
  const settle = async () => {
    mark -= 1;
    for (const [table, columns, key] of [['orders', 'id, customer, amount', 'id'], ['notes', 'tenant, number', 'number'], ['kinds', 'id', 'id']]) {
      const values = { orders: `${mark}, 0, 0`, notes: `0, ${mark}`, kinds: `${mark}` }[table];
      await postgres.sql(database, `INSERT INTO ${table} (${columns}) VALUES (${values})`);
      await eventually(`row ${mark} of ${table} arrives`, async () => (await project.clickhouse(`SELECT count() FROM bronze.${table}__current WHERE ${key} = ${mark}`)) === '1\n', { deadline_ms: 120_000 }).catch((error) => {
        throw new Error(`${error.message}\n${project.log_tail()}\n${world.connect.log_tail()}`);
      });
    }
    await caught_up(world, 'shop', topics);
  };
  const columns = { kinds: 'id, n::text, d, t::text, ts, ts3, b, u, f, g, o, s, r' };
  const compare = async (phase) => {
    await settle();
    for (const table of tables) {
      const select = columns[table] ?? '*';
      const names = select.replaceAll('::text', '');
      const hexed = names.replace(' b,', " if(isNull(b), NULL, concat('\\\\x', lower(hex(b)))) AS b,");
      await project.assert_equal(`${phase}: ${table}`, postgres, database, `SELECT ${select} FROM ${table}`, `SELECT ${hexed} FROM bronze.${table}__current`);
    }
    await project.assert_equal(`${phase}: by_customer`, postgres, database, 'SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer', 'SELECT customer, orders, amount FROM analytics.by_customer');
    const quarantined = (await project.status()).sources[0].tables.map(({ quarantined }) => quarantined);
    assert.deepEqual(quarantined, tables.map(() => 0), phase);
    const proof = await project.assert_verified();
    assert.equal(proof.models.length, 2);
  };
  await compare('snapshot');

  const mixed = async (statements) => {
    for (let count = 0; count < statements; ++count) {
      const id = random.integer(1, 2200);
      const note = random.integer(1, 60);
      await postgres.sql(
        database,
        random.pick([
          `INSERT INTO orders (id, customer, amount, state) VALUES (${id}, ${id % 7}, ${id}.5, 'late') ON CONFLICT (id) DO UPDATE SET amount = orders.amount + 1`,
          `UPDATE orders SET amount = amount + 1, state = 'paid', updated = now() WHERE id BETWEEN ${id} AND ${id + 50}`,
          `DELETE FROM orders WHERE id BETWEEN ${id} AND ${id + 5}`,
          `BEGIN; DELETE FROM orders WHERE id = ${id}; INSERT INTO orders (id, customer, amount) VALUES (${id}, 3, 1); UPDATE orders SET customer = 4 WHERE id = ${id}; COMMIT`,
          `UPDATE orders SET id = id + 100000 WHERE id = ${id} AND NOT EXISTS (SELECT 1 FROM orders WHERE id = ${id + 100000})`,
          `UPDATE notes SET number = number + 1000 WHERE number = ${note}`,
          `UPDATE notes SET tenant = tenant WHERE number % 5 = ${note % 5}`,
          `UPDATE notes SET extra = '{"short": ${note}}' WHERE number = ${note}`,
          `BEGIN; UPDATE orders SET amount = 0; ROLLBACK`,
        ]),
      );
    }
  };

  await t.test('a mixed workload', async () => {
    await mixed(40);
    await compare('mixed');
  });

  await t.test('tidemark and the broker are killed', async () => {
    const work = mixed(120);
    for (let round = 0; round < 2; ++round) {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.up();
      await kafka.stop('SIGKILL');
      await kafka.up();
    }
    await work;
    await compare('kills');
  });

  await t.test('the group is reset to the beginning: nothing changes', async () => {
    await project.down();
    await kafka.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', '--group', 'tidemark_shop', '--reset-offsets', '--to-earliest', '--all-topics', '--execute');
    await project.up();
    await compare('group reset');
  });

  await t.test('every message comes a second time at new offsets: nothing changes', async () => {
    const before = await project.clickhouse('SELECT customer, orders, amount FROM analytics.by_customer ORDER BY customer');
    const lines = await kafka.kcat(['-C', '-t', 'shop.public.orders', '-e', '-q', '-K', '\x01', '-Z']);
    await kafka.kcat(['-P', '-t', 'shop.public.orders', '-K', '\x01', '-Z'], lines.replaceAll('\x01NULL\n', '\x01\n'));
    await caught_up(world, 'shop', topics);
    assert.equal(await project.clickhouse('SELECT customer, orders, amount FROM analytics.by_customer ORDER BY customer'), before);
    await compare('repeated');
  });

  await t.test('TRUNCATE', async () => {
    await postgres.sql(database, "INSERT INTO orders (id, customer, amount) VALUES (900000, 1, 1); TRUNCATE orders; INSERT INTO orders (id, customer, amount) VALUES (900001, 1, 2.5)");
    await compare('truncate');
  });
  await project.down();
  await project.assert_nothing_left();
});
