// A large source is copied in short transactions, goes on after kill -9, and models are right at once; then its warehouse goes
// away for a while, under load.
//   node --test test/streaming/copy_in_ranges.test.mjs
// TIDEMARK_TORTURE=full: away for ten minutes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const away_ms = process.env.TIDEMARK_TORTURE === 'full' ? 600_000 : 3_000;
const rows = 60_000;

test('a large source', { timeout: 300_000 + away_ms }, async (t) => {
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
    const before = resident();
    const pid = project.clickhouse_pid();
    process.kill(pid, 'SIGSTOP');
    let most = before;
    let written = 0;
    try {
      for (const until = performance.now() + away_ms; performance.now() < until; written++) {
        await sql(`INSERT INTO orders SELECT 10000000 + ${written} * 2000 + n, 'away', 1, repeat('a', 400) FROM generate_series(1, 2000) n; DELETE FROM orders WHERE id >= 10000000 AND id < 10000000 + (${written} - 50) * 2000`);
        most = Math.max(most, resident());
        if (away_ms > 60_000) await new Promise((resolve) => setTimeout(resolve, 250));
      }
      // Told also while nothing is read.
      const { slot } = (await project.status()).sources[0];
      assert.ok(slot.retained_bytes > 0 && slot.wal_status !== '', JSON.stringify(slot));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await right();
    most = Math.max(most, resident());
    t.diagnostic(`away for ${away_ms / 1000} s and ${written * 2000} rows: ${before.toFixed(0)} MB resident before, ${most.toFixed(0)} MB at most`);
    assert.ok(most < 384, `${most} MB`);
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /^tidemark_slot_retained_bytes\{source="shop"\} \d+/m);
    assert.match(metrics, /^tidemark_slot_wal_status\{source="shop",status="reserved"\} 1$/m);
  });
  await project.down();
});
