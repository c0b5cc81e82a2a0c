// Many tables with a trickle of rows each, and what that costs: the time to the first copy of all, the delay from commit to fence, memory.
//   TABLES=1000 node --test test/streaming/many_tables.test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { lsn_number } from '../harness/postgres.mjs';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const tables = Number(process.env.TABLES ?? 1000);
const rounds = Number(process.env.ROUNDS ?? 20);
// Minutes, for one figure: not in a run of everything.
const skip = !process.env.TABLES && process.env.TIDEMARK_TORTURE === 'short' && 'TABLES=1000 runs it';

const resident_mb = (pid) => Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);
const cpu_seconds = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) / 100, 0);

test(`tables with a trickle each: ${tables}`, { timeout: 1_200_000, skip }, async (t) => {
  const { project, postgres, database } = await make_world(t, 'many_tables', { pack: null });
  const sql = (text) => postgres.sql(database, text);
  await sql(`DO $$ BEGIN FOR i IN 1..${tables} LOOP
      EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, n int NOT NULL, note text, at timestamptz DEFAULT clock_timestamp()); INSERT INTO t%s SELECT j, j, ''copied'' FROM generate_series(1, 100) j', i, i);
      IF i % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$`);
  project.write('sources/many.yaml', 'source: many\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: ["*"]\n');
  const since = (began) => ((performance.now() - began) / 1000).toFixed(1);
  let began = performance.now();
  await project.up({ deadline_ms: 600_000 });
  const copied = since(began);
  const pid = project.up_child.pid;
  const clickhouse = project.clickhouse_pid();
  const figures = () => `tidemark ${resident_mb(pid)} MB, ClickHouse ${resident_mb(clickhouse)} MB`;
  t.diagnostic(`all copied after ${copied} s; ${figures()}`);

  // Every table has a change in every round, each a transaction of its own.
  const trickle = (round) =>
    sql(`DO $$ BEGIN FOR i IN 1..${tables} LOOP
      EXECUTE format('UPDATE t%s SET n = n + 1 WHERE id = ${1 + (round % 100)}', i); COMMIT;
      EXECUTE format('INSERT INTO t%s VALUES (${1000 + round}, ${round}, ''new'')', i); COMMIT; END LOOP; END $$`);
  const delays = [];
  const [cpu, cpu_clickhouse] = [cpu_seconds(pid), cpu_seconds(clickhouse)];
  began = performance.now();
  for (let round = 1; round <= rounds; ++round) {
    await trickle(round);
    const target = lsn_number(await postgres.position(database));
    const committed = performance.now();
    await eventually('the round is in', async () => lsn_number((await project.status()).sources[0].ladder.fenced) >= target, { every_ms: 5, deadline_ms: 120_000 });
    delays.push(performance.now() - committed);
  }
  delays.sort((left, right) => left - right);
  const at = (share) => `${Math.round(delays[Math.min(delays.length - 1, Math.floor(delays.length * share))])} ms`;
  t.diagnostic(`${rounds * tables * 2} changes in ${since(began)} s; last commit of a round to its fence: p50 ${at(0.5)}, most ${at(1)}; CPU tidemark ${(cpu_seconds(pid) - cpu).toFixed(1)} s, ClickHouse ${(cpu_seconds(clickhouse) - cpu_clickhouse).toFixed(1)} s; ${figures()}`);
  // A table that changes and one that comes disturb nobody.
  await sql(`ALTER TABLE t7 ADD COLUMN more int DEFAULT 3; INSERT INTO t7 (id, n) VALUES (-1, 1); ALTER TABLE t9 ALTER n TYPE bigint; INSERT INTO t9 VALUES (-1, 1)`);
  await eventually('both are followed', async (seen) => {
    const rows = await project.clickhouse("SELECT (SELECT count() FROM system.columns WHERE database = 'bronze' AND table = 't7__current' AND name = 'more'), (SELECT count() FROM bronze.t9__current WHERE id = -1), (SELECT type FROM system.columns WHERE database = 'bronze' AND table = 't9' AND name = 'n')");
    seen(rows);
    return rows.trim() === '1\t1\tInt64';
  });
  await project.caught_up(postgres);
  began = performance.now();
  const proof = await project.assert_verified();
  assert.equal(proof.tables.length, tables);
  t.diagnostic(`verify ${since(began)} s`);
  began = performance.now();
  await project.down();
  const stopped = since(began);
  began = performance.now();
  await project.up({ deadline_ms: 600_000 });
  t.diagnostic(`stopped in ${stopped} s, started again in ${since(began)} s; ${tables} tables verified`);
  await project.down();
});
