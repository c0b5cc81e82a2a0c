// Segments over mirrored tables while transactions come in: memberships equal Postgres after kills of tidemark and ClickHouse, the clock
// moves people, an edit is a diff, and a transaction over two tables is never seen half.
//   TIDEMARK_SEED=42 node --test test/integration/segments.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? 7);

const orders_as_events = 'events:\n  - { table: bronze.orders, key: [customer_id], event: order, time: placed_at, id: id }\n';
const segments = {
  pro: 'where: { property: plan, eq: pro }\n',
  buyers: `${orders_as_events}where: { event: order, count: { gte: 2 }, where: { amount: { gte: 20 } }, within: 30d }\n`,
  quiet: `${orders_as_events}where: { event: order, count: 0, within: 4s }\n`,
  open_orders: 'where: { related: bronze.orders, on: { customer_id: id }, where: { status: open } }\n',
  // No commit ever leaves such a customer.
  torn: 'where:\n  all:\n    - { property: held, eq: true }\n    - not: { related: bronze.orders, on: { customer_id: id }, where: { status: held } }\n',
};
const definition = (name, rest) => `segment: ${name}\nentity: bronze.customers\nkey: [id]\n${rest}`;
const in_postgres = {
  pro: "SELECT id FROM customers WHERE plan = 'pro'",
  buyers: "SELECT customer_id FROM orders WHERE amount >= 20 AND placed_at > now() - interval '30 days' AND placed_at <= now() AND customer_id IN (SELECT id FROM customers) GROUP BY 1 HAVING count(*) >= 2",
  open_orders: "SELECT id FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.status = 'open')",
  torn: 'SELECT id FROM customers WHERE false',
};

