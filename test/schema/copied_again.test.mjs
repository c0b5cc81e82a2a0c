// A table that is copied again while others flow is empty meanwhile. Nobody may hear of that: segments that read it wait,
// also over a kill, and say afterwards what became true meanwhile.
//   node --test test/schema/copied_again.test.mjs
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('segments over a table that is copied again', { timeout: 180_000 }, async (t) => {
  const world = await make_world(t, 'copied_again', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const told = [];
  const receiver = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const { type, data } = JSON.parse(Buffer.concat(pieces).toString());
      told.push(`${type.replace('segment.', '')} ${data.segment} ${Object.values(data.ids).join(' ')}`);
      response.writeHead(204).end();
    });
  });
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  await sql(`CREATE TABLE customers (id int PRIMARY KEY, plan text NOT NULL, code int);
    CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL);
    INSERT INTO customers SELECT n, CASE WHEN n <= 3 THEN 'pro' ELSE 'free' END, n FROM generate_series(1, 9) n;
    INSERT INTO orders VALUES (1, 1), (2, 2)`);
  project.environment = { SHOP_DATABASE_URL: world.url };
  project.write('tidemark.yaml', `project: test\nwarehouse: { embedded: { path: ./data, http_port: ${project.clickhouse_port}, tcp_port: 0 } }\nhttp: { listen: 127.0.0.1:${project.http_port} }\n`);
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  tables: [customers, orders]\n');
  project.write('destinations/hook.yaml', `destination: hook\nwebhook:\n  url: http://127.0.0.1:${receiver.address().port}/hook\n  allow_private: true\n`);
  // One over the table, one over a model of it, one that another table's rows touch.
  project.write('models/analytics/by_plan.sql', '-- kind: keyed\n-- key: plan\nSELECT plan, count() AS customers FROM bronze.customers GROUP BY plan\n');
  project.write('segments/pro.yaml', 'segment: pro\nentity: bronze.customers\nnotify: [hook]\nwhere: { property: plan, eq: pro }\n');
  project.write('segments/popular.yaml', 'segment: popular\nentity: analytics.by_plan\nnotify: [hook]\nwhere: { property: customers, gte: 3 }\n');
  project.write('segments/buyers.yaml', 'segment: buyers\nentity: bronze.customers\nnotify: [hook]\nwhere: { related: bronze.orders, on: { customer: id }, count: { gte: 1 } }\n');
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);
  await project.up();
  await project.caught_up(postgres);
  const ask = async (query) => (await project.clickhouse(query, { account: 'admin' })).trim();
  const members = (expected) => eventually('members', async (seen) => {
    const found = await ask("SELECT arrayStringConcat(arraySort(groupArray(segment || ' ' || entity)), ', ') FROM tidemark.segment_members FINAL WHERE member = 1");
    seen(found);
    return found === expected;
  }, { deadline_ms: 20_000, every_ms: 50 });
  const hears = (...expected) => eventually('what was told', async (seen) => {
    seen(told);
    return told.length >= expected.length && assert.deepEqual([...told].sort(), [...expected].sort()) === undefined;
  }, { deadline_ms: 20_000, every_ms: 50 });
  await members('buyers 1, buyers 2, popular free, popular pro, pro 1, pro 2, pro 3');
  assert.deepEqual(told, []);
  await sql("UPDATE customers SET plan = 'pro' WHERE id = 4; INSERT INTO orders VALUES (3, 3)");
  await hears('entered pro 4', 'entered buyers 3');
  await members('buyers 1, buyers 2, buyers 3, popular free, popular pro, pro 1, pro 2, pro 3, pro 4');
  told.length = 0;

  // Only a copy is exact after this change; it begins by emptying the table, and then finds no place for its slot.
  await sql("SELECT pg_create_physical_replication_slot('taken_' || n) FROM generate_series(1, current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)) n");
  await sql("ALTER TABLE customers ALTER code TYPE text USING 'c' || code");
  const emptied = () => eventually('the table is empty', async (seen) => {
    const found = await ask('SELECT (SELECT count() FROM bronze.customers), (SELECT count() FROM tidemark.held_tables FINAL WHERE held)');
    seen(found);
    return found === '0\t1';
  }, { deadline_ms: 30_000, every_ms: 20 });
  await emptied();
  // Rows of another table touch customers that are not there now.
  const touched = async (id, customer) => {
    await sql(`INSERT INTO orders VALUES (${id}, ${customer})`);
    await eventually('the order is in', async () => (await ask(`SELECT count() FROM bronze.orders WHERE id = ${id}`)) === '1', { deadline_ms: 20_000, every_ms: 20 });
  };
  await touched(4, 1);
  await touched(5, 5);
  // One that was being copied when it was taken out of the project: nobody waits for it any more.
  await ask("INSERT INTO tidemark.held_tables VALUES ('bronze.taken_out', 1, 0, 1)");
  await project.up_child.end({ signal: 'SIGKILL' });
  await project.up();
  await emptied();
  assert.equal(await ask("SELECT held, copied FROM tidemark.held_tables FINAL WHERE table = 'bronze.taken_out'"), '0\t0');
  await touched(6, 2);
  assert.equal(await ask("SELECT count() FROM tidemark.segment_changes WHERE entered = 0"), '0');
  await sql(`UPDATE customers SET plan = 'free' WHERE id IN (1, 2); DELETE FROM customers WHERE id = 3;
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'`);
  await hears('exited pro 1', 'exited pro 2', 'exited pro 3', 'exited buyers 3', 'entered buyers 5', 'exited popular pro');
  await members('buyers 1, buyers 2, buyers 5, popular free, pro 4');
  // Written down when all of them were told.
  await eventually('nothing is held', async () => (await ask('SELECT count() FROM tidemark.held_tables FINAL WHERE held')) === '0', { deadline_ms: 20_000 });
  // As before, without a word.
  await sql("UPDATE customers SET plan = 'pro' WHERE id = 9");
  await eventually('one more', async () => told.includes('entered pro 9'), { deadline_ms: 20_000, every_ms: 50 });
  await project.caught_up(postgres);
  await project.assert_verified();
  assert.equal(told.length, 7);
  await project.down();
});
