// SIGTERM while the warehouse is away for good: the process says so and ends within its drain bound, for every kind of source.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Warehouse } from '../../bench/servers.mjs';
import { Kafka } from '../harness/kafka.mjs';
import { binary, root } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('a warehouse that is away does not hold up the end', { timeout: 300_000 }, async (t) => {
  let world;
  let warehouse;
  t.after(async () => {
    await Promise.allSettled([world?.project?.up_child?.end({ signal: 'SIGKILL' }), world?.kafka?.stop('SIGKILL'), warehouse?.close()]);
  });
  world = await make_world(t, 'stop-without-warehouse', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  await postgres.sql(database, 'CREATE TABLE orders (id bigint PRIMARY KEY, amount int); CREATE TABLE plans (id bigint PRIMARY KEY); INSERT INTO orders VALUES (1, 1); INSERT INTO plans VALUES (1)');
  world.kafka = await Kafka.start(world.directory);
  await world.kafka.create_topic('lines');
  warehouse = await Warehouse.start(path.join(world.directory, 'clickhouse'), { program: `${path.dirname(binary)}/tidemark-clickhouse`, library: `${root}/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so` });
  project.environment = { BENCH_PASSWORD: Warehouse.password, BROKERS: world.kafka.brokers, URL: world.url };
  project.write('tidemark.yaml', `project: test\nwarehouse: { url: "${warehouse.url}", user: bench, password: "\${env:BENCH_PASSWORD}" }\nhttp: { listen: 127.0.0.1:${project.http_port} }\n`);
  project.write('sources/stream.yaml', 'source: stream\npostgres: { url: "${env:URL}", tables: [orders] }\n');
  project.write('sources/batch.yaml', 'source: batch\npostgres: { url: "${env:URL}", mode: batch, tables: [plans] }\n');
  project.write('sources/topic.yaml', 'source: topic\nkafka: { brokers: "${env:BROKERS}", format: lines, topics: [lines] }\n');
  await project.up();
  warehouse.child.kill('SIGKILL');
  const asked = performance.now();
  const outcome = await project.up_child.end({ grace_ms: 60_000 });
  const seconds = (performance.now() - asked) / 1000;
  assert.deepEqual(outcome, { code: 0, signal: null }, project.log_tail());
  // Ten seconds of draining, then each source's last word; what is away for good would hold it up for ever.
  assert.ok(seconds < 40, `${seconds} s\n${project.log_tail()}`);
  t.diagnostic(`ended ${seconds.toFixed(1)} s after SIGTERM`);
});
