// Notifications into a Kafka topic and a Postgres table, over the death of each: nothing becomes a dead letter, nothing is
// missing, the order of each entity is kept.
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { Kafka } from '../harness/kafka.mjs';
import { make_world } from '../harness/world.mjs';

const entities = 7;
const rows_of = (first, count) =>
  "INSERT INTO tidemark.outbox (seq, kind, subject, subject_version, entity, cause, happened_at, destinations, data) SELECT " +
  `${first} + number AS seq, if(intDiv(seq, ${entities}) % 2 = 0, 'segment.entered', 'segment.exited'), 'vip', '1', toString(seq % ${entities}), 'event', ` +
  `now64(3), ['topic', 'members'], concat('{"seq":', toString(seq), '}') FROM numbers(${count})`;

test('notifications to Kafka and Postgres', { timeout: 600_000 }, async (t) => {
  let kafka;
  // Registered first, so that it runs before the world looks whether everything is gone.
  t.after(() => kafka?.stop('SIGKILL'));
  const world = await make_world(t, 'notify_kafka', { pack: null });
  const { project, postgres } = world;
  kafka = await Kafka.start(world.directory);
  project.write('destinations/topic.yaml', `destination: topic\nkafka: { brokers: "${kafka.brokers}", topic: segments, settings: { message.timeout.ms: "3000" } }\n`);
  project.write('destinations/members.yaml', `destination: members\npostgres: { url: "${world.url}", table: crm_members }\n`);
  const write = async (text) => {
    const { code, stderr } = await project.run('sql', '--admin', text);
    assert.equal(code, 0, stderr);
  };
  const facts = async (name) => (await project.status()).destinations.find((entry) => entry.destination === name);
  const settled = (count) =>
    eventually('all is delivered', async (seen) => {
      const all = [await facts('topic'), await facts('members')];
      seen(all);
      return all.every((one) => one.pending === 0 && one.position >= count);
    }, { deadline_ms: 120_000 });

  await project.up();
  await write(rows_of(1, 1_000));
  await settled(1_000);
  await kafka.stop('SIGKILL');
  await postgres.stop('SIGKILL');
  await write(rows_of(1_001, 1_000));
  await eventually('both are away', async (seen) => {
    const all = [await facts('topic'), await facts('members')];
    seen(all);
    return all.every((one) => one.state === 'away');
  });
  await kafka.up();
  await postgres.up();
  await settled(2_000);
  assert.equal((await facts('topic')).dead + (await facts('members')).dead, 0);

  const messages = await kafka.consume('segments');
  const ids = new Set();
  const last = new Map();
  for (const { key, payload, headers } of messages) {
    const id = headers[headers.indexOf('id') + 1];
    if (ids.has(id)) continue;
    ids.add(id);
    const { data, type } = JSON.parse(payload);
    assert.equal(String(data.seq % entities), key);
    assert.equal(headers[headers.indexOf('type') + 1], type);
    assert.ok(data.seq > (last.get(key) ?? 0));
    last.set(key, data.seq);
  }
  assert.equal(ids.size, 2_000);

  const sql = (query) => postgres.sql(world.database, query);
  assert.equal(await sql("SELECT count(*) || ' ' || count(DISTINCT seq) FROM crm_members_log"), '2000 2000');
  const wanted = [];
  for (let entity = 0; entity < entities; ++entity) {
    let seq = 2_000;
    while (seq % entities !== entity) --seq;
    wanted.push(`${entity} ${seq} ${Math.floor(seq / entities) % 2 === 0}`);
  }
  assert.equal(await sql("SELECT string_agg(entity || ' ' || seq || ' ' || active, ',' ORDER BY entity) FROM crm_members"), wanted.join(','));
  await project.down();
});
