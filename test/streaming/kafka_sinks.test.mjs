// Several sinks on one warehouse: Postgres, capture, Kafka, two processes that share the slots of a source. They are
// killed, ended, stopped for longer than their lease, and so is the broker; in the end all is equal by value.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Capture } from '../harness/capture.mjs';
import { Kafka } from '../harness/kafka.mjs';
import { eventually } from '../harness/process.mjs';
import { Project } from '../harness/project.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const models = {
  by_customer: '-- kind: incremental\nSELECT customer, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY customer\n',
  latest: '-- kind: keyed\n-- key: customer\nSELECT customer, max(amount) AS largest, uniqExact(state) AS states FROM bronze.orders GROUP BY customer\n',
  named: '-- kind: keyed\n-- key: id\nSELECT o.id AS id, o.amount AS amount, c.name AS name FROM bronze.orders AS o INNER JOIN bronze.customers AS c ON c.id = o.customer\n',
};

// A project in a directory of its own, with the warehouse of another.
async function make_sink(world, name) {
  const directory = path.join(world.directory, name);
  fs.mkdirSync(directory);
  const sink = await Project.create(directory, { pack: null });
  sink.name = name;
  sink.write(
    'tidemark.yaml',
    `project: test\nwarehouse: { url: "http://127.0.0.1:${world.project.clickhouse_port}", user: tidemark, password: "${world.project.password('tidemark')}" }\n` +
      `http: { listen: 127.0.0.1:${sink.http_port} }\n`,
  );
  sink.write(
    'sources/sink.yaml',
    `source: sink\nkafka:\n  brokers: "${world.kafka.brokers}"\n  format: debezium\n  pattern: "own\\\\.public\\\\..*"\n  slots: 4\n  settings: { session.timeout.ms: 6000 }\n`,
  );
  for (const [model, text] of Object.entries(models)) sink.write(`models/analytics/${model}.sql`, text);
  return sink;
}

