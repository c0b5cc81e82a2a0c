// Profiles end to end: events of an SDK and rows of Postgres become people; merges, late events and kills leave the map, the wide row
// and the memberships of segments over them equal to a whole recompute.
//   TIDEMARK_SEED=42 node --test test/integration/profiles.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? 7);

test(`profiles (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'profiles', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql("CREATE TABLE customers (id int PRIMARY KEY, mail text, plan text); INSERT INTO customers SELECT g, 'c' || g || '@example.com', 'free' FROM generate_series(1, 5) g");
  project.environment = { SHOP_DATABASE_URL: world.url };
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  mode: cdc\n  tables: [customers]\n');
  project.write('sources/app.yaml', 'source: app\nevents:\n  write_keys: a-write-key\n');
  project.write('profiles/people.yaml', `profiles: cdp.profiles
tables:
  - { table: customers, ids: { user_id: id, email: mail }, columns: [plan] }
`);
  project.write('segments/buyers.yaml', 'segment: buyers\nentity: cdp.profiles\nwhere: { event: order, count: { gte: 2 } }\n');
  project.write('segments/oslo.yaml', 'segment: oslo\nentity: cdp.profiles\nwhere: { property: address.city, eq: Oslo }\n');
  project.write('segments/pro.yaml', 'segment: pro\nentity: cdp.profiles\nwhere: { all: [ { property: plan, eq: pro }, { event: order } ] }\n');
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);
  await project.up();

  let messages = 0;
  const post = async (...batch) => {
    const body = JSON.stringify({ writeKey: 'a-write-key', batch: batch.map((event) => ({ type: 'track', messageId: `m${++messages}`, ...event })) });
    await eventually('the events are taken', async () => {
      try {
        return (await project.fetch('/v1/batch', { method: 'POST', body })).status === 200;
      } catch {
        return false;
      }
    }, { deadline_ms: 30_000, every_ms: 50 });
  };
  const ask = async (query) => (await project.clickhouse(query, { account: 'admin' })).trim();
  const becomes = (what, query, expected) =>
    eventually(what, async (seen) => {
      const found = await ask(query);
      seen(found);
      return found === expected;
    }, { deadline_ms: 20_000, every_ms: 50 });
  const members = (segment) => `SELECT arrayStringConcat(arraySort(groupArray(if(user_id != '', user_id, anonymous_id))), ' ') FROM cdp.profiles WHERE profile_id IN (SELECT entity FROM tidemark.segment_members FINAL WHERE segment = '${segment}' AND member = 1)`;
  const compare = async () => {
    const answer = await eventually('verified', async (seen) => {
      const { code, data, stderr } = await project.json('verify');
      seen(JSON.stringify(data ?? stderr));
      return code === 0 ? data : null;
    }, { deadline_ms: 30_000, every_ms: 200 });
    assert.deepEqual(answer.profiles.map(({ profiles, missing, extra, different }) => [profiles, missing, extra, different]), [['cdp.profiles', 0, 0, 0]]);
    assert.equal(answer.models.find(({ model }) => model === 'cdp.profiles').different, 0);
    assert.ok(answer.segments.every(({ missing, extra }) => missing === 0 && extra === 0));
  };

  await t.test('rows and events become people, merges move memberships', async () => {
    await becomes('customers are people', 'SELECT count() FROM cdp.profiles', '5');
    await post({ anonymousId: 'a1', event: 'order' }, { anonymousId: 'a2', event: 'order' }, { anonymousId: 'a1', event: 'view' });
    await becomes('visitors are, too', 'SELECT count() FROM cdp.profiles', '7');
    assert.equal(await ask(members('buyers')), '');
    // Two visitors are one customer, who has ordered twice then.
    await post({ type: 'identify', userId: '1', anonymousId: 'a1', traits: { address: { city: 'Oslo' } } });
    await post({ type: 'identify', userId: '1', anonymousId: 'a2', traits: {} });
    await becomes('one buyer', members('buyers'), '1');
    await becomes('in Oslo', members('oslo'), '1');
    assert.equal(await ask("SELECT user_id, email, anonymous_id_all, events, plan, JSONExtractString(traits, 'address', 'city') FROM cdp.profiles WHERE user_id = '1'"), "1\tc1@example.com\t['a1','a2']\t5\tfree\tOslo");
    assert.equal(await ask('SELECT count() FROM cdp.profiles'), '5');
    await sql("UPDATE customers SET plan = 'pro' WHERE id = 1");
    await becomes('pro', members('pro'), '1');
    // Nobody entered twice, whoever was absorbed.
    assert.equal(await ask("SELECT count() FROM tidemark.segment_changes WHERE segment = 'buyers' AND entered = 1"), '1');
    await compare();
    const known = await project.run('profile', 'export', 'email:C1@example.com');
    assert.equal(known.code, 0, known.stderr);
    const everything = JSON.parse(known.stdout);
    assert.deepEqual(everything.ids.map(({ kind, value }) => `${kind}:${value}`), ['anonymous_id:a1', 'anonymous_id:a2', 'email:c1@example.com', 'user_id:1']);
    assert.deepEqual([everything.events.length, everything['rows of customers'][0].plan, everything.profile[0].user_id], [5, 'pro', '1']);
    assert.ok(everything.memberships.some(({ segment }) => segment === 'buyers'));
    assert.equal((await project.run('profile', 'show', 'user_id:nobody')).code, 78);
  });

  await t.test('two people after all, and one again', async () => {
    const told = async (verb) => project.run('profile', verb, 'anonymous_id:a1', 'user_id:1');
    assert.equal((await told('remerge')).code, 78, 'nobody keeps them apart');
    const apart = await told('unmerge');
    assert.equal(apart.code, 0, apart.stderr);
    const { ids } = JSON.parse(apart.stdout);
    assert.deepEqual(ids.map(({ id }) => id), ['anonymous_id:a1', 'user_id:1']);
    assert.notEqual(ids[0].profile_id, ids[1].profile_id);
    await becomes('two orders are of two people', members('buyers'), '');
    assert.equal(await ask("SELECT groupArray(events) FROM (SELECT events FROM cdp.profiles WHERE user_id = '1' OR anonymous_id = 'a1' ORDER BY user_id)"), '[2,3]');
    assert.equal((await told('unmerge')).code, 1, 'they are two');
    await compare();
    assert.equal((await told('remerge')).code, 0);
    await becomes('one buyer again', members('buyers'), '1');
    await compare();
  });

  await t.test('a shared device joins nobody', async () => {
    const device = { context: { device: { id: 'kiosk' } } };
    await post({ userId: '2', event: 'order', ...device }, { userId: '3', event: 'order', ...device });
    await becomes('each ordered once', "SELECT groupArray(events) FROM (SELECT events FROM cdp.profiles WHERE user_id IN ('2', '3'))", '[1,1]');
    assert.equal(await ask(members('buyers')), '1');
  });

  await t.test('random events, late ones among them, over kills', async () => {
    const next = random_numbers(seed);
    const below = (bound) => Math.floor(next() * bound);
    const maybe = (name, value) => (below(2) === 0 ? {} : { [name]: value });
    for (let round = 0; round < 3; ++round) {
      for (let number = 0; number < 12; ++number)
        await post(...Array.from({ length: 1 + below(3) }, () => ({
          anonymousId: `v${below(10)}`,
          ...maybe('userId', String(1 + below(7))),
          type: below(3) === 0 ? 'identify' : 'track',
          event: 'order',
          traits: { ...maybe('email', `c${1 + below(6)}@example.com`), ...maybe('city', ['Oslo', '', null][below(3)]) },
          timestamp: new Date(Date.now() - below(10_000_000)).toISOString(),
        })));
      await sql(`INSERT INTO customers VALUES (${1 + below(8)}, 'c${1 + below(6)}@example.com', 'pro') ON CONFLICT (id) DO UPDATE SET mail = EXCLUDED.mail, plan = EXCLUDED.plan; DELETE FROM customers WHERE id = ${1 + below(8)}`);
      if (round < 2) {
        project.up_child.kill('SIGKILL');
        await project.up_child.ended;
        await project.up();
      }
    }
    const number = (lsn) => lsn.split('/').reduce((sum, half) => sum * 2 ** 32 + parseInt(half, 16), 0);
    const committed = number((await sql('SELECT pg_current_wal_lsn()')).trim());
    await eventually('all is in', async (seen) => {
      const { sources } = await project.status();
      seen(JSON.stringify(sources));
      const [shop, app] = ['shop', 'app'].map((name) => sources.find(({ source }) => source === name));
      return number(shop.ladder.fenced) >= committed && app.state === 'streaming' && app.intake.spool_age_ms === 0;
    }, { deadline_ms: 60_000 });
    await compare();
  });
});
