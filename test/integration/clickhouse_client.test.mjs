// A real client library reads the warehouse with the read-only account, and cannot do more than read.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createClient } from '@clickhouse/client';
import { binary, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('@clickhouse/client as reader', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'clickhouse_client');
  const { project, postgres } = world;
  assert.equal((await run(binary, ['generate', 'adtech', '--url', world.url, '--rows', '2000'])).code, 0);
  await project.up();
  await project.caught_up(postgres);
  const client = createClient({ url: `http://127.0.0.1:${project.clickhouse_port}`, username: 'reader', password: project.password('reader') });
  t.after(() => client.close());

  const impressions = Number(await postgres.sql(world.database, 'SELECT count(*) FROM impressions'));
  const answer = await client.query({ query: 'SELECT toUInt32(sum(impressions)) AS impressions FROM analytics.mv_campaign_ctr', format: 'JSONEachRow' });
  assert.deepEqual(await answer.json(), [{ impressions }]);

  const bound = await client.query({
    query: 'SELECT campaign_id, ctr FROM analytics.mv_campaign_ctr WHERE campaign_id = {id: Int32}',
    query_params: { id: 1 },
    format: 'JSONCompactEachRow',
    clickhouse_settings: { max_threads: 1 },
  });
  assert.equal((await bound.json())[0][0], 1);

  const stream = await client.query({ query: 'SELECT * FROM bronze.impressions__current', format: 'JSONEachRow' });
  let rows = 0;
  for await (const part of stream.stream()) rows += part.length;
  assert.equal(rows, impressions);
  assert.equal((await client.ping()).success, true);

  const refused = {
    'insert': 'INSERT INTO bronze.advertiser (id) VALUES (1)',
    'drop': 'DROP VIEW analytics.mv_campaign_ctr',
    'create': 'CREATE TABLE analytics.mine (id Int32) ENGINE = Memory',
    'files': "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    'network': "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    'other databases': "SELECT * FROM postgresql('127.0.0.1:5432', 'a', 'b', 'c', 'd')",
    'accounts': 'CREATE USER eve',
    'the log of queries': 'SELECT * FROM system.users',
  };
  for (const [what, query] of Object.entries(refused))
    await t.test(`reader may not: ${what}`, () => assert.rejects(client.command({ query }), /ACCESS_DENIED|READONLY|Not enough privileges|UNKNOWN_FUNCTION|Cannot execute query in readonly mode/));

  await t.test('no account without a password', async () => {
    for (const user of ['default', 'reader', 'admin', 'tidemark']) {
      const open = createClient({ url: `http://127.0.0.1:${project.clickhouse_port}`, username: user, password: '' });
      await assert.rejects(open.query({ query: 'SELECT * FROM bronze.advertiser' }), undefined, user);
      await open.close();
    }
  });
  await project.down();
});