test('two sinks share a source', { timeout: 1_200_000 }, async (t) => {
  const seed = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`TIDEMARK_SEED=${seed}`);
  const next = random_numbers(seed);
  const integer = (least, most) => least + Math.floor(next() * (most - least + 1));
  let world, own;
  const sinks = [];
  let work = true;
  t.after(async () => {
    work = false;
    await Promise.allSettled([...sinks.map((sink) => sink.up_child?.end({ signal: 'SIGKILL' })), own?.child?.end({ signal: 'SIGKILL' }), world?.kafka?.stop('SIGKILL'), world?.project?.up_child?.end({ signal: 'SIGKILL' })]);
  });
  world = await make_world(t, 'kafka-sinks', { pack: null, database: 'shop' });
  const { postgres, project } = world;
  world.kafka = await Kafka.start(world.directory);
  const kafka = world.kafka;
  await postgres.sql(
    'shop',
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, amount bigint NOT NULL, state text, updated timestamptz NOT NULL DEFAULT now());
     CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
     INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(0, 49) n;
     INSERT INTO orders (id, customer, amount, state) SELECT n, n % 50, n * 25, 'new' FROM generate_series(1, 3000) n;`,
  );
  own = new Capture(world, { tables: ['orders', 'customers'], output: ', schema: true, partitions: 4' });
  own.launch();
  await own.caught_up();
  project.launch();
  await eventually('the warehouse answers', () => project.clickhouse('SELECT 1'));
  const [a, b] = [await make_sink(world, 'a'), await make_sink(world, 'b')];
  sinks.push(a, b);

  const logs = () => sinks.map((sink) => `--- ${sink.name}\n${fs.existsSync(path.join(sink.directory, 'up.log')) ? sink.log_tail(25) : ''}`).join('\n');
  const compare = async (phase) => {
    await own.caught_up();
    await eventually(
      phase,
      async () => {
        await project.assert_equal(`${phase}: orders`, postgres, 'shop', 'SELECT id, customer, amount, state, updated FROM orders', 'SELECT id, customer, amount, state, updated FROM bronze.orders__current');
        await project.assert_equal(`${phase}: customers`, postgres, 'shop', 'SELECT * FROM customers', 'SELECT id, name FROM bronze.customers__current');
        await project.assert_equal(`${phase}: by_customer`, postgres, 'shop', 'SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer', 'SELECT customer, orders, amount FROM analytics.by_customer');
        await project.assert_equal(`${phase}: latest`, postgres, 'shop', 'SELECT customer, max(amount), count(DISTINCT state) FROM orders GROUP BY customer', 'SELECT customer, largest, states FROM analytics.latest');
        await project.assert_equal(`${phase}: named`, postgres, 'shop', 'SELECT o.id, amount, name FROM orders o JOIN customers c ON c.id = customer', 'SELECT id, amount, name FROM analytics.named');
        return true;
      },
      { deadline_ms: 60_000, every_ms: 500 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${logs()}`);
    });
  };
  // The slots a process works on, by its log since it was started.
  const marks = new Map();
  const launch = (sink) => {
    const log = path.join(sink.directory, 'up.log');
    marks.set(sink, fs.existsSync(log) ? fs.statSync(log).size : 0);
    sink.launch();
  };
  const works = (sink) => {
    if (!sink.up_child.running) throw Object.assign(new Error(`${sink.name} ended\n${logs()}`), { final: true });
    return /source sink#\d: reading/.test(fs.readFileSync(sink.log, 'utf8').slice(marks.get(sink)));
  };
  const working = (sink) => eventually(`${sink.name} works on slots`, () => works(sink), { deadline_ms: 90_000 }).catch((error) => {
    throw new Error(`${error.message}\n${logs()}`);
  });

  launch(a);
  await working(a);
  await a.ready();
  await compare('one sink');
  launch(b);
  await working(b);
  await b.ready();

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
         BEGIN; DELETE FROM orders; ROLLBACK;`,
      );
    }
  };
  const workload = mixed();
  workload.catch(() => {});
  const more = async (count) => {
    const target = rounds + count;
    await eventually('the workload goes on', () => rounds >= target, { deadline_ms: 120_000 });
  };
  const phase = async (name, action) => {
    await more(5);
    await action();
    await more(5);
    t.diagnostic(`${name}: ${rounds} rounds`);
  };

  await phase('kill -9 of the sink that leads', async () => {
    await a.up_child.end({ signal: 'SIGKILL' });
    await more(5);
    launch(a);
    await working(a);
  });
  await phase('a sink is ended and started', async () => {
    await b.down();
    await more(3);
    launch(b);
    await working(b);
  });
  await phase('a sink stands still for longer than its lease', async () => {
    a.up_child.kill('SIGSTOP');
    const others = () => fs.readFileSync(b.log, 'utf8').split(': reading').length;
    const before = others();
    try {
      await eventually("its slots are the other's", () => others() > before, { deadline_ms: 60_000, every_ms: 200 });
      await more(5);
    } catch (error) {
      a.up_child.kill('SIGCONT');
      throw new Error(`${error.message}\n${logs()}`);
    }
    a.up_child.kill('SIGCONT');
    marks.set(a, fs.statSync(a.log).size);
    await working(a);
  });
  // In continuous integration kafka_cluster.test.mjs does these two.
  if (!process.env.CI) {
    await phase('kill -9 of the broker', async () => {
      await kafka.stop('SIGKILL');
      await kafka.up();
    });
    await phase("the group's offsets go back to the beginning", async () => {
      await kafka.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', '--group', 'tidemark_sink', '--reset-offsets', '--to-earliest', '--all-topics', '--execute');
      await b.up_child.end({ signal: 'SIGKILL' });
      launch(b);
      await working(b);
    });
  }
  work = false;
  await workload;
  await compare('after all');

  await t.test('every process shows all slots, and verify finds nothing', async () => {
    let total = 0;
    for (const table of ['orders', 'customers'])
      for (let partition = 0; partition < 4; ++partition) total += Number(/offset (\d+)/.exec(await kafka.kcat(['-Q', '-t', `own.public.${table}:${partition}:-1`]))[1]);
    for (const sink of sinks)
      await eventually(`${sink.name} has seen all fences`, async (seen) => {
        const source = (await sink.status()).sources[0];
        seen(JSON.stringify(source));
        return source.state === 'streaming' && Number(source.ladder.fenced) === total;
      });
    const proof = await a.assert_verified();
    assert.equal(proof.models.length, 3);
    const quarantined = await project.clickhouse('SELECT count() FROM tidemark.quarantine FINAL', { account: 'tidemark' });
    assert.equal(quarantined, '0\n');
  });

  await t.test('models are changed by one process alone', async () => {
    await b.down();
    b.write('models/analytics/more.sql', '-- kind: incremental\nSELECT state, count() AS orders FROM bronze.orders GROUP BY state\n');
    launch(b);
    const refused = await b.up_child.ended;
    assert.notEqual(refused.code, 0);
    assert.match(b.log_tail(), /other processes work on its slots/);
    a.write('models/analytics/more.sql', b.read('models/analytics/more.sql'));
    const { code, stderr } = await a.run('apply', '--yes');
    assert.notEqual(code, 0);
    assert.match(stderr, /not changed while it runs/);
    await a.down();
    launch(b);
    await working(b);
    await eventually('the new model is there', async () => Number(await project.clickhouse('SELECT sum(orders) FROM analytics.more')) > 0);
    await project.assert_equal('more', postgres, 'shop', 'SELECT state, count(*) FROM orders GROUP BY state', 'SELECT state, orders FROM analytics.more');
    await compare('another model');
  });
  await b.down();
  await own.stop();
});