test(`segments over mirrored tables (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'segments', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql(`CREATE TABLE customers (id int PRIMARY KEY, plan text, held boolean NOT NULL DEFAULT false);
    CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id int NOT NULL, amount numeric(10,2) NOT NULL, status text NOT NULL, placed_at timestamptz NOT NULL DEFAULT clock_timestamp());
    INSERT INTO customers SELECT g, CASE WHEN g % 3 = 0 THEN 'pro' ELSE 'free' END FROM generate_series(1, 40) g;
    INSERT INTO orders (customer_id, amount, status, placed_at) SELECT 1 + g % 40, g, CASE WHEN g % 5 = 0 THEN 'open' ELSE 'paid' END, now() - g * interval '1 day' FROM generate_series(1, 80) g`);
  project.environment = { SHOP_DATABASE_URL: world.url };
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  mode: cdc\n  tables: [customers, orders]\n');
  for (const [name, rest] of Object.entries(segments)) project.write(`segments/${name}.yaml`, definition(name, rest));
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);

  const members = async (name) =>
    (await project.clickhouse(`SELECT toInt64(entity) AS id FROM tidemark.segment_members FINAL WHERE segment = '${name}' AND member = 1 ORDER BY id`, { account: 'admin' })).trim().split('\n').filter(Boolean);
  const compare = async (when) => {
    await project.caught_up(postgres);
    for (const [name, query] of Object.entries(in_postgres)) {
      const expected = (await sql(`SELECT id FROM (${query}) AS members(id) ORDER BY id`)).split('\n').filter(Boolean);
      await eventually(`${when}: ${name}`, async (seen) => {
        const found = await members(name);
        seen(`${found} instead of ${expected}`);
        return String(found) === String(expected);
      }, { deadline_ms: 10_000, every_ms: 100 });
    }
    const verified = await project.assert_verified();
    assert.deepEqual(verified.segments.map((one) => one.segment).sort(), Object.keys(segments).sort(), when);
  };
  const changes = async (where) => Number(await project.clickhouse(`SELECT count() FROM tidemark.segment_changes WHERE ${where}`, { account: 'admin' }));

  const next = random_numbers(seed);
  const integer = (least, most) => least + Math.floor(next() * (most - least + 1));
  const work = async (transactions) => {
    for (let number = 0; number < transactions; ++number) {
      const id = integer(1, 45);
      await sql([
        `INSERT INTO orders (customer_id, amount, status) VALUES (${id}, ${integer(1, 40)}, '${['open', 'paid'][integer(0, 1)]}')`,
        `UPDATE orders SET status = 'paid' WHERE id IN (SELECT id FROM orders WHERE status = 'open' ORDER BY id LIMIT ${integer(1, 4)})`,
        `UPDATE customers SET plan = '${['pro', 'free', ''][integer(0, 2)]}' WHERE id = ${id}`,
        `DELETE FROM customers WHERE id = ${id} AND NOT held`,
        `INSERT INTO customers VALUES (${id}, 'pro') ON CONFLICT (id) DO NOTHING`,
        `UPDATE orders SET customer_id = ${integer(1, 45)} WHERE id = ${integer(1, 80)} AND status <> 'held'`,
        `DELETE FROM orders WHERE id = ${integer(1, 100)} AND status <> 'held'`,
        `BEGIN; UPDATE customers SET held = true WHERE id = ${id}; INSERT INTO orders (customer_id, amount, status) SELECT ${id}, 1, 'held' WHERE EXISTS (SELECT FROM customers WHERE id = ${id}); COMMIT`,
        `BEGIN; DELETE FROM orders WHERE customer_id = ${id} AND status = 'held'; UPDATE customers SET held = false WHERE id = ${id}; COMMIT`,
      ][integer(0, 8)]);
    }
  };

  await project.up();
  await compare('after the copy');
  await work(60);
  await compare('after changes');
  const status = await project.status();
  for (const name of Object.keys(in_postgres)) assert.equal(status.segments.find((one) => one.segment === name).members, (await members(name)).length, name);
  assert.match(await (await project.fetch('/metrics')).text(), /tidemark_segment_members\{segment="pro"\} \d+/);

  await t.test('kills of tidemark and of ClickHouse', async () => {
    const working = work(150);
    for (let round = 0; round < 3; ++round) {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.up();
      await project.kill_clickhouse();
    }
    await working;
    await compare('after kills');
    assert.equal(await changes("segment = 'torn'"), 0, 'a transaction over two tables is never seen half');
    // Each member entered and left in turn.
    const twice = await project.clickhouse('SELECT segment, entity FROM (SELECT segment, entity, entered, lagInFrame(entered) OVER (PARTITION BY segment, entity ORDER BY seq) AS before, row_number() OVER (PARTITION BY segment, entity ORDER BY seq) AS number FROM tidemark.segment_changes) WHERE if(number = 1, entered = 0, entered = before)', { account: 'admin' });
    assert.equal(twice, '');
  });

  await t.test('the clock moves people both ways', async () => {
    let late = 0;
    await sql("INSERT INTO customers VALUES (100, 'free')");
    await eventually('nobody ordered: quiet', async () => (await members('quiet')).includes('100'));
    // Once more when it comes later than the four seconds that it counts: then nobody has seen it.
    for (let found = false; !found; ) {
      await sql("INSERT INTO orders (customer_id, amount, status) VALUES (100, 5, 'paid')");
      found = await eventually('ordered: not quiet', async () => !(await members('quiet')).includes('100'), { deadline_ms: 3_500, every_ms: 20 }).catch((error) => {
        if (++late > 5) throw error;
      });
    }
    await eventually('quiet again, by the clock', async () => (await members('quiet')).includes('100'), { deadline_ms: 10_000, every_ms: 20 });
    const [cause, off] = (await project.clickhouse("SELECT cause, abs(toUnixTimestamp64Micro(happened_at) - (SELECT toUnixTimestamp64Micro(max(placed_at)) + 4000000 FROM bronze.orders__current WHERE customer_id = 100)) FROM tidemark.segment_changes WHERE segment = 'quiet' AND entity = '100' ORDER BY seq DESC LIMIT 1", { account: 'admin' })).trim().split('\t');
    assert.equal(cause, 'time');
    assert.equal(off, '0', 'microseconds off');
  });

  await t.test('an edit is a diff, and a segment that is gone is left', async () => {
    segments.pro = 'where: { property: plan, in: [pro, free] }\n';
    in_postgres.pro = "SELECT id FROM customers WHERE plan IN ('pro', 'free')";
    const before = await changes("segment = 'pro'");
    const stay = await members('pro');
    project.write('segments/pro.yaml', definition('pro', segments.pro));
    project.up_child.kill('SIGHUP');
    await eventually('the edit is in force', async () => (await changes("segment = 'pro' AND cause = 'edit'")) > 0, { deadline_ms: 60_000 });
    await project.ready();
    await compare('after an edit');
    assert.equal((await changes("segment = 'pro'")) - before, (await members('pro')).length - stay.length);
    project.write('segments/pro.yaml', definition('pro', 'where: { property: plan, eqq: pro }\n'));
    project.up_child.kill('SIGHUP');
    await eventually('what is wrong is told and changes nothing', async () => /not reloaded[^]*segments\/pro\.yaml:4:26/.test(project.log_tail(60)));
    project.write('segments/pro.yaml', definition('pro', segments.pro));
  });

  await t.test('list, show and preview', async () => {
    const json = async (...args) => JSON.parse((await project.run('segment', ...args, '--json')).stdout);
    const listed = (await json('list')).segments;
    assert.deepEqual(listed.map((one) => one.segment).sort(), Object.keys(segments).sort());
    assert.equal((await json('show', 'pro')).version, listed.find((one) => one.segment === 'pro').version);
    const seen = await json('preview', 'pro', '--sample', '100');
    assert.deepEqual(seen.sample.map(Number).sort((a, b) => a - b), (await members('pro')).map(Number));
    assert.equal(seen.members, seen.sample.length);
    assert.equal(seen.difference, undefined);
    project.write('drafts/pro.yaml', definition('pro', 'where: { property: plan, neq: free }\n'));
    const draft = await json('preview', '--file', 'drafts/pro.yaml', '--sample', '100');
    const sorted = async (query) => (await sql(`SELECT id FROM customers WHERE ${query} ORDER BY id`)).split('\n').filter(Boolean);
    assert.deepEqual(draft.difference.entering.map(Number).sort((a, b) => a - b), (await sorted("plan IS DISTINCT FROM 'free' AND (plan IS NULL OR plan NOT IN ('pro', 'free'))")).map(Number));
    assert.deepEqual(draft.difference.leaving.map(Number).sort((a, b) => a - b), (await sorted("plan = 'free'")).map(Number));
    assert.deepEqual(await members('pro'), await sorted("plan IN ('pro', 'free')"), 'a preview changes nothing');
    assert.match((await project.run('segment', 'preview', 'proo')).stderr, /did you mean `pro`/);
    const checked = await project.run('check', '--connect');
    assert.match(checked.stdout, /pass {2}segments {2}warehouse: 5 segments/);
    project.write('segments/wrong.yaml', definition('wrong', "where: { property: plan, matches: '(' }\n"));
    const wrong = await project.run('check', '--connect');
    assert.notEqual(wrong.code, 0, wrong.stdout);
    assert.match(wrong.stdout, /fail {2}segments {2}segments\/wrong\.yaml:4:\d+: `\(` is no pattern/);
    (await import('node:fs')).rmSync(`${project.directory}/segments/wrong.yaml`);
  });

  await t.test('verify finds a membership that is wrong', async () => {
    await project.clickhouse("INSERT INTO tidemark.segment_members SELECT segment, '4711', seq + 1000000, 1, version, since, cause FROM tidemark.segment_members WHERE segment = 'pro' LIMIT 1", { account: 'admin' });
    const verified = await project.run('verify', '--json');
    assert.equal(verified.code, 4);
    const pro = JSON.parse(verified.stdout).segments.find((one) => one.segment === 'pro');
    assert.deepEqual([pro.missing, pro.extra, pro.examples], [0, 1, ['extra 4711']]);
  });
});
