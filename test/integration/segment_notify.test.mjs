// From an event to a webhook: what an SDK posts and what a transaction changes moves memberships, and a receiver is told, signed, in order, and
// in the end of exactly what the definitions say, also over kill -9 of tidemark and of ClickHouse.
//   TIDEMARK_SEED=42 node --test test/integration/segment_notify.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { webhook_receiver } from '../harness/webhook_receiver.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? 7);
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

test(`events, segments, webhooks (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'segment-notify', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const receiver = await webhook_receiver(t, secret);
  const { taken } = receiver;

  await sql("CREATE TABLE tickets (id int PRIMARY KEY, state text, at timestamptz NOT NULL DEFAULT now()); CREATE TABLE customers (id int PRIMARY KEY, plan text, name text); INSERT INTO customers SELECT g, 'free', 'customer ' || g FROM generate_series(1, 30) g");
  project.environment = { SHOP_DATABASE_URL: world.url, HOOK_SECRET: secret };
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  mode: cdc\n  tables: [customers, tickets]\n');
  project.write('sources/app.yaml', 'source: app\nevents:\n  write_keys: a-write-key\n');
  project.write('destinations/crm.yaml', `destination: crm\nwebhook:\n  url: ${receiver.url}\n  secrets:\n    - \${env:HOOK_SECRET}\n  allow_private: true\n`);
  const segment = (name, where, more = '') => project.write(`segments/${name}.yaml`, `segment: ${name}\nentity: bronze.customers\nkey: [id]\nnotify: [crm]\nproperties: [name]\n${more}where: ${where}\n`);
  segment('pro', '{ property: plan, eq: pro }');
  segment('active', '{ event: order, count: { gte: 2 }, within: 1h }');
  segment('short', '{ event: ping, within: 2s }');
  segment('team', '{ property: plan, eq: team }', 'minimum_dwell: 1s\n');
  project.write('alerts/open_tickets.yaml', "alert: open_tickets\ndescription: tickets pile up\nowner: support\nseverity: critical\nquery: SELECT count() FROM bronze.tickets__current WHERE state = 'open'\nwhen: { above: 2, recover: 1 }\nfor: 3s\nrepeat: 2s\nnotify: [crm]\n");
  project.write('alerts/behind.yaml', 'alert: behind\nsource: shop\nwhen: { lag_above: 1h }\nnotify: [crm]\n');
  // One of each kind.
  project.write('endpoints/tickets.sql', '-- param state String required "State"\nSELECT count() AS tickets FROM bronze.tickets__current WHERE state = {state:String}\n');
  const other = (name, text) => project.write(`alerts/${name}.yaml`, `alert: ${name}\n${text}\n`);
  other('of_endpoint', 'endpoint: tickets\nvalue: tickets\nparameters: { state: open }\nwhen: { above: 1000 }');
  other('of_model', "model: bronze.tickets__current\nvalue: count()\ntime: at\nwhere: state = 'open'\nperiod: 1h\nwhen: { above: 1000 }");
  other('falls', "query: SELECT count() FROM bronze.tickets__current WHERE at >= {from:DateTime64(3)} AND at < {to:DateTime}\nperiod: 1h\nwhen: { falls: 50% }");
  other('model_silent', 'model: bronze.tickets\ntime: at\nno_value: ok\nwhen: { no_data: 10m }');
  other('query_silent', 'query: SELECT max(at) FROM bronze.tickets HAVING count() > 0\nno_value: ok\nwhen: { no_data: 10m }');
  other('audits', 'audit: all');
  other('wrong', 'query: SELECT nothing FROM bronze.tickets\nwhen: { above: 1 }');
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);
  const number = (lsn) => lsn.split('/').reduce((sum, half) => sum * 2 ** 32 + parseInt(half, 16), 0);
  // Both sources: what is committed, and what was posted.
  const caught_up = async () => {
    const committed = number((await sql('SELECT pg_current_wal_lsn()')).trim());
    await eventually('all is in', async (seen) => {
      const { sources } = await project.status();
      seen(JSON.stringify(sources));
      const [shop, app] = ['shop', 'app'].map((name) => sources.find(({ source }) => source === name));
      return shop.state === 'streaming' && number(shop.ladder.fenced) >= committed && app.state === 'streaming' && app.intake.spool_age_ms === 0;
    }, { deadline_ms: 60_000, every_ms: 50 });
  };
  await project.up();
  await caught_up();

  let messages = 0;
  const post = async (batch, { until_taken = false } = {}) => {
    const body = JSON.stringify({ writeKey: 'a-write-key', batch: batch.map((event) => ({ type: 'track', messageId: `m${++messages}`, ...event })) });
    await eventually('the events are taken', async () => {
      const answer = await project.fetch('/v1/batch', { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch(() => null);
      if (!until_taken) assert.equal(answer?.status, 200);
      return answer?.status === 200;
    }, { deadline_ms: 60_000, every_ms: 50 });
  };
  const oracle = async (name) => (await project.clickhouse(`SELECT entity FROM tidemark.segment_members FINAL WHERE segment = '${name}' AND member = 1 ORDER BY entity`, { account: 'admin' })).trim().split('\n').filter(Boolean);
  const told = (name) => receiver.told(name, 'id');

  await t.test('an event is a webhook soon after', async () => {
    await post([{ userId: '1', event: 'order' }]);
    const sent = Date.now();
    await post([{ userId: '1', event: 'order' }]);
    await eventually('entered', () => taken.some(({ type, data }) => type === 'segment.entered' && data.segment === 'active' && data.ids.id === '1'), { every_ms: 5 });
    const { data, timestamp, received_at } = taken.find(({ data }) => data.segment === 'active');
    t.diagnostic(`posted to received: ${received_at - sent} ms`);
    assert.equal(data.cause, 'event');
    assert.deepEqual(data.properties, { name: 'customer 1' });
    assert.ok(!Number.isNaN(Date.parse(timestamp)));
    await sql("UPDATE customers SET plan = 'pro' WHERE id = 2");
    await eventually('a transaction, too', () => taken.some(({ data }) => data.segment === 'pro' && data.ids.id === '2'));
    await sql("UPDATE customers SET plan = 'team' WHERE id = 4");
    const of_team = () => taken.filter(({ data }) => data.segment === 'team');
    await eventually('old enough', () => of_team().length === 1);
    const [entered] = of_team();
    assert.equal(Date.parse(entered.timestamp) - Date.parse(entered.data.happened_at), 1000);
    await sql("UPDATE customers SET plan = 'free' WHERE id = 4");
    await eventually('and out', () => of_team().length === 2);
    assert.deepEqual([of_team()[1].type, of_team()[1].data.prev_seq], ['segment.exited', entered.data.seq]);
    // A duplicate changes nothing.
    messages -= 1;
    await post([{ userId: '1', event: 'order' }]);
    await post([{ userId: '3', event: 'ping' }]);
    await eventually('in, and out by the clock', () => taken.filter(({ data }) => data.segment === 'short' && data.ids.id === '3').map(({ type, data }) => `${type} ${data.cause}`).join() === 'segment.entered event,segment.exited time');
  });

  const alerts = async () => (await (await project.fetch('/api/alerts')).json()).alerts;
  const open_tickets = async () => (await alerts()).find(({ alert }) => alert === 'open_tickets');
  const of_alert = (type) => taken.filter((one) => one.data.alert === 'open_tickets' && (!type || one.type === type));
  await t.test('an alert waits, fires, is told again, and keeps its state over a kill', async () => {
    await eventually('it is looked at', async () => (await open_tickets()).value === 0);
    assert.deepEqual([(await open_tickets()).state, of_alert().length], ['ok', 0]);
    await sql("INSERT INTO tickets SELECT g, 'open' FROM generate_series(1, 3) g");
    await eventually('it waits', async (seen) => {
      const { state, value } = await open_tickets();
      seen(`${state} ${value}`);
      return state === 'pending' && value === 3;
    }, { every_ms: 20 });
    const { since_ms } = await open_tickets();
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await project.up();
    await eventually('it fires', () => of_alert('alert.firing').length === 1);
    const [firing] = of_alert();
    assert.ok(Date.parse(firing.timestamp) - since_ms >= 3000, 'not before it waited');
    assert.deepEqual([firing.data.value, firing.data.severity, firing.data.state, firing.data.limit], [3, 'critical', 'firing', 2]);
    await eventually('it is told again', () => of_alert('alert.repeated').length >= 1);
    // Between the limit and where it is over.
    await sql("UPDATE tickets SET state = 'closed' WHERE id = 1");
    await eventually('the new value', async () => (await open_tickets()).value === 2);
    assert.equal((await open_tickets()).state, 'firing');
    const listed = await project.json('alerts', 'list');
    assert.deepEqual(listed.data.alerts.map(({ alert, state }) => `${alert} ${state}`).sort(), ['audits ok', 'behind ok', 'falls ok', 'model_silent ok', 'of_endpoint ok', 'of_model ok', 'open_tickets firing', 'query_silent ok', 'wrong ok']);
    await eventually('every kind has its value', async (seen) => {
      const found = Object.fromEntries((await alerts()).map(({ alert, value, error }) => [alert, error ? 'error' : value]));
      seen(JSON.stringify(found));
      const { model_silent, query_silent, behind, ...rest } = found;
      return [model_silent, query_silent].every((age) => age >= 0 && age < 300) && typeof behind === 'number' && JSON.stringify(rest, Object.keys(rest).sort()) === JSON.stringify({ audits: null, falls: null, of_endpoint: 2, of_model: 2, open_tickets: 2, wrong: 'error' });
    });
    assert.match(await (await project.fetch('/metrics')).text(), /tidemark_alert_firing\{alert="open_tickets",severity="critical"\} 1\n/);
    assert.equal((await project.status()).alerts.find(({ alert }) => alert === 'open_tickets').state, 'firing');
  });

  await t.test('kills everywhere, and a receiver that fails', async () => {
    const next = random_numbers(seed);
    const integer = (least, most) => least + Math.floor(next() * (most - least + 1));
    receiver.failing = (body) => !body.includes('open_tickets') && next() < 0.05;
    let working = true;
    const events = (async () => {
      for (let number = 0; number < 120; ++number)
        await post(Array.from({ length: integer(1, 5) }, () => ({ userId: String(integer(1, 30)), event: ['order', 'ping', 'view'][integer(0, 2)] })), { until_taken: true });
    })();
    const rows = (async () => {
      for (let number = 0; number < 120; ++number) await sql(`UPDATE customers SET plan = '${['pro', 'free'][integer(0, 1)]}' WHERE id IN (${integer(1, 30)}, ${integer(1, 30)})`);
    })();
    const kills = (async () => {
      for (let round = 0; round < 3; ++round) {
        project.up_child.kill('SIGKILL');
        await project.up_child.ended;
        await project.up();
        await project.kill_clickhouse();
        await project.ready();
      }
    })();
    await Promise.all([events, rows, kills]);
    working = false;
    receiver.failing = () => working;
    await caught_up();
    for (const name of ['pro', 'active', 'short'])
      await eventually(`the receiver's view of ${name}`, async (seen) => {
        const [expected, found] = [await oracle(name), told(name)];
        seen(`${found} instead of ${expected}`);
        return String(found) === String(expected.sort());
      }, { deadline_ms: 90_000, every_ms: 200 });
    const expected = (await sql("SELECT id FROM customers WHERE plan = 'pro'")).split('\n').filter(Boolean).sort();
    assert.deepEqual(told('pro'), expected);
    // In order, and none left out: each names the one before.
    const last = new Map();
    for (const { data } of taken.filter((one) => one.type.startsWith('segment.'))) {
      const key = `${data.segment} ${data.ids.id}`;
      assert.equal(data.prev_seq, last.get(key) ?? data.prev_seq, `${key} is told in order`);
      last.set(key, data.seq);
    }
    const verified = await project.assert_verified();
    assert.equal(verified.segments.length, 4);
    assert.equal(of_alert('alert.firing').length, 1, 'fired once, over all kills');
    await sql("UPDATE tickets SET state = 'closed'");
    await eventually('it is resolved', () => of_alert('alert.resolved').length === 1, { deadline_ms: 30_000 });
    const seqs = of_alert().map(({ data }) => data.seq);
    assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), 'in order, each once');
    const past = await project.json('alerts', 'history', 'open_tickets');
    assert.deepEqual([...new Set(past.data.changes.filter(({ type }) => type).map(({ type }) => type))], ['alert.resolved', 'alert.repeated', 'alert.firing']);
    assert.equal(past.data.changes.filter(({ type }) => type).length, seqs.length, 'what was written was told, and nothing else');
    t.diagnostic(`${messages} events, ${taken.length} notifications, seed ${seed}`);
  });
});
