// The cdp pack end to end: customers and orders in Postgres, what people do over HTTP, ten segments, a webhook. Who is in a segment is
// computed here once more, from the rows and the raw events alone: ids joined by a plain union-find, conditions by plain loops. A
// receiver's view of the segments is their members, also over kill -9.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import test from 'node:test';
import { Child, binary, eventually, processes_in, run } from '../harness/process.mjs';
import { webhook_receiver } from '../harness/webhook_receiver.mjs';
import { make_world } from '../harness/world.mjs';

const seed = process.env.TIDEMARK_SEED ?? '1';
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const write_key = 'a-write-key-of-the-test';
const kinds = [['user_id', 1], ['email', 5], ['anonymous_id', 5], ['device_id', 5]];
const minute = 60_000_000;
const day = 1440 * minute;

// profile id -> {ids: kind -> values by first sight, events}: docs/PROFILES.md in its own words.
function people_of(customers, events) {
  const parent = new Map(), seen = new Map();
  const root = (id) => (parent.get(id) === id ? id : root(parent.get(id)));
  const members = new Map();  // root -> ids, the first first
  const order = new Map();
  const join = (ids, at) => {
    for (const id of ids)
      if (!parent.has(id)) {
        parent.set(id, id);
        members.set(id, [id]);
        seen.set(id, at);
        order.set(id, order.size);
      }
    for (let left = ids; left.length > 1; left = left.slice(0, -1)) {
      const roots = [...new Set(left.map(root))];
      const together = roots.flatMap((one) => members.get(one));
      if (kinds.some(([kind, limit]) => together.filter((id) => id.startsWith(`${kind}:`)).length > limit)) continue;
      const first = together.reduce((one, other) => (order.get(one) < order.get(other) ? one : other));
      for (const one of roots) {
        parent.set(one, first);
        if (one !== first) members.delete(one);
      }
      members.set(first, together);
      return;
    }
  };
  for (const { id, email } of customers) join([`user_id:${id}`, `email:${email}`], -1);
  const ids_of = (event) => kinds.map(([kind]) => [kind, event[kind]]).filter(([, value]) => value).map(([kind, value]) => `${kind}:${value}`);
  for (const event of events) join(ids_of(event), event.at);
  const people = new Map();
  for (const [first, ids] of members) {
    const newest = (kind) => ids.filter((id) => id.startsWith(`${kind}:`)).sort((one, other) => seen.get(one) - seen.get(other) || (one < other ? -1 : 1)).at(-1)?.slice(kind.length + 1) ?? '';
    const profile_id = crypto.createHash('sha256').update(first).digest('hex').slice(0, 32);
    people.set(first, { profile_id, user_id: newest('user_id'), email: newest('email'), events: [], traits: {}, rows: [] });
  }
  for (const customer of customers) people.get(root(`user_id:${customer.id}`)).rows.push(customer);
  for (const event of events) {
    const person = people.get(root(ids_of(event)[0]));
    person.events.push(event);
    for (const [name, value] of Object.entries(event.traits)) {
      if (value === '' || value === null) delete person.traits[name];
      else person.traits[name] = value;
    }
  }
  return [...people.values()];
}

const segments = {
  reachable: ({ email, rows: [row], traits }) =>
    row?.consent === 't' && /^[^@ ]+@[^@ ]+\.[a-z]{2,}$/.test(email) && !email.toLowerCase().endsWith('@example.org') && (['pro', 'team'].includes(row.plan) || Boolean(traits.city)),
  big_spender: ({ events }, now) => {
    const bought = events.filter(({ event, at }) => event === 'order_placed' && at <= now && now < at + 90 * day);
    const cents = bought.reduce((sum, { properties }) => sum + Math.round(properties.amount * 100), 0);
    return cents >= 30_000 && new Set(bought.map(({ properties }) => properties.category)).size >= 2 && bought.at(-1).properties.amount >= 5;
  },
  shoe_fan: ({ user_id, traits }, now, orders) =>
    (traits.interests?.includes('shoes') || traits.subscriptions?.some(({ topic, every }) => topic === 'shoes' && ['day', 'week'].includes(every))) &&
    orders.some(({ customer, status, category }) => customer === user_id && status === 'paid' && category === 'shoes'),
  cart_abandoned: ({ email, events }, now) =>
    email !== '' && events.some(({ event, at }) => event === 'cart_filled' && at <= now && now < at + 3 * day && now >= at + 30 * minute &&
      !events.some((other) => other.event === 'order_placed' && other.at > at && other.at < at + 30 * minute)),
};

