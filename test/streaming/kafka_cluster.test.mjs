// The whole layout of several machines: Postgres, capture, Kafka, two sinks that share a source's slots, a warehouse of two
// shards. Under a mixed workload sinks, the broker and shards are killed (kill -9) at moments and in an order that the seed
// says, and the group's offsets go back to the beginning. In the end everything equals Postgres by value, and verify finds no
// difference.
//   TIDEMARK_SEED=42 ROUNDS=3 node --test test/streaming/kafka_cluster.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { Capture } from '../harness/capture.mjs';
import { Kafka } from '../harness/kafka.mjs';
import { eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { Shards } from '../harness/shards.mjs';
import { Sink } from '../harness/sinks.mjs';
import { make_world } from '../harness/world.mjs';

const rounds_of_kills = Number(process.env.ROUNDS ?? 1);

// name -> the model, and what Postgres and the warehouse are asked for.
const models = {
  by_customer: {
    sql: '-- kind: incremental\nSELECT customer, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY customer\n',
    postgres: 'SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer',
    warehouse: 'SELECT customer, orders, amount FROM analytics.by_customer',
  },
  kept: {
    sql: "-- kind: incremental\nSELECT id, amount * 2 AS doubled FROM bronze.orders WHERE state = 'paid'\n",
    postgres: "SELECT id, amount * 2 FROM orders WHERE state = 'paid'",
    warehouse: 'SELECT id, doubled FROM analytics.kept',
  },
  latest: {
    sql: '-- kind: keyed\n-- key: customer\nSELECT customer, max(amount) AS largest, uniqExact(state) AS states FROM bronze.orders GROUP BY customer\n',
    postgres: 'SELECT customer, max(amount), count(DISTINCT state) FROM orders GROUP BY customer',
    warehouse: 'SELECT customer, largest, states FROM analytics.latest',
  },
  named: {
    sql: '-- kind: keyed\n-- key: id\nSELECT o.id AS id, o.amount AS amount, c.name AS name FROM bronze.orders AS o INNER JOIN bronze.customers AS c ON c.id = o.customer\n',
    postgres: 'SELECT o.id, amount, name FROM orders o JOIN customers c ON c.id = customer',
    warehouse: 'SELECT id, amount, name FROM analytics.named',
  },
  // TRUNCATE comes through one partition, its rows through all.
  by_page: {
    sql: '-- kind: incremental\nSELECT page, count() AS visits, sum(id) AS ids FROM bronze.visits GROUP BY page\n',
    postgres: 'SELECT page, count(*), sum(id) FROM visits GROUP BY page',
    warehouse: 'SELECT page, visits, ids FROM analytics.by_page',
  },
  last_visit: {
    sql: '-- kind: keyed\n-- key: page\nSELECT page, max(id) AS id FROM bronze.visits GROUP BY page\n',
    postgres: 'SELECT page, max(id) FROM visits GROUP BY page',
    warehouse: 'SELECT page, id FROM analytics.last_visit',
  },
  // Of the process that leads.
  by_state: {
    sql: '-- kind: refresh\n-- on_change: true\n-- not_more_often: 1s\nSELECT state, count() AS orders FROM bronze.orders GROUP BY state\n',
    postgres: 'SELECT state, count(*) FROM orders GROUP BY state',
    warehouse: 'SELECT state, orders FROM analytics.by_state',
  },
};
const tables = {
  orders: 'id, customer, amount, state, updated',
  customers: 'id, name',
  visits: 'id, page',
  notes: 'id, changes, body',  // bodies are large, and left out of messages that do not change them
};

test('two sinks on a warehouse of two shards', { timeout: 900_000 }, async (t) => {
  const seed = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`TIDEMARK_SEED=${seed}`);
  const next = random_numbers(seed);
  const integer = (least, most) => least + Math.floor(next() * (most - least + 1));
  // Moments of kills, not waits for anything.
  const moment = (most) => new Promise((resolve) => setTimeout(resolve, integer(0, most)));
  let world, own;
  const sinks = [];
  let work = true;
  t.after(async () => {
    work = false;
    await Promise.allSettled([...sinks.map((sink) => sink.up_child?.end({ signal: 'SIGKILL' })), own?.child?.end({ signal: 'SIGKILL' }), world?.kafka?.stop('SIGKILL'), world?.shards?.stop()]);
  });
  world = await make_world(t, 'kafka-cluster', { pack: null, database: 'shop' });
  const { postgres } = world;
  await postgres.sql(
    'shop',
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, amount bigint NOT NULL, state text, updated timestamptz NOT NULL DEFAULT now());
     CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
     CREATE TABLE notes (id int PRIMARY KEY, changes int NOT NULL, body text NOT NULL);
     CREATE TABLE visits (id bigint PRIMARY KEY, page int NOT NULL);
     ALTER TABLE notes ALTER body SET STORAGE EXTERNAL;
     INSERT INTO visits SELECT n, n % 7 FROM generate_series(1, 500) n;
     INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(0, 49) n;
     INSERT INTO orders (id, customer, amount, state) SELECT n, n % 50, n * 25, 'new' FROM generate_series(1, 3000) n;
     INSERT INTO notes SELECT n, 0, repeat(md5(n::text), 100) FROM generate_series(1, 40) n;`,
  );
  [world.kafka, world.shards] = await Promise.all([Kafka.start(world.directory), Shards.start(world.directory, 2)]);
  const { kafka, shards } = world;
  own = new Capture(world, { tables: Object.keys(tables), output: ', schema: true, partitions: 4' });
  own.launch();
  await own.caught_up();
  for (const name of ['a', 'b'])
    sinks.push(
      await Sink.create(world, name, {
        warehouse: shards.settings(),
        source: '  format: debezium\n  pattern: "own\\\\.public\\\\..*"\n  slots: 4\n  settings: { session.timeout.ms: 6000 }\n',
        models: Object.fromEntries(Object.entries(models).map(([model, { sql }]) => [model, sql])),
      }),
    );
  const [a, b] = sinks;
  const ask = (query, options) => shards.list[0].query(query, options);
  for (const sink of sinks) sink.clickhouse = ask;
  const logs = () => sinks.map((sink) => `--- ${sink.name}\n${sink.log_text().split('\n').slice(-40).join('\n')}`).join('\n');
  const with_logs = (promise) =>
    promise.catch((error) => {
      throw new Error(`${error.message}\n${logs()}`);
    });

  const compare = async (phase) => {
    await own.caught_up();
    const equal = async () => {
      for (const [table, columns] of Object.entries(tables)) await a.assert_equal(`${phase}: ${table}`, postgres, 'shop', `SELECT ${columns} FROM ${table}`, `SELECT ${columns} FROM bronze.${table}__current`);
      for (const [model, { postgres: expected, warehouse }] of Object.entries(models)) await a.assert_equal(`${phase}: ${model}`, postgres, 'shop', expected, warehouse);
      return true;
    };
    await with_logs(eventually(phase, equal, { deadline_ms: 90_000, every_ms: 500 }));
  };
  // Two processes that start at once on a warehouse that has nothing.
  for (const sink of sinks) sink.launch();
  await Promise.all(sinks.map((sink) => sink.working()));
  await Promise.all(sinks.map((sink) => sink.ready()));
  await compare('the beginning');

  let rounds = 0;
  const mixed = async () => {
    for (; work; ++rounds) {
      const id = () => integer(1, 3000);
      const first = 10_000 + rounds * 100;
      await postgres.sql(
        'shop',
        `BEGIN;
         INSERT INTO orders (id, customer, amount, state) SELECT ${first} + i, i % 50, i, 'late' FROM generate_series(1, ${integer(1, 60)}) i;
         UPDATE orders SET amount = amount + 1, state = 'paid', updated = now() WHERE id BETWEEN ${id()} AND ${id()} AND id % 37 = 0;
         DELETE FROM orders WHERE id = ${id()};
         UPDATE orders SET id = id + 10000000 WHERE id = ${id()};
         COMMIT;
         UPDATE orders SET customer = ${integer(0, 52)} WHERE id % 100 = ${integer(0, 99)};
         UPDATE customers SET name = 'renamed ${rounds}' WHERE id = ${integer(0, 49)};
         UPDATE customers SET id = id + 1000 WHERE id = ${integer(0, 49)} AND ${rounds} % 10 = 0;
         INSERT INTO visits SELECT ${1000 * (rounds + 1)} + i, ${rounds} % 7 FROM generate_series(1, ${integer(1, 20)}) i;
         ${integer(0, 11) === 0 ? `BEGIN; INSERT INTO visits VALUES (-2 * ${rounds} - 1, 3); TRUNCATE visits; INSERT INTO visits VALUES (-2 * ${rounds} - 2, 4); COMMIT;` : `UPDATE visits SET page = page + 1 WHERE id % 5 = ${integer(0, 4)};`}
         DELETE FROM visits WHERE id % 10 = ${integer(0, 9)};
         UPDATE notes SET changes = changes + 1 WHERE id % 8 = ${integer(0, 7)};
         UPDATE notes SET body = repeat(md5('${rounds}'), ${integer(80, 120)}) WHERE id = ${integer(1, 40)};
         BEGIN; DELETE FROM orders; ROLLBACK;`,
      );
    }
  };
  const workload = mixed();
  workload.catch(() => {});

  const kill_sink = async (sink) => {
    await sink.up_child.end({ signal: 'SIGKILL' });
    await moment(3000);
    sink.launch();
  };
  const kill_shard = async (shard) => {
    await shard.kill();
    await moment(1500);
    await shard.start();
  };
  const events = {
    'kill -9 of a': () => kill_sink(a),
    'kill -9 of b': () => kill_sink(b),
    'kill -9 of the broker': async () => {
      await kafka.stop('SIGKILL');
      await moment(1500);
      await kafka.up();
    },
    'kill -9 of shard 1, which is asked': () => kill_shard(shards.list[0]),
    'kill -9 of shard 2': () => kill_shard(shards.list[1]),
    'kill -9 of a sink and a shard': () => Promise.all([kill_sink(sinks[integer(0, 1)]), kill_shard(shards.list[integer(0, 1)])]),
    "the group's offsets go back to the beginning": async () => {
      await kafka.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', '--group', 'tidemark_sink', '--reset-offsets', '--to-earliest', '--all-topics', '--execute');
      await kill_sink(sinks[integer(0, 1)]);
    },
  };
  let marks = 0;
  // A row for each slot that was written now is in.
  const goes_on = async (what) => {
    const first = 900_000_000 + 1000 * ++marks;
    await postgres.sql('shop', `INSERT INTO orders (id, customer, amount, state) SELECT ${first} + i, 0, 0, 'mark' FROM generate_series(1, 50) i`);
    const arrived = async (seen) => {
      const count = (await ask(`SELECT count() FROM bronze.orders__current WHERE id BETWEEN ${first} AND ${first + 50}`)).trim();
      seen(`${count} rows`);
      return count === '50';
    };
    await with_logs(eventually(`changes arrive after ${what}`, arrived, { deadline_ms: 90_000, every_ms: 100 }));
  };
  for (let round = 0; round < rounds_of_kills; ++round) {
    // In continuous integration one of each kind: the broker, a sink and a shard together, the offsets.
    const order = Object.keys(events).filter((name) => !process.env.CI || process.env.ROUNDS || /broker|a sink and a shard|offsets/.test(name));
    for (let index = order.length - 1; index > 0; --index) {
      const other = integer(0, index);
      [order[index], order[other]] = [order[other], order[index]];
    }
    for (const name of order) {
      await moment(1500);
      const started = performance.now();
      await events[name]();
      await goes_on(name);
      t.diagnostic(`${name}: changes arrive after ${Math.round(performance.now() - started)} ms, ${rounds} rounds of work`);
    }
  }
  work = false;
  await workload;
  await Promise.all(sinks.map((sink) => sink.working()));
  await compare('after all');

  await t.test('every process shows all slots, both shards have rows, and verify finds nothing', async () => {
    let total = 0;
    for (const table of Object.keys(tables))
      for (let partition = 0; partition < 4; ++partition) total += Number(/offset (\d+)/.exec(await kafka.kcat(['-Q', '-t', `own.public.${table}:${partition}:-1`]))[1]);
    for (const sink of sinks)
      await eventually(`${sink.name} has seen all fences`, async (seen) => {
        const source = (await sink.status()).sources[0];
        seen(JSON.stringify(source));
        return source.state === 'streaming' && Number(source.ladder.fenced) === total;
      });
    for (const shard of shards.list)
      for (const table of ['bronze_shard.orders', 'bronze_shard.customers', 'bronze_shard.notes']) assert.ok(Number(await shard.query(`SELECT count() FROM ${table}`)) > 0, `${table} of shard ${shard.number}`);
    const proof = await a.assert_verified();
    assert.equal(proof.models.length, Object.keys(models).length);
    assert.equal(await ask('SELECT * FROM tidemark.quarantine FINAL'), '');
    // What a dead process sent is known until it is sent again.
    for (const shard of shards.list) {
      const narrow = "SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree' AND (startsWith(database, 'bronze') OR startsWith(database, 'analytics')) AND engine_full LIKE '%deduplication_window%' AND engine_full NOT LIKE '%deduplication_window = 40000%' AND (database != 'analytics' OR name NOT LIKE 'by_state%')";
      assert.equal(await shard.query(narrow), '');
    }
  });
  for (const sink of sinks) await sink.down();
  await own.stop();
});
