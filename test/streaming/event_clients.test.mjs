// The SDKs themselves, unchanged, pointed at a running project: what each says it sent is in the table, once, as it was
// meant. Then the same under fire: Tidemark and ClickHouse are killed while clients send and send again.
import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import test from 'node:test';
import { assert_exactly_once, basic, caught_up, event_project, intake, write_key } from '../harness/events.mjs';
import { eventually } from '../harness/process.mjs';

const require = createRequire(import.meta.url);

// What each client is told to send: a person is identified, does something, looks at a page, joins a group.
const jitsu_key = 'jitsu-id:jitsu-secret';
const traits = { email: 'ada@example.com', age: 36, nested: { list: [1, 2.5, null, 'ü'] } };
const properties = { total: 19.99, items: [{ sku: 'a', count: 2 }], note: 'a "quote" and a \\ and ü' };

const clients = {
  async '@segment/analytics-node'(host) {
    const { Analytics } = await import('@segment/analytics-node');
    const analytics = new Analytics({ writeKey: write_key, host, flushAt: 3 });
    analytics.on('error', (error) => assert.fail(JSON.stringify(error)));
    analytics.identify({ userId: 'segment', traits });
    analytics.track({ userId: 'segment', event: 'Paid', properties });
    analytics.page({ userId: 'segment', name: 'Home', properties: { path: '/' } });
    analytics.group({ userId: 'segment', groupId: 'g1', traits: { plan: 'pro' } });
    analytics.alias({ userId: 'segment', previousId: 'before' });
    await analytics.closeAndFlush();
    return { user: 'segment', types: ['alias', 'group', 'identify', 'page', 'track'] };
  },
  async 'analytics-node'(host) {
    const Analytics = require('analytics-node');
    const analytics = new Analytics(write_key, { host, flushAt: 2 });
    const sent = [];
    const call = (type, message) => sent.push(new Promise((resolve, reject) => analytics[type](message, (error) => (error ? reject(error) : resolve()))));
    call('identify', { userId: 'segment-old', traits });
    call('track', { userId: 'segment-old', event: 'Paid', properties });
    call('page', { userId: 'segment-old', name: 'Home', properties: { path: '/' } });
    call('group', { userId: 'segment-old', groupId: 'g1', traits: { plan: 'pro' } });
    await analytics.flush();
    await Promise.all(sent);
    return { user: 'segment-old', types: ['group', 'identify', 'page', 'track'] };
  },
  async '@rudderstack/rudder-sdk-node'(host) {
    const loaded = require('@rudderstack/rudder-sdk-node');
    const Rudder = loaded.default ?? loaded;
    const rudder = new Rudder(write_key, { dataPlaneUrl: host, flushAt: 20, flushInterval: 100_000, logLevel: 'error' });
    const sent = [];
    const call = (type, message) => sent.push(new Promise((resolve, reject) => rudder[type](message, (error) => (error ? reject(error) : resolve()))));
    call('identify', { userId: 'rudder', traits });
    call('track', { userId: 'rudder', event: 'Paid', properties });
    call('page', { userId: 'rudder', name: 'Home', properties: { path: '/' } });
    call('group', { userId: 'rudder', groupId: 'g1', traits: { plan: 'pro' } });
    await rudder.flush();
    await Promise.all(sent);
    return { user: 'rudder', types: ['group', 'identify', 'page', 'track'] };
  },
  async '@customerio/cdp-analytics-node'(host) {
    const { Analytics } = await import('@customerio/cdp-analytics-node');
    const analytics = new Analytics({ writeKey: write_key, host });
    analytics.on('error', (error) => assert.fail(JSON.stringify(error)));
    analytics.identify({ userId: 'customerio', traits });
    analytics.track({ userId: 'customerio', event: 'Paid', properties });
    await analytics.closeAndFlush();
    return { user: 'customerio', types: ['identify', 'track'] };
  },
  async '@jitsu/js'(host) {
    const { jitsuAnalytics } = await import('@jitsu/js');
    const jitsu = jitsuAnalytics({ host, writeKey: jitsu_key, s2s: true });
    await jitsu.identify('jitsu', traits);
    await jitsu.track('Paid', properties);
    return { user: 'jitsu', types: ['identify', 'track'] };
  },
  async '@dittofeed/sdk-node'(host) {
    const { DittofeedSdk } = require('@dittofeed/sdk-node');
    await DittofeedSdk.init({ writeKey: basic(write_key), host });
    DittofeedSdk.identify({ userId: 'dittofeed', traits });
    DittofeedSdk.track({ userId: 'dittofeed', event: 'Paid', properties });
    await DittofeedSdk.flush();
    return { user: 'dittofeed', types: ['identify', 'track'] };
  },
};

test('SDKs from npm, unchanged', { timeout: 300_000 }, async (t) => {
  const project = await event_project(t, 'events-clients');
  await project.up();
  for (const [name, send] of Object.entries(clients))
    await t.test(name, async () => {
      const { user, types } = await send(project.url);
      await eventually('its events are in the warehouse', async (seen) => {
        const found = (await project.clickhouse(`SELECT type FROM bronze.app_events__current WHERE user_id = '${user}' ORDER BY type`)).trim().split('\n');
        seen(`${found}\n${JSON.stringify(await intake(project))}`);
        return found.length === types.length;
      });
      const rows = JSON.parse(await project.clickhouse(
        `SELECT type, event, message_id != '' AS id, properties, traits, group_id, previous_id, dateDiff('second', timestamp, received_at) AS age, library FROM bronze.app_events__current WHERE user_id = '${user}' ORDER BY type`, { format: 'JSON' })).data;
      assert.deepEqual(rows.map((row) => row.type), types);
      const of_type = (type) => rows.find((row) => row.type === type);
      assert.deepEqual(JSON.parse(of_type('track').properties), properties);
      assert.equal(of_type('track').event, 'Paid');
      assert.deepEqual(JSON.parse(of_type('identify').traits), traits);
      if (types.includes('group')) assert.equal(of_type('group').group_id, 'g1');
      if (types.includes('page')) assert.equal(of_type('page').event, 'Home');
      if (types.includes('alias')) assert.equal(of_type('alias').previous_id, 'before');
      for (const row of rows) assert.ok(row.id && Math.abs(row.age) <= 5, JSON.stringify(row));
    });
  const status = await intake(project);
  assert.deepEqual([status.duplicates, status.rejected], [0, {}]);
  await project.down();
});