test(`cdp pack (seed ${seed})`, { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'cdp-pack', { pack: 'cdp', database: 'shop' });
  const { postgres, project, database } = world;
  const receiver = await webhook_receiver(t, secret);
  project.environment = { CDP_DATABASE_URL: world.url, CDP_WRITE_KEY: write_key, CDP_WEBHOOK_URL: receiver.url, CDP_WEBHOOK_SECRET: secret };
  const generate = (...options) => ['generate', 'cdp', '--url', world.url, '--events', `http://127.0.0.1:${project.http_port}`, '--write-key', write_key, '--seed', seed, ...options];
  const generated = async (...options) => {
    const result = await run(binary, [...generate(...options), '--json']);
    assert.equal(result.code, 0, result.stderr);
    return JSON.parse(result.stdout || '{}');
  };
  const sql = async (query) => (await postgres.sql(database, query)).trim().split('\n').filter(Boolean).map((line) => line.split('\t'));
  const json_lines = async (query) => (await project.clickhouse(query, { format: 'JSONEachRow' })).trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));

  // What Postgres and the raw events say now; every message once.
  const truth = async () => {
    const customers = (await sql('SELECT id, email, plan, consent FROM customers ORDER BY id')).map(([id, email, plan, consent]) => ({ id, email, plan, consent: consent[0] }));
    const orders = (await sql('SELECT o.customer_id, o.status, p.category FROM orders o JOIN products p ON p.id = o.product_id')).map(([customer, status, category]) => ({ customer, status, category }));
    const rows = await json_lines('SELECT message_id, user_id, anonymous_id, type, event, properties, traits, context, toUnixTimestamp64Micro(timestamp) AS at FROM bronze.app_events ORDER BY timestamp, message_id SETTINGS output_format_json_quote_64bit_integers = 0');
    assert.equal(new Set(rows.map(({ message_id }) => message_id)).size, rows.length, 'every message once');
    const events = rows.map(({ user_id, anonymous_id, type, event, properties, traits, context, at }) => {
      const told = type === 'identify' ? JSON.parse(traits) : {};
      const { address, ...plain } = told;
      return { user_id, anonymous_id, email: told.email, device_id: JSON.parse(context).device?.id, event, at, properties: JSON.parse(properties || '{}'), traits: address ? { ...plain, city: address.city } : plain };
    });
    return { people: people_of(customers, events), orders };
  };
  const members = async (name) => (await project.clickhouse(`SELECT entity FROM cdp.segment_membership WHERE segment = '${name}' AND is_member = 1 ORDER BY entity`)).trim().split('\n').filter(Boolean);
  // Asked at one instant before and one after the members were read: who is in at both must be in, who is at neither must not.
  const compare = async (when) => {
    const { people, orders } = await truth();
    assert.ok(people.length > 200 && people.some(({ rows, events }) => rows.length === 1 && events.length > 10), when);
    const sizes = {};
    for (const [name, holds] of Object.entries(segments))
      await eventually(`${when}: ${name} is what plain loops say`, async (seen) => {
        const at = (now) => new Set(people.filter((person) => holds(person, now, orders)).map(({ profile_id }) => profile_id));
        const before = at(Date.now() * 1000);
        const found = new Set(await members(name));
        const after = at(Date.now() * 1000);
        const missing = [...before].filter((id) => after.has(id) && !found.has(id));
        const extra = [...found].filter((id) => !before.has(id) && !after.has(id));
        seen(`${found.size} instead of ${before.size}: missing ${missing.slice(0, 3)}, extra ${extra.slice(0, 3)}`);
        sizes[name] = found.size;
        return missing.length === 0 && extra.length === 0;
      }, { deadline_ms: 20_000, every_ms: 200 });
    if (when !== 'after history') for (const [name, size] of Object.entries(sizes)) assert.ok(size > 0, `${when}: nobody is ${name}: the generator should see to it`);
    t.diagnostic(`${when}: ${people.length} people, ${JSON.stringify(sizes)}`);
  };
  const caught_up = async () => {
    const committed = await postgres.position(database);
    const number = (lsn) => lsn.split('/').reduce((sum, half) => sum * 2 ** 32 + parseInt(half, 16), 0);
    await eventually('all is in', async (seen) => {
      const { sources } = await project.status();
      seen(JSON.stringify(sources));
      const [shop, app] = ['shop', 'app'].map((name) => sources.find(({ source }) => source === name));
      return shop.state === 'streaming' && number(shop.ladder.fenced) >= number(committed) && app.state === 'streaming' && app.intake.spool_age_ms === 0;
    }, { deadline_ms: 60_000, every_ms: 50 });
  };

  await t.test('history', async () => {
    await generated('reset', '--yes');  // makes the tables
    const checked = await project.run('check');
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    await project.up();
    const { events, customers, orders } = await generated('--rows', '4000');
    assert.ok(events > 3500 && customers > 150 && orders > 150, `${events} ${customers} ${orders}`);
    await caught_up();
    await compare('after history');
    const { segments: listed } = await (await project.fetch('/api/segments')).json();
    assert.equal(listed.length, 10);
  });

  await t.test('kill -9 while both ways in are busy', async () => {
    const before = receiver.taken.length;
    const traffic = new Child(binary, generate('--rows', '2500', '--days', '2', '--updates', '0.1', '--deletes', '0.01', '--transaction-rows', '100'), { log: `${world.directory}/generate.log` });
    await eventually('it is told of them', () => receiver.taken.length > before + 20, { every_ms: 5 });
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await eventually('its ClickHouse is gone', () => processes_in(project.directory).length === 0, { deadline_ms: 30_000 });
    await project.up();
    assert.deepEqual(await traffic.ended, { code: 0, signal: null });
    await caught_up();
    await compare('after a kill');
    // But for spring_offer, which tells nobody of a second entry within a day.
    for (const name of [...Object.keys(segments), 'trial_ending', 'new_pro', 'lapsed'])
      await eventually(`the receiver's view of ${name}`, async (seen) => {
        const [expected, found] = [await members(name), receiver.told(name, name === 'new_pro' ? 'id' : 'profile_id')];
        seen(`${found.length} instead of ${expected.length}`);
        return String(found) === String(expected);
      }, { deadline_ms: 60_000, every_ms: 200 });
    const verified = await project.assert_verified();
    assert.equal(verified.segments.length, 10);
    assert.ok(verified.segments.every(({ missing, extra }) => missing === 0 && extra === 0), JSON.stringify(verified.segments));
    assert.deepEqual(verified.profiles.map(({ missing, extra, different }) => [missing, extra, different]), [[0, 0, 0]]);
  });

  await t.test('the wide row, the page and the endpoints', async () => {
    await project.assert_equal('orders by customer', postgres, database,
      "SELECT customer_id, count(*), count(*) FILTER (WHERE status = 'refunded'), coalesce(sum(amount) FILTER (WHERE status = 'paid'), 0) FROM orders GROUP BY customer_id",
      "SELECT customer_id, orders, refunds, spent FROM cdp.people WHERE orders > 0");
    const page = new AbortController();
    const live = await project.fetch('/api/dashboards/overview/live', { signal: page.signal });
    let text = '';
    for await (const piece of live.body) if ((text += Buffer.from(piece)).includes('event: refresh')) break;
    assert.doesNotMatch(text, /"tile":\d+,"error"/);
    assert.equal(new Set(text.match(/"tile":\d+/g)).size, 10);
    const [someone] = await members('big_spender');
    for (const path of [`person?id=${someone}`, 'segment_flows?segment=browsing&hours=2000', 'latest_notifications?rows=5']) {
      const answer = await project.fetch(`/api/endpoints/${path}`);
      const body = await answer.text();
      assert.equal(answer.status, 200, `${path}: ${body}`);
      assert.ok(JSON.parse(body) && body.length > 100, `${path}: ${body}`);
    }
    const audits = await project.run('audit');
    assert.equal(audits.code, 0, audits.stdout + audits.stderr);
  });
});
