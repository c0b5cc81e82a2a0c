// Events over HTTP, in the shapes that SDKs send, to the warehouse: what is answered, what is kept, what is refused.
import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { assert_exactly_once, basic, caught_up, event_project, intake, post, write_key } from '../harness/events.mjs';

test('every address, every way to give the key, every kind of body', { timeout: 300_000 }, async (t) => {
  const project = await event_project(t, 'events-shapes', {
    source: '  tables:\n    - { table: prices, columns: { id: Int64, price: "Decimal(12, 2)", at: "Nullable(DateTime64(3))" }, key: id }\n    - { table: visits, columns: { page: String, seconds: Int32 } }\n',
  });
  project.write('models/analytics/events_by_type.sql', '-- kind: incremental\nSELECT type, count() AS events, uniq(user_id) AS users FROM bronze.app_events GROUP BY type\n');
  project.write('models/analytics/prices_total.sql', '-- kind: incremental\nSELECT 1 AS one, count() AS prices, sum(price) AS total FROM bronze.prices GROUP BY one\n');
  await project.up();

  const ids = [];
  const event = (fields) => {
    const messageId = `m${ids.length}`;
    ids.push(messageId);
    return { messageId, userId: `u${ids.length % 3}`, ...fields };
  };
  await t.test('calls of Segment’s API', async () => {
    for (const [path, fields] of [
      ['/v1/identify', { traits: { email: 'a@example.com' } }], ['/v1/track', { event: 'Paid', properties: { total: 1.5 } }], ['/v1/page', { name: 'Home' }],
      ['/v1/screen', { name: 'Start' }], ['/v1/group', { groupId: 'g1', traits: { plan: 'pro' } }], ['/v1/alias', { previousId: 'old' }],
      ['/v1/i', {}], ['/v1/t', { event: 'x' }], ['/v1/p', {}], ['/v1/s', {}], ['/v1/g', { groupId: 'g' }], ['/v1/a', { previousId: 'p' }], ['/i', {}], ['/t', { event: 'y' }], ['/p', {}], ['/s', {}], ['/g', { groupId: 'g' }], ['/a', { previousId: 'p' }],
    ]) {
      const answer = await post(project, path, event(fields));
      assert.equal(answer.status, 200, `${path}: ${answer.text}`);
      assert.equal(answer.data.success, true);
    }
    for (const path of ['/v1/batch', '/v1/b', '/b', '/v1/import']) {
      const answer = await post(project, path, { batch: [event({ type: 'track', event: 'batched' }), event({ type: 'identify' })], sentAt: new Date().toISOString() });
      assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    }
  });

  await t.test('keys in every place, bodies of every kind', async () => {
    const body = () => JSON.stringify({ batch: [event({ type: 'track', event: 'auth' })] });
    for (const headers of [
      { Authorization: `Bearer ${write_key}` }, { Authorization: write_key }, { Authorization: '', 'X-Write-Key': write_key }, { Authorization: `Basic ${Buffer.from(write_key).toString('base64')}` },
      { Authorization: '', 'X-Write-Key': 'jitsu-id:jitsu-secret' }, { 'Content-Type': 'text/plain' }, { 'Content-Type': 'application/x-www-form-urlencoded' },
    ])
      assert.equal((await post(project, '/v1/batch', body(), headers)).status, 200, JSON.stringify(headers));
    assert.equal((await post(project, '/v1/batch', JSON.stringify({ writeKey: write_key, batch: [event({ type: 'track', event: 'auth' })] }), { Authorization: '' })).status, 200);
    for (const headers of [{ 'Content-Encoding': 'gzip' }, { 'Content-Encoding': 'gzip', 'Content-Type': 'application/x-www-form-urlencoded' }, {}])
      assert.equal((await post(project, '/v1/batch', gzipSync(body()), headers)).status, 200, JSON.stringify(headers));

    for (const [headers, text] of [[{ Authorization: basic('wrong-key-0123') }, body], [{ Authorization: '' }, body], [{ Authorization: 'Bearer ' }, body]]) {
      const messages = ids.length;
      assert.equal((await post(project, '/v1/batch', text(), headers)).status, 401);
      ids.length = messages;
    }
  });

  await t.test('other families', async () => {
    const jitsu = await post(project, '/api/s/s2s/track', event({ type: 'track', event: 'jitsu' }), { Authorization: '', 'X-Write-Key': 'jitsu-id:jitsu-secret' });
    assert.deepEqual([jitsu.status, jitsu.data], [200, { success: true, ok: true }]);
    const dittofeed = await post(project, '/api/public/apps/batch', { batch: [event({ type: 'track', event: 'ditto' })] }, { Authorization: basic(write_key) });
    assert.equal(dittofeed.status, 204);
  });

  await t.test('a browser asks first', async () => {
    const asked = await project.fetch('/v1/t', { method: 'OPTIONS', headers: { Origin: 'https://shop.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type' } });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), '*');
    assert.match(asked.headers.get('access-control-allow-methods'), /POST/);
    assert.equal(asked.headers.get('access-control-allow-headers'), 'authorization,content-type');
    const answer = await post(project, '/v1/t', event({ event: 'browser' }), { Origin: 'https://shop.example' });
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    const settings = await (await project.fetch(`/v1/projects/${write_key}/settings`)).json();
    assert.equal(settings.integrations['Segment.io'].apiKey, write_key);
    assert.equal(settings.integrations['Segment.io'].apiHost, `127.0.0.1:${project.http_port}/v1`);
    assert.equal((await project.fetch('/v1/projects/nobodys-key/settings')).status, 404);
  });

  await t.test('what is wrong is told and kept, the rest is taken', async () => {
    const answer = await post(project, '/v1/batch', { batch: [event({ type: 'track', event: 'good' }), { type: 'track', messageId: 'bad-1', userId: 'u' }, event({ type: 'track', event: 'good' }), { type: 'nonsense', userId: 'u' }] });
    assert.equal(answer.status, 200);
    assert.equal(answer.data.accepted, 2);
    assert.deepEqual(answer.data.rejected.map(({ index, code, messageId }) => [index, code, messageId]), [[1, 'no_event', 'bad-1'], [3, 'unknown_type', undefined]]);
    const alone = await post(project, '/v1/track', { userId: 'u' });
    assert.deepEqual([alone.status, alone.data.success, alone.data.code], [400, false, 'no_event']);
    assert.equal((await post(project, '/v1/batch', '{"batch":[')).status, 400);
    assert.equal((await post(project, '/v1/batch', gzipSync('{"batch":[]}').subarray(0, 20))).status, 400);
    assert.equal((await post(project, '/v1/track', { userId: 'u', event: 'large', properties: { text: 'x'.repeat(33 << 10) } })).status, 413);
    assert.equal((await post(project, '/v1/batch', { batch: [], text: 'x'.repeat(501 << 10) })).status, 413);
    assert.equal((await post(project, '/v1/batch', gzipSync(JSON.stringify({ batch: [], text: 'x'.repeat(20 << 20) })))).status, 413);
  });

  await t.test('rows as lines of JSON', async () => {
    const lines = ['{"id":1,"price":1.50,"at":"2024-02-29T12:00:00Z"}', '{"id":2,"price":"2.25"}', 'poison', '{"id":3,"price":1.234}', '{"id":4,"other":1}'];
    const answer = await post(project, '/v1/ingest/prices', `${lines.join('\n')}\n`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.data.accepted, 2);
    assert.deepEqual(answer.data.rejected.map(({ index }) => index), [2, 3, 4]);
    assert.equal((await post(project, '/v1/ingest/prices', '{"id":1,"price":10}')).status, 200);
    assert.equal((await post(project, '/v1/ingest/visits', gzipSync('{"page":"a","seconds":1}\n{"page":"a","seconds":1}'))).status, 200);
    assert.equal((await post(project, '/v1/ingest/nothing', '{}')).status, 404);
    assert.equal((await post(project, '/v1/ingest/prices', 'poison')).status, 400);
    await caught_up(project);
    assert.equal(await project.clickhouse('SELECT id, price, at FROM bronze.prices__current ORDER BY id'), '1\t10\t\\N\n2\t2.25\t\\N\n');
    assert.equal(await project.clickhouse('SELECT prices, total FROM analytics.prices_total'), '2\t12.25\n');
    assert.equal(await project.clickhouse('SELECT page, count(), sum(seconds) FROM bronze.visits__current GROUP BY page'), 'a\t2\t2\n');
  });

  await t.test('it is all in the table, once, and in the models', async () => {
    // Sent again: nothing changes.
    await post(project, '/v1/batch', { batch: [{ type: 'track', event: 'again', userId: 'u', messageId: ids[0] }, { type: 'track', event: 'again', userId: 'u', messageId: ids[1] }] });
    await caught_up(project);
    await assert_exactly_once(project, ids);
    assert.equal(await project.clickhouse('SELECT count() FROM bronze.app_events'), `${ids.length}\n`);
    const by_type = 'SELECT type, count(), uniq(user_id) FROM bronze.app_events__current GROUP BY type ORDER BY type';
    assert.equal(await project.clickhouse('SELECT type, events, users FROM analytics.events_by_type ORDER BY type'), await project.clickhouse(by_type));
    const status = await intake(project);
    assert.equal(status.duplicates, 2);
    assert.equal(status.rejected.no_event, 2);
    assert.equal(status.rejected.too_large, 3);
    assert.equal(status.rejected.not_json, 2);
    assert.deepEqual(status.keys.map(({ name }) => name), ['key1', 'jitsu']);
    const quarantine = await project.clickhouse("SELECT table, count() FROM tidemark.quarantine FINAL WHERE source = 'app' GROUP BY table ORDER BY table", { account: 'tidemark' });
    assert.equal(quarantine, 'app_events\t4\nprices\t4\n');
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /tidemark_intake_accepted_total\{source="app",key="jitsu"\} 2\n/);
    assert.match(metrics, /tidemark_intake_duplicates_total\{source="app"\} 2\n/);
    assert.match(metrics, /tidemark_intake_rejected_total\{source="app",reason="no_event"\} 2\n/);
    assert.match((await project.run('status')).stdout, /accepted \d+, duplicates 2/);
    // The key is nowhere to be seen.
    assert.ok(!JSON.stringify(await project.status()).includes(write_key) && !metrics.includes(write_key) && !project.log_tail(10_000).includes(write_key));
    assert.equal(await project.clickhouse(`SELECT count() FROM bronze.app_events WHERE position(concat(${['write_key', 'other', 'context'].join(', ')}), '${write_key}') > 0`), '0\n');
  });
  await project.down();
});
