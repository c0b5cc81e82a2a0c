// Audits while the project runs: a failure shows in status, metrics and readers' states, and goes when its rows do.
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const header = (lines) => lines.map((line) => `-- ${line}\n`).join('');

test('audits follow the cuts', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'audits', { pack: null });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql('CREATE TABLE shops (id int PRIMARY KEY, name text); CREATE TABLE orders (id int PRIMARY KEY, shop int, buyer text, state text)');
  await sql("INSERT INTO shops VALUES (1, 'one'); INSERT INTO orders SELECT g, 1, 'b' || g, 'open' FROM generate_series(1, 1000) g");
  project.write('sources/s.yaml', 'source: s\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: [shops, orders]\n');
  project.write(
    'models/silver/orders.sql',
    header([
      'kind: incremental',
      'order_by: id',
      'freshness: 3s',
      'audit: not_null(buyer) severity=blocking, unique(id)',
      "audit: accepted_values(state, 'open', 'paid') severity=warning",
      'audit: relationships(shop, bronze.shops, id)',
    ]) + 'SELECT id, shop, buyer, state FROM bronze.orders\n',
  );
  project.write('models/gold/by_shop.sql', '-- kind: view\n-- audit: sql(too_many)\nSELECT shop, count() AS orders FROM silver.orders GROUP BY shop\n');
  project.write('audits/too_many.sql', '-- description: one shop has it all\nSELECT shop, orders FROM gold.by_shop WHERE orders > 5000\n');
  project.write('audits/named.sql', '-- model: bronze.shops\n-- severity: error\nSELECT * FROM bronze.shops WHERE name IS NULL\n');

  const audit = async (name) => (await project.status()).audits.find((entry) => entry.audit === name);
  const until = (what, name, failing) =>
    eventually(what, async (seen) => {
      const found = await audit(name);
      seen(JSON.stringify(found));
      return found?.failing === failing;
    });
  await project.up();
  for (const name of ['not_null(buyer)', 'unique(id)', 'sql(too_many)', 'sql(named)']) await until(`${name} passes`, name, 0);
  assert.equal((await project.run('audit')).code, 0);

  await t.test('a blocking failure fails the model and what reads it', async () => {
    await sql("UPDATE orders SET buyer = NULL WHERE id IN (7, 8)");
    await until('it is found', 'not_null(buyer)', 2);
    const { models } = await project.status();
    for (const name of ['silver.orders', 'gold.by_shop']) {
      const model = models.find((entry) => entry.model === name);
      assert.equal(model.state, 'failed', JSON.stringify(model));
      assert.match(model.reason, /not_null\(buyer\) of silver\.orders fails for 2 rows/);
      assert.ok(model.since_ms > 0 && model.cuts.s > 0, JSON.stringify(model));
    }
    assert.equal((await project.fetch('/readyz')).status, 200);
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /tidemark_model_state\{model="gold\.by_shop",state="failed"\} 1/);
    assert.match(metrics, /tidemark_audit_failing_rows\{model="silver\.orders",audit="not_null\(buyer\)",severity="blocking"\} 2/);
    const text = (await project.run('status')).stdout;
    assert.match(text, /silver\.orders: audit not_null\(buyer\)/);
    assert.match(project.log_tail(100), /audit not_null\(buyer\) of silver\.orders \(blocking\) fails for 2 rows/);
    const verb = await project.json('audit', 'silver.orders');
    assert.equal(verb.code, 4);
    assert.deepEqual(verb.data.audits.map((entry) => [entry.audit, entry.failing]), [
      ['not_null(buyer)', 2],
      ['unique(id)', 0],
      ["accepted_values(state, 'open', 'paid')", 0],
      ['relationships(shop, bronze.shops, id)', 0],
    ]);
  });

  await t.test('it goes when the rows are right again', async () => {
    await sql("UPDATE orders SET buyer = 'x' WHERE buyer IS NULL");
    await until('it passes', 'not_null(buyer)', 0);
    const { models } = await project.status();
    assert.ok(models.every((model) => model.state === 'live'), JSON.stringify(models));
    assert.equal((await project.run('audit')).code, 0);
  });

  await t.test('a warning is told and fails nothing', async () => {
    await sql("UPDATE orders SET state = 'odd' WHERE id = 3");
    await until('it is found', "accepted_values(state, 'open', 'paid')", 1);
    assert.equal((await project.run('audit')).code, 0);
    assert.ok((await project.status()).models.every((model) => model.state === 'live'));
  });

  await t.test('rows that did not change fail when what they point to goes', async () => {
    await sql('DELETE FROM shops');
    await until('it is found', 'relationships(shop, bronze.shops, id)', 1);
    assert.equal((await project.run('audit', 'silver.orders')).code, 4);
    await sql("INSERT INTO shops VALUES (1, NULL)");
    await until('it passes', 'relationships(shop, bronze.shops, id)', 0);
    await until('the mirrored table is audited', 'sql(named)', 1);
    assert.equal((await project.run('audit', 'bronze.shops')).code, 4);
  });

  await t.test('an unknown model names the nearest', async () => {
    const result = await project.run('audit', 'silver.order');
    assert.equal(result.code, 78);
    assert.match(result.stderr, /did you mean `silver\.orders`/);
  });

  await t.test('results are kept', async () => {
    const rows = await project.clickhouse("SELECT failing FROM tidemark.audits WHERE audit = 'not_null(buyer)' ORDER BY at", { account: 'tidemark' });
    assert.deepEqual(rows.trim().split('\n').filter((value, index, all) => value !== all[index - 1]), ['0', '2', '0']);
  });

  await t.test('a source that is away makes models stale', async () => {
    await postgres.stop();
    await eventually(
      'the model is stale',
      async (seen) => {
        const model = (await project.status()).models.find((entry) => entry.model === 'silver.orders');
        seen(JSON.stringify(model));
        return model.state === 'stale';
      },
      { deadline_ms: 60_000 },
    );
    assert.match(await (await project.fetch('/metrics')).text(), /tidemark_model_state\{model="silver\.orders",state="stale"\} 1/);
    await eventually('it is logged', () => /model silver\.orders is stale/.test(project.log_tail(200)));
  });

  await project.down();
  // Without `up`.
  assert.equal((await project.run('audit', 'bronze.shops')).code, 4);
});
