// Tables that are brought back by parity while a project runs: after damage in the warehouse, over kill -9, and after the slot was lost. A
// model over them is never empty meanwhile, and a segment tells its receiver what is true and nothing else.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { webhook_receiver } from '../harness/webhook_receiver.mjs';
import { make_world } from '../harness/world.mjs';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

test('tables are brought back', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'parity', { pack: null });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const damage = (text) => project.clickhouse(`ALTER TABLE bronze.${text} SETTINGS mutations_sync = 1`, { account: 'tidemark' });
  const receiver = await webhook_receiver(t, secret);
  await sql(`CREATE TABLE orders (id bigserial PRIMARY KEY, shop int NOT NULL, amount numeric(10,2) NOT NULL, note text);
    INSERT INTO orders (shop, amount) SELECT i % 5, i FROM generate_series(1, 30000) i;
    CREATE TABLE shops (id int PRIMARY KEY, plan text); INSERT INTO shops SELECT i, 'free' FROM generate_series(0, 9) i;
    CREATE TABLE lines (line text);`);
  project.environment = { ...project.environment, HOOK_SECRET: secret };
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  slot: tidemark_parity\n  tables: [orders, shops, lines]\n');
  project.write('models/analytics/by_shop.sql', '-- kind: incremental\nSELECT shop, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY shop\n');
  project.write('models/analytics/shop_card.sql', '-- kind: keyed\n-- key: shop\nSELECT shop, max(amount) AS largest, count() AS orders FROM bronze.orders GROUP BY shop\n');
  project.write('destinations/crm.yaml', `destination: crm\nwebhook:\n  url: ${receiver.url}\n  secrets:\n    - \${env:HOOK_SECRET}\n  allow_private: true\n`);
  project.write('segments/pro.yaml', 'segment: pro\nentity: bronze.shops\nkey: [id]\nnotify: [crm]\nwhere: { property: plan, eq: pro }\n');
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);
  await project.up();
  await project.caught_up(postgres);
  const orders = async () => (await project.status()).sources[0].tables.find(({ table }) => table === 'bronze.orders');
  const told = () => receiver.told('pro', 'id');
  const members = (...expected) => eventually('the receiver knows the members', (seen) => {
    seen(told());
    return told().join() === expected.join();
  });
  await sql("UPDATE shops SET plan = 'pro' WHERE id <= 3");
  await members('0', '1', '2', '3');

  // Rows go on coming, and the models over them are looked at, until `done`.
  const meanwhile = async (action) => {
    let over = false, looks = 0;
    const busy = (async () => {
      while (!over) await sql("UPDATE orders SET amount = amount + 1 WHERE id % 997 = 5; INSERT INTO orders (shop, amount) VALUES (1, 2); DELETE FROM orders WHERE id = (SELECT min(id) FROM orders WHERE id % 10 = 7)");
    })();
    const watching = (async () => {
      while (!over) {
        const [counted, cards] = (await project.clickhouse('SELECT (SELECT count() FROM analytics.by_shop), (SELECT count() FROM analytics.shop_card)')).trim().split('\t');
        assert.deepEqual([counted, cards], ['5', '5'], 'a model is empty');
        ++looks;
      }
    })();
    try {
      return await Promise.race([action(), Promise.all([busy, watching])]);
    } finally {
      over = true;
      await Promise.all([busy, watching]);
      assert.ok(looks > 0);
    }
  };

  await t.test('resync: rows that are missing, extra or different in the warehouse', async () => {
    await damage('orders DELETE WHERE id % 10 = 1');
    await damage("orders UPDATE amount = amount + 3, note = 'never' WHERE id % 10 = 2");
    await project.clickhouse("INSERT INTO bronze.orders (id, shop, amount, _version) SELECT number + 10000000, 1, 5, 1 FROM numbers(100)", { account: 'tidemark' });
    const { code, data, stderr } = await meanwhile(() => project.json('resync', 'orders'));
    assert.equal(code, 0, stderr);
    const [{ missing, extra, different }] = data.tables;
    assert.equal(extra, 100);
    assert.ok(missing > 2500 && missing <= 3000, `${missing}`);
    assert.ok(different > 2500 && different <= 3000, `${different}`);
    // Its models never saw what was done by hand.
    assert.deepEqual(data.refilled, ['analytics.by_shop']);
    await project.caught_up(postgres);
    await project.assert_verified();
    const log = await project.run('resync', 'lines');
    assert.match(log.stderr, /append-only log/);
    assert.notEqual(log.code, 0);
    assert.match((await project.run('resync', 'nothing')).stderr, /has a table nothing/);
  });

  await t.test('kill -9 in the middle: it goes on by itself', async () => {
    await damage('orders DELETE WHERE id % 3 = 1');
    const asked = project.run('resync', 'orders');
    await eventually('it is being brought back', async () => /brought back by parity/.test((await orders()).note ?? ''), { every_ms: 5 });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));  // any place of it will do
    await project.up_child.end({ signal: 'SIGKILL' });
    await asked;
    await project.up();
    await eventually('the request is answered', async (seen) => {
      const { note } = await orders();
      seen(note);
      return !/brought back by parity/.test(note ?? '');
    });
    await project.caught_up(postgres);
    // The verb was killed with it before it looked at the models.
    assert.equal((await project.run('resync', 'orders')).code, 0);
    await project.assert_verified();
    assert.equal(await project.clickhouse("SELECT count() FROM system.tables WHERE database = 'bronze' AND position(name, '__parity') > 0", { account: 'tidemark' }), '0\n');
  });

  await t.test('verify --repair: the rows that verify found', async () => {
    await damage('orders DELETE WHERE id IN (42, 43)');
    await damage("shops UPDATE plan = 'free' WHERE id = 2");
    const { code, stderr, data } = await project.json('verify', '--repair');
    assert.equal(code, 0, stderr);
    assert.equal(data.ok, true);
    assert.match(stderr, /bronze\.orders missing: 4[23]/);
    assert.match(stderr, /bronze\.shops different: 2/);
    assert.match(stderr, /bronze\.shops: 10 rows compared, 1 brought back/);
    await project.assert_verified();
  });

  await t.test('a lost slot: what changed meanwhile comes in, and nothing is told that is not true', async () => {
    const before = receiver.taken.length;
    await project.down();
    await sql(`SELECT pg_drop_replication_slot('tidemark_parity');
      UPDATE orders SET amount = amount + 0.5 WHERE id % 100 = 0; DELETE FROM orders WHERE id % 100 = 3; INSERT INTO orders (shop, amount) VALUES (4, 4); INSERT INTO lines VALUES ('one');
      UPDATE shops SET plan = 'pro' WHERE id = 7; UPDATE shops SET plan = 'free' WHERE id = 0;`);
    await project.up();
    await project.caught_up(postgres);
    await members('1', '2', '3', '7');
    const news = receiver.taken.slice(before).map(({ type, data }) => [type, data.ids.id]).sort();
    assert.deepEqual(news, [['segment.entered', '7'], ['segment.exited', '0']]);
    await project.assert_verified();
    assert.match(project.log_tail(400), /slot tidemark_parity is gone; its tables are compared with the source/);
    assert.equal((await project.status()).sources[0].epoch, 2);
    await sql('UPDATE orders SET amount = amount + 1 WHERE id % 50 = 0');
    await project.caught_up(postgres);
    await project.assert_verified();
  });

  await t.test('a warehouse as it was before: what was acknowledged since is brought back', async () => {
    const data = `${project.directory}/data`;
    await project.down();
    fs.cpSync(data, `${data}_before`, { recursive: true, verbatimSymlinks: true });
    await project.up();
    await sql(`UPDATE orders SET amount = 1 WHERE id % 80 = 0; DELETE FROM orders WHERE id % 100 = 19; INSERT INTO orders (shop, amount) SELECT 3, 1 FROM generate_series(1, 2000); UPDATE shops SET plan = 'free' WHERE id = 7`);
    await members('1', '2', '3');
    await project.caught_up(postgres);
    await project.down();
    fs.rmSync(data, { recursive: true });
    fs.renameSync(`${data}_before`, data);
    await project.up();
    await project.caught_up(postgres);
    assert.match(project.log_tail(400), /the warehouse is older than the slot/);
    assert.equal((await project.status()).sources[0].epoch, 3);
    await members('1', '2', '3');
    await project.assert_verified();
  });

  await t.test('a failover to a standby that lacks what the warehouse has', async () => {
    const standby = await postgres.standby();
    await postgres.followed_by(standby);
    await standby.stop();
    // Committed, seen by everybody, and gone with the primary.
    await sql(`UPDATE orders SET amount = 0 WHERE id % 70 = 0; DELETE FROM orders WHERE id % 100 = 9; INSERT INTO orders (shop, amount) SELECT 2, 1 FROM generate_series(1, 3000); UPDATE shops SET plan = 'pro' WHERE id = 8`);
    await project.caught_up(postgres);
    await members('1', '2', '3', '8');
    await postgres.stop('SIGQUIT');
    standby.port = postgres.port;
    world.postgres = standby;
    await standby.up();
    await standby.sql(database, "SELECT pg_promote(); UPDATE orders SET amount = amount + 2 WHERE id % 90 = 0; INSERT INTO orders (shop, amount) VALUES (3, 33)");
    await eventually('it is in its fourth epoch', async (seen) => {
      const [{ state, error, epoch }] = (await project.status()).sources;
      seen({ state, error, epoch });
      return state === 'streaming' && epoch === 4;
    });
    await standby.sql(database, 'DELETE FROM orders WHERE id % 110 = 0');
    await project.caught_up(standby);
    assert.match(project.log_tail(400), /timeline/);
    await members('1', '2', '3');
    await project.assert_verified();
  });
  await project.down();
});
