// A large source is copied in short transactions, goes on after kill -9, and models are right at once; then its warehouse goes
// away for a while, under 2,000 rows a second.
//   node --test test/streaming/copy_in_ranges.test.mjs
// TIDEMARK_TORTURE=full: away for a minute, for ten, and for ten more in which it is killed whenever it comes back.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { lsn_number, psql } from '../harness/postgres.mjs';
import { Child, eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const outages = process.env.TIDEMARK_TORTURE === 'full' ? [['stopped', 60], ['stopped', 600], ['killed', 600]] : [['stopped', 3]];
const rows = 60_000;
// A tenth of a second's changes in a transaction: 100 rows come, 50 change, 50 of the older ones go.
const load = `CREATE PROCEDURE load(first int, seconds int) LANGUAGE plpgsql AS $$
  DECLARE began timestamptz := clock_timestamp(); id_now int := first;
  BEGIN
    FOR turn IN 1 .. seconds * 10 LOOP
      INSERT INTO orders SELECT id_now + n, 'away ' || n % 7, n % 90, repeat('a', 100 + n) FROM generate_series(1, 100) n;
      UPDATE orders SET amount = amount + 1 WHERE id BETWEEN id_now - 250 AND id_now - 201;
      DELETE FROM orders WHERE id BETWEEN id_now - 350 AND id_now - 301;
      COMMIT;
      id_now := id_now + 100;
      PERFORM pg_sleep(extract(epoch FROM began + turn * interval '0.1 s' - clock_timestamp()));
    END LOOP;
  END $$`;

test('a large source', { timeout: 300_000 + outages.reduce((sum, [, seconds]) => sum + 2_000 * seconds, 0) }, async (t) => {
  const world = await make_world(t, 'copy_in_ranges', { pack: null, database: 'shop' });
  const { project, postgres, database } = world;
  const sql = (text) => postgres.sql(database, text);
  await sql(`CREATE TABLE orders (id int PRIMARY KEY, shop text NOT NULL, amount int NOT NULL, note text);
    INSERT INTO orders SELECT n, 'shop ' || n % 10, n % 100, repeat('n', 400) FROM generate_series(1, ${rows}) n; ANALYZE orders`);
  project.environment = { SHOP_DATABASE_URL: world.url };
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  tables: [orders]\n  snapshot: { range_megabytes: 1, max_rows_per_second: 20000 }\n');
  project.write('models/analytics/by_shop.sql', '-- kind: incremental\nSELECT shop, count() AS orders, sum(amount) AS amount FROM bronze.orders GROUP BY shop\n');
  project.write('models/analytics/largest.sql', '-- kind: keyed\n-- key: shop\nSELECT shop, max(amount) AS amount FROM bronze.orders GROUP BY shop\n');
  const right = async () => {
    await project.caught_up(postgres);
    await project.assert_verified();
    await project.assert_equal('sums by shop', postgres, database, 'SELECT shop, count(*)::text, sum(amount)::text FROM orders GROUP BY shop', 'SELECT shop, toString(orders), toString(amount) FROM analytics.by_shop');
  };

  await t.test('a first copy in ranges', async () => {
    let writing = true;
    const writer = (async () => {
      for (let turn = 1; writing; turn++) {
        const id = ((turn * 7919) % rows) + 1;
        await sql(`UPDATE orders SET amount = amount + 1 WHERE id BETWEEN ${id} AND ${id + 20};
          DELETE FROM orders WHERE id = ${id}; INSERT INTO orders VALUES (${id}, 'back', 7, repeat('b', 3000)); UPDATE orders SET id = id + 1000000 WHERE id = ${id + 3};
          INSERT INTO orders VALUES (${2_000_000 + turn}, 'new', 1, 'x')`);
      }
    })();
    const known = async () => {
      const answer = await project.clickhouse('SELECT count() FROM tidemark.copied_ranges FINAL WHERE oid != 0', { account: 'admin' }).catch(() => '0');
      return Number(answer);
    };
    let oldest = 0;
    let began = 0;
    project.launch();
    try {
      for (let kills = 0, seen = 0; ; ) {
        await eventually('a range more, or the stream', async (tell) => {
          const [[age]] = await postgres.rows(database, "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8::text FROM pg_stat_activity WHERE application_name = 'tidemark shop' AND backend_xmin IS NOT NULL");
          oldest = Math.max(oldest, Number(age));
          tell(project.log_tail(5));
          return (await known()) > seen;
        });
        seen = await known();
        if (kills === 2) break;
        kills++;
        await project.up_child.end({ signal: 'SIGKILL' });
        project.launch();
        began = performance.now();
        oldest = 0;
      }
      await eventually('it streams', async (tell) => {
        const [[age]] = await postgres.rows(database, "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8::text FROM pg_stat_activity WHERE application_name = 'tidemark shop' AND backend_xmin IS NOT NULL");
        oldest = Math.max(oldest, Number(age));
        tell(project.log_tail(5));
        return (await project.status().catch(() => null))?.sources[0].state === 'streaming';
      });
    } finally {
      writing = false;
      await writer;
    }
    const seconds = (performance.now() - began) / 1000;
    assert.ok(oldest < seconds / 2, `a transaction of ${oldest} s in a copy of ${seconds} s`);
    const log = project.log_tail(10_000);
    assert.match(log, /the initial copy goes on: \d+ rows are in/);
    assert.ok(!/starts over/.test(log), log);
    await right();
  });

  await t.test('a warehouse that is away for a while', async () => {
    const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${project.up_child.pid}/status`, 'utf8'))[1]) / 1024;
    await sql(load);
    for (const [index, [how, seconds]] of outages.entries()) {
      const before = resident();
      let most = before;
      let deaths = 0;
      const pid = project.clickhouse_pid();
      process.kill(pid, how === 'stopped' ? 'SIGSTOP' : 'SIGKILL');
      const source = async () => (await project.status()).sources[0];
      let behind;
      try {
        const writer = new Child(psql, ['-Xq', '-d', world.url, '-c', `CALL load(${10_000_000 * (index + 1)}, ${seconds})`]);
        while (writer.running) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          most = Math.max(most, resident());
          const back = how === 'killed' && project.clickhouse_pid();
          if (back) {
            process.kill(back, 'SIGKILL');
            ++deaths;
          }
        }
        assert.deepEqual(await writer.ended, { code: 0, signal: null }, writer.stderr);
        // Told also while nothing is read.
        behind = await source();
        assert.ok(behind.slot.retained_bytes > 0 && behind.slot.wal_status !== '', JSON.stringify(behind.slot));
      } finally {
        if (how === 'stopped') process.kill(pid, 'SIGCONT');
      }
      const back_at = performance.now();
      const end = lsn_number(await postgres.position(database));
      await eventually('everything is in', async (tell) => {
        most = Math.max(most, resident());
        const { state, ladder, error } = await source();
        tell({ state, ladder, error });
        return lsn_number(ladder.fenced) >= end;
      }, { deadline_ms: 60_000 + seconds * 1000, every_ms: 50 });
      const recovered = (performance.now() - back_at) / 1000;
      await right();
      t.diagnostic(`${how} for ${seconds} s${how === 'killed' ? ` (${deaths} times more)` : ''}, ${seconds * 2000} rows: ${before.toFixed(0)} MB resident before, ${most.toFixed(0)} MB at most; ${(behind.slot.retained_bytes / 1e6).toFixed(0)} MB of log kept, in ${recovered.toFixed(1)} s after it was back`);
      assert.ok(most < 384, `${most} MB`);
    }
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /^tidemark_slot_retained_bytes\{source="shop"\} \d+/m);
    assert.match(metrics, /^tidemark_slot_wal_status\{source="shop",status="reserved"\} 1$/m);
  });
  await project.down();
});
