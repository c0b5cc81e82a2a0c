// Tables that change and come while a project runs: the program as a whole, with models over them and a kill in between.
import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('a project whose tables change', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'changes', { pack: null });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const source = (tables) => project.write('sources/shop.yaml', `source: shop\npostgres:\n  url: \${env:ADS_DATABASE_URL}\n  slot: tidemark_changes\n  tables: [${tables}, shapes, { table: listed, exclude: [secret] }]\n`);
  await sql(`CREATE TABLE orders (id bigserial PRIMARY KEY, shop int NOT NULL, amount numeric(10,2) NOT NULL, note text);
    INSERT INTO orders (shop, amount) SELECT i % 5, i FROM generate_series(1, 500) i;
    CREATE TABLE later (id int PRIMARY KEY, n int); INSERT INTO later SELECT i, i FROM generate_series(1, 2000) i;
    CREATE TABLE listed (id int PRIMARY KEY, a text, b int, secret text); INSERT INTO listed SELECT i, 'a' || i, i, 'secret' FROM generate_series(1, 300) i;
    CREATE TABLE shapes (id int PRIMARY KEY, a int, b varchar(5), c text, d numeric(6,2), e text); INSERT INTO shapes SELECT i, i, i, 'c' || i, i / 7.0, 'e' FROM generate_series(1, 300) i;`);
  source('orders');
  project.write('models/analytics/by_shop.sql', '-- kind: incremental\nSELECT shop, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY shop\n');
  await project.up();
  const table = async (name) => (await project.status()).sources[0].tables.find((one) => one.table === `bronze.${name}`) ?? {};
  const columns = async (name) => (await project.clickhouse(`SELECT name FROM system.columns WHERE database = 'bronze' AND table = '${name}__current' ORDER BY position`)).trim().split('\n');
  const sums = () => project.assert_equal('sums by shop', postgres, database, 'SELECT shop, count(*)::text, sum(total)::float8::text FROM orders GROUP BY shop', 'SELECT shop, toString(orders), toString(toFloat64(amount)) FROM analytics.by_shop');

  await t.test('a renamed column: the model is named in status, and what it has stays right', async () => {
    await sql(`ALTER TABLE orders ADD COLUMN kind text NOT NULL DEFAULT 'web'; ALTER TABLE orders RENAME COLUMN amount TO total;
      INSERT INTO orders (shop, total) VALUES (1, 0.5); DELETE FROM orders WHERE id = 3; UPDATE orders SET total = total + 1 WHERE id % 50 = 0`);
    await eventually('the column is there', async (seen) => {
      const names = await columns('orders');
      seen(names);
      return names.includes('total') && names.includes('kind');
    });
    await project.caught_up(postgres);
    await sums();
    const { note } = await table('orders');
    assert.match(note, /column amount is now called total/);
    assert.match(note, /analytics\.by_shop named a column that is not there any more/);
    assert.match((await project.run('status')).stdout, /analytics\.by_shop named a column/);
  });

  await t.test('columns change at the edge of a cut: between rows, without rows, with CASCADE where a column list names them', async () => {
    const shapes = (text, ...names) => project.assert_equal(`shapes after ${text}`, postgres, database, `SELECT ${names} FROM shapes`, `SELECT ${names} FROM bronze.shapes__current`);
    // Everything is fenced: what comes next begins a cut.
    await sql("ALTER TABLE shapes ADD COLUMN f int DEFAULT 5; INSERT INTO shapes (id, a, f) VALUES (1001, 1, 6); UPDATE shapes SET e = NULL WHERE id % 4 = 0");
    await project.caught_up(postgres);
    await shapes('an ALTER at the edge of a cut', 'id', 'a', 'b', 'c', 'd', 'e', 'f');
    await sql(`BEGIN; INSERT INTO shapes (id, c) VALUES (1002, 'x'); ALTER TABLE shapes DROP COLUMN c; UPDATE shapes SET a = a + 1 WHERE id % 3 = 0; ALTER TABLE shapes DROP COLUMN e;
      INSERT INTO shapes (id, d) VALUES (1003, 1.5); ALTER TABLE shapes ADD COLUMN c int DEFAULT 9; DELETE FROM shapes WHERE id % 50 = 0; ALTER TABLE shapes ALTER b TYPE text; INSERT INTO shapes (id, b, c) VALUES (1004, 'no longer short', NULL); COMMIT;
      ALTER TABLE shapes RENAME COLUMN d TO dd; ALTER TABLE shapes ALTER dd TYPE numeric(9,2)`);
    await assert.rejects(sql('ALTER TABLE listed DROP COLUMN a'), /publication/);
    await sql("ALTER TABLE listed DROP COLUMN a CASCADE; INSERT INTO listed (id, b, secret) VALUES (1001, 1, 'secret'); UPDATE listed SET b = -b WHERE id % 9 = 0; DELETE FROM listed WHERE id % 50 = 0");
    // Nobody writes rows any more.
    await eventually('both have the columns that Postgres has, and are followed', async (seen) => {
      const state = [(await columns('shapes')).join(), (await columns('listed')).join(), (await table('shapes')).state, (await table('listed')).state];
      seen(state);
      return state.join(' ') === 'id,a,b,dd,f,c id,b live live';
    });
    await project.caught_up(postgres);
    await shapes('changes between rows and without', 'id', 'a', 'b', 'dd', 'f', 'c');
    await project.assert_equal('listed', postgres, database, 'SELECT id, b FROM listed', 'SELECT id, b FROM bronze.listed__current');
    await sql("INSERT INTO listed (id, b, secret) VALUES (1002, 2, 'secret'); UPDATE listed SET secret = 'other', b = 0 WHERE id = 7; UPDATE shapes SET c = 1, dd = 1234567.25 WHERE id = 7");
    await project.caught_up(postgres);
    await project.assert_equal('listed, streamed again', postgres, database, 'SELECT id, b FROM listed', 'SELECT id, b FROM bronze.listed__current');
  });

  await t.test('the model is changed, and everything verifies', async () => {
    project.write('models/analytics/by_shop.sql', '-- kind: incremental\nSELECT shop, count() AS orders, sum(total) AS amount FROM bronze.orders GROUP BY shop\n');
    const applied = await project.run('apply', '--yes');
    assert.equal(applied.code, 0, applied.stdout + applied.stderr);
    await sums();
    await project.assert_verified();
  });

  await t.test('a table is added while rows flow, and kill -9 between changes loses nothing', async () => {
    source('orders, later');
    project.up_child.kill('SIGHUP');
    await sql(`UPDATE later SET n = -n WHERE id % 3 = 0; INSERT INTO orders (shop, total) SELECT 2, 1 FROM generate_series(1, 100)`);
    await eventually('the new table is copied', async (seen) => {
      const status = await table('later');
      seen(status);
      return status.state === 'live';
    });
    await sql('DELETE FROM later WHERE id % 7 = 0; ALTER TABLE orders ALTER shop TYPE bigint; INSERT INTO orders (shop, total) VALUES (5000000000, 7)');
    await project.up_child.end({ signal: 'SIGKILL' });
    await sql(`BEGIN; INSERT INTO orders (shop, total) VALUES (9, 9); ALTER TABLE orders DROP COLUMN note; ALTER TABLE orders ADD COLUMN note int DEFAULT 4;
      INSERT INTO orders (shop, total) VALUES (10, 10); COMMIT; INSERT INTO later VALUES (10001, 1)`);
    await project.up();
    await eventually('both tables are followed', async (seen) => {
      const status = [await table('orders'), await table('later')];
      seen(status);
      return status.every((one) => one.state === 'live');
    });
    await project.caught_up(postgres);
    await sums();
    await project.assert_verified();
  });

  await t.test('a dropped table keeps its rows, and the models that read it are named', async () => {
    project.write('models/analytics/kept.sql', '-- kind: incremental\nSELECT n > 0 AS positive, count() AS rows FROM bronze.later GROUP BY positive\n');
    const applied = await project.run('apply', '--yes');
    assert.equal(applied.code, 0, applied.stdout + applied.stderr);
    const counts = () => project.clickhouse('SELECT positive, toInt64(rows) FROM analytics.kept ORDER BY positive');
    const before = await counts();
    await sql('DROP TABLE later; INSERT INTO orders (shop, total) VALUES (3, 3)');
    const dropped = () => eventually('it is dropped', async (seen) => {
      const status = await table('later');
      seen(status);
      return status.state === 'dropped' && /read by analytics\.kept/.test(status.note);
    });
    await dropped();
    await project.up_child.end({ signal: 'SIGKILL' });
    await project.assert_nothing_left();
    await project.up();
    await dropped();
    await project.caught_up(postgres);
    await sums();
    assert.equal(await counts(), before);
    assert.ok(!(await project.assert_verified()).tables.some((one) => one.table === 'bronze.later'));
  });

  await t.test('a second project over the same database keeps to its own publication', async () => {
    assert.equal((await postgres.rows(database, "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = 'tidemark_changes'"))[0][0], 'Tidemark, slot tidemark_changes');
    project.write('sources/shop.yaml', project.read('sources/shop.yaml').replace('slot: tidemark_changes', 'slot: tidemark_other\n  publication: tidemark_changes'));
    const doctor = await project.run('doctor');
    assert.notEqual(doctor.code, 0);
    assert.match(doctor.stdout + doctor.stderr, /tidemark_changes belongs to the slot tidemark_changes, which is another project's/);
  });
  await project.down();
});
