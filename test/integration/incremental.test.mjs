// Incremental models end to end: joined dimensions, a union of tables, and an append-only table whose states no update may touch.
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('incremental models', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'incremental', { pack: null });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql(`
    CREATE TABLE shops (id int PRIMARY KEY, name text NOT NULL, rate numeric(8, 4) NOT NULL);
    CREATE TABLE orders (id int PRIMARY KEY, shop int NOT NULL, price numeric(10, 2) NOT NULL, paid bool NOT NULL);
    CREATE TABLE visits (id int PRIMARY KEY, shop int NOT NULL, visitor int NOT NULL, at timestamptz NOT NULL);
    INSERT INTO shops SELECT g, 'shop ' || g, 1 + g * 0.0125 FROM generate_series(1, 5) g;
    INSERT INTO orders SELECT g, g % 6, g * 0.37, g % 3 = 0 FROM generate_series(1, 2000) g;
    INSERT INTO visits SELECT g, g % 5, g % 70, '2026-03-29 00:00:00Z'::timestamptz + g * interval '3 minutes' FROM generate_series(1, 1000) g`);
  project.write(
    'sources/s.yaml',
    'source: s\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: [shops, orders, visits]\n  options: [{ table: visits, append_only: true }]\n',
  );
  project.write(
    'models/gold/by_shop.sql',
    `-- kind: incremental
SELECT s.name AS name, count() AS orders, sum(o.price * s.rate) AS revenue, avgIf(o.price, o.paid) AS paid
FROM bronze.orders AS o LEFT JOIN bronze.shops AS s ON s.id = o.shop GROUP BY name\n`,
  );
  project.write(
    'models/gold/visitors.sql',
    `-- kind: incremental
SELECT s.name AS name, toDate32(v.at, 'Europe/Berlin') AS day, uniqExact(v.visitor) AS visitors, max(v.at) AS last, quantileExact(0.5)(v.visitor) AS middle
FROM bronze.visits AS v JOIN bronze.shops AS s ON s.id = v.shop GROUP BY name, day\n`,
  );
  project.write(
    'models/gold/activity.sql',
    `-- kind: incremental
SELECT shop, countIf(kind = 'order') AS orders, countIf(kind = 'visit') AS visits
FROM (SELECT shop, 'order' AS kind FROM bronze.orders UNION ALL SELECT shop, 'visit' FROM bronze.visits) GROUP BY shop\n`,
  );
  const verified = async (...tables) => {
    const result = await project.json('verify', ...tables);
    for (const model of result.data.models) assert.equal(model.different, 0, JSON.stringify(result.data));
    return result;
  };
  await project.up();
  assert.equal((await verified()).data.models.length, 3);

  await t.test('changes of facts and of what they join', async () => {
    await sql(`
      UPDATE orders SET shop = 1 + shop % 5, price = price + 1 WHERE id % 7 = 0;
      DELETE FROM orders WHERE id % 11 = 0;
      UPDATE shops SET name = 'renamed', rate = 2.5 WHERE id = 2;
      DELETE FROM shops WHERE id = 3;
      INSERT INTO visits SELECT g, g % 5, g % 90, '2026-10-25 00:00:00Z'::timestamptz + g * interval '1 minute' FROM generate_series(2001, 2500) g`);
    const result = await verified();
    assert.equal(result.code, 0, result.stdout);
  });

  await t.test('an update or delete of an append-only table goes to quarantine and changes no model', async () => {
    await sql('UPDATE visits SET visitor = -1 WHERE id = 5; DELETE FROM visits WHERE id = 6; INSERT INTO visits VALUES (9000, 1, 1, now())');
    await eventually('both are in quarantine', async (seen) => {
      const visits = (await project.status()).sources[0].tables.find((table) => table.table.endsWith('visits'));
      seen(JSON.stringify(visits));
      return visits.quarantined === 2;
    });
    await verified();
  });
});