// Sends a body until it is answered 2xx, as SDKs do: refused connections, resets, 429 and 5xx are tried again.
function post_once(agent, port, body) {
  return new Promise((resolve) => {
    const request = http.request({ agent, host: '127.0.0.1', port, path: '/v1/batch', method: 'POST', headers: { Authorization: basic(write_key), 'Content-Length': Buffer.byteLength(body) }, timeout: 20_000 }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
      answer.on('error', () => resolve(0));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
    request.end(body);
  });
}

test('killed again and again: what was acknowledged is there exactly once', { timeout: 600_000 }, async (t) => {
  const project = await event_project(t, 'events-kills');
  project.write('models/analytics/clicks.sql', '-- kind: incremental\nSELECT user_id, count() AS events, sum(JSONExtractInt(properties, \'n\')) AS total FROM bronze.app_events GROUP BY user_id\n');
  await project.up();
  const acknowledged = [];
  const statuses = {};
  let going = true;
  let number = 0;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const sender = async (name) => {
    let recent = [];
    while (going) {
      const ids = [];
      const batch = [];
      for (let index = 0; index < 20; ++index) {
        const messageId = `${name}-${number++}`;
        ids.push(messageId);
        batch.push({ type: 'track', event: 'Clicked', userId: `u${number % 10}`, messageId, properties: { n: number % 100 } });
      }
      // Now and then some of the last batch again.
      if (number % 3 === 0) batch.push(...recent.slice(0, 5));
      recent = batch.slice(0, 20);
      const body = JSON.stringify({ batch, sentAt: new Date().toISOString() });
      for (let attempt = 0; ; ++attempt) {
        const status = await post_once(agent, project.http_port, body);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status === 200) {
          acknowledged.push(...ids);
          break;
        }
        assert.ok([0, 429, 503].includes(status), `answered ${status}`);
        if (!going) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  const senders = ['a', 'b', 'c', 'd'].map(sender);
  const sent_since = async (count) => eventually(`${count} more events are acknowledged`, ((before) => () => acknowledged.length >= before + count)(acknowledged.length), { deadline_ms: 60_000 });
  for (let round = 0; round < 6; ++round) {
    await sent_since(200 + 137 * round);
    if (round % 2 === 0) {
      // ClickHouse alone: events are taken all the while.
      await eventually('ClickHouse has been started', () => project.clickhouse_pid(), { deadline_ms: 30_000 });
      await project.kill_clickhouse();
      await sent_since(200);
      // Tidemark ends with an error or makes a new one; either way it comes back.
      if (!project.up_child.running) {
        project.launch();
        await project.ready();
      }
    } else {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.assert_nothing_left();
      project.launch();
      await project.ready();
    }
  }
  await sent_since(200);
  going = false;
  await Promise.all(senders);
  agent.destroy();
  await caught_up(project, { deadline_ms: 120_000 });
  const seen = await assert_exactly_once(project, acknowledged);
  t.diagnostic(`${acknowledged.length} acknowledged, ${seen.size} in the table, answers ${JSON.stringify(statuses)}`);
  // What was sent and never acknowledged may be there, once; the models agree with the table in any case.
  assert.equal(
    await project.clickhouse('SELECT user_id, events, total FROM analytics.clicks ORDER BY user_id'),
    await project.clickhouse("SELECT user_id, count(), sum(JSONExtractInt(properties, 'n')) FROM bronze.app_events__current GROUP BY user_id ORDER BY user_id"),
  );
  await project.down();
});

test('a full spool says so and takes again when the warehouse is back', { timeout: 300_000 }, async (t) => {
  const project = await event_project(t, 'events-full', { source: '  spool: { max: 1 MiB }\n' });
  await project.up();
  const pid = project.clickhouse_pid();
  process.kill(pid, 'SIGSTOP');
  const agent = new http.Agent({ keepAlive: true });
  const acknowledged = [];
  let status = 200;
  try {
    for (let number = 0; status === 200 && number < 1000; ++number) {
      const messageId = `m${number}`;
      status = await post_once(agent, project.http_port, JSON.stringify({ batch: [{ type: 'track', event: 'Large', userId: 'u', messageId, properties: { text: 'x'.repeat(20_000) } }] }));
      if (status === 200) acknowledged.push(messageId);
    }
    assert.equal(status, 429);
    assert.ok(acknowledged.length >= 40 && acknowledged.length <= 52, `${acknowledged.length} events of 20 kB in 1 MiB`);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await eventually('it takes events again', async () => {
    const messageId = `later${acknowledged.length}`;
    const again = await post_once(agent, project.http_port, JSON.stringify({ batch: [{ type: 'track', event: 'Later', userId: 'u', messageId }] }));
    if (again === 200) acknowledged.push(messageId);
    return again === 200;
  });
  agent.destroy();
  await caught_up(project);
  await assert_exactly_once(project, acknowledged);
  const { rejected } = await intake(project);
  assert.ok(rejected.spool_full >= 1);
  await project.down();
});
