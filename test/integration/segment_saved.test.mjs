// A project without segments gets its first one over HTTP while it runs: over mirrored tables whose change rows nobody wanted before.
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('the first segment, saved while the project runs', { timeout: 180_000 }, async (t) => {
  const world = await make_world(t, 'segment-saved', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql("CREATE TABLE customers (id int PRIMARY KEY, plan text); CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id int, amount int); INSERT INTO customers SELECT g, 'free' FROM generate_series(1, 20) g");
  project.environment = { SHOP_DATABASE_URL: world.url, CRM_TOKEN: 'crm-token-0123456789' };
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  mode: cdc\n  tables: [customers, orders]\n');
  project.write('tidemark.yaml', `project: test\nwarehouse: { embedded: { path: ./data, http_port: ${project.clickhouse_port}, tcp_port: 0 } }\nhttp: { listen: 127.0.0.1:${project.http_port} }\ntokens: [{ name: crm, value: "\${env:CRM_TOKEN}", scopes: ["segments:write"] }]\n`);
  await project.up();
  await project.caught_up(postgres);
  const save = async (name, definition) => {
    const answer = await project.fetch(`/api/segments/${name}`, { method: 'PUT', body: JSON.stringify(definition), headers: { authorization: 'Bearer crm-token-0123456789' } });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text);
  };
  const members = async (name) => (await (await project.fetch(`/api/segments/${name}/members`)).json()).members.map((one) => Number(one.entity)).sort((a, b) => a - b).join(' ');
  const are = (name, expected) =>
    eventually(`${name}: ${expected}`, async (seen) => {
      const found = await members(name);
      seen(found);
      return found === expected;
    }, { deadline_ms: 15_000, every_ms: 50 });

  assert.equal((await save('pro', { entity: 'bronze.customers', key: ['id'], where: { property: 'plan', eq: 'pro' } })).members, 0);
  await sql("UPDATE customers SET plan = 'pro' WHERE id IN (3, 4)");
  await are('pro', '3 4');
  // Another table: it has to be watched from now on.
  const saved = await save('buyers', { entity: 'bronze.customers', key: ['id'], where: { related: 'bronze.orders', on: { customer_id: 'id' }, count: { gte: 2 } } });
  assert.equal(saved.members, 0);
  await sql('INSERT INTO orders (customer_id, amount) VALUES (3, 1), (5, 1), (5, 2)');
  await are('buyers', '5');
  await sql('DELETE FROM orders WHERE customer_id = 5 AND amount = 2; UPDATE orders SET customer_id = 5 WHERE customer_id = 3');
  await are('buyers', '5');
  await project.assert_verified();
  // It is in force after a kill, too.
  project.up_child.kill('SIGKILL');
  await project.up_child.ended;
  await sql("UPDATE customers SET plan = 'free' WHERE id = 3; UPDATE orders SET customer_id = 6");
  await project.up();
  await project.caught_up(postgres);
  await are('pro', '4');
  await are('buyers', '6');
  const verified = await project.assert_verified();
  assert.deepEqual(verified.segments.map((one) => one.segment).sort(), ['buyers', 'pro']);
  await project.down();
});
