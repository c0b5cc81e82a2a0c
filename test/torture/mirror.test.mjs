// kill -9 where the crash test does not reach: tables that no model hangs on (their cuts have no plan and share fences),
// a table without a key, large values that updates leave out, key changes, TRUNCATE, transactions of many sizes, and the
// bulk catch-up after a pause; all but the smallest transactions are streamed while they run, with savepoints that are
// rolled back. Compared by value every few rounds.
//   ROUNDS=100 TIDEMARK_SEED=42 node --test test/torture/mirror.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { Child, eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const rounds = Number(process.env.ROUNDS ?? (process.env.TIDEMARK_TORTURE === 'short' ? 10 : 50));
const compare_every = 5;
const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

const schema = `
  CREATE TABLE item (id bigserial PRIMARY KEY, n int NOT NULL, note text NOT NULL, big text);
  ALTER TABLE item ALTER big SET STORAGE EXTERNAL;
  CREATE TABLE journal (item bigint, n int, at timestamptz NOT NULL DEFAULT clock_timestamp());
  CREATE TABLE scratch (id int PRIMARY KEY, n int NOT NULL);
  ALTER DATABASE mirror SET logical_decoding_work_mem = '64kB';
  INSERT INTO item (n, note, big) SELECT i, 'item ' || i, repeat(md5(i::text), 200) FROM generate_series(1, 3000) i;`;

// One transaction of pgbench: mostly small, now and then thousands of rows.
const script = `
\\set what random(1, 100)
\\set some random(1, 3000)
\\set size random(1, 400)
BEGIN;
INSERT INTO journal (item, n) SELECT :some, i FROM generate_series(1, 1 + :size % 5) i;
\\if :what <= 40
  INSERT INTO item (n, note, big) SELECT i, 'new', CASE WHEN i % 7 = 0 THEN repeat(md5(i::text), 200) END FROM generate_series(1, 1 + :size % 20) i;
\\elif :what <= 70
  UPDATE item SET n = n + 1 WHERE id IN (SELECT id FROM item WHERE id % 500 = :some % 500 ORDER BY id LIMIT 20);
\\elif :what <= 80
  UPDATE item SET big = repeat(md5(:some::text), 150 + :size % 100) WHERE id = :some;
  UPDATE item SET note = 'after ' || :size WHERE id = :some;
\\elif :what <= 88
  DELETE FROM item WHERE id = (SELECT max(id) - :size FROM item);
\\elif :what <= 93
  UPDATE item SET id = nextval('item_id_seq') WHERE id = (SELECT max(id) - :size FROM item);
\\elif :what <= 97
  INSERT INTO scratch SELECT i, :some FROM generate_series(1, :size) i ON CONFLICT (id) DO UPDATE SET n = excluded.n;
\\elif :what <= 99
  TRUNCATE scratch;
\\else
  UPDATE item SET n = -n WHERE id <= 2500;
  SAVEPOINT taken_back;
  INSERT INTO journal (item, n) SELECT i, 0 FROM generate_series(1, 1000) i;
  UPDATE item SET n = n + 7, note = 'never seen' WHERE id <= 1500;
  \\sleep 50 ms
  ROLLBACK TO taken_back;
  DELETE FROM scratch WHERE id % 3 = 0;
  \\sleep 50 ms
  INSERT INTO journal (item, n) SELECT i, -1 FROM generate_series(1, 500) i;
\\endif
COMMIT;
`;

test(`mirror: ${rounds} rounds of kill -9 on tables without models (seed ${seed})`, { timeout: 3_600_000 }, async (t) => {
  const random = random_numbers(seed);
  const world = await make_world(t, 'mirror', { pack: null, database: 'mirror' });
  const { project, postgres, database, url } = world;
  await postgres.sql(database, schema);
  project.write('sources/mirror.yaml', 'source: mirror\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: [item, journal, scratch]\n');
  const script_file = path.join(path.dirname(project.directory), 'traffic.sql');
  fs.writeFileSync(script_file, script);

  let traffic;
  let traffic_runs = 0;
  const start_traffic = () => {
    ++traffic_runs;
    traffic = new Child('pgbench', ['-n', '-f', script_file, '-c', '3', '-T', '3600', '-R', '150', '--max-tries=100', `--random-seed=${seed + traffic_runs}`, url]);
  };
  const stop_traffic = async () => {
    assert.ok(traffic.running, `pgbench ended by itself:\n${traffic.stderr}`);
    await traffic.end({ signal: 'SIGTERM' });
  };
  t.after(() => traffic?.end({ signal: 'SIGKILL' }));
  // A wait of random length is what is being tested, not a way to synchronise.
  const random_moment = (ms_max) => new Promise((resolve) => setTimeout(resolve, random() * ms_max));

  const kills = { tidemark: 0, clickhouse: 0, backlog: 0 };
  let rows = 0;
  await project.up();
  start_traffic();
  for (let round = 1; round <= rounds; ++round) {
    if (!project.up_child.running) {
      if (random() < 0.3) {
        // enough log for the bulk catch-up, which is then what gets killed
        await postgres.sql(database, 'BEGIN; LOCK TABLE item; INSERT INTO journal (item, n) SELECT i, i FROM generate_series(1, 60000) i; UPDATE item SET n = n + 1; COMMIT');
        ++kills.backlog;
      }
      project.launch();
    }
    if (random() < 0.5) await project.ready();
    await random_moment(1500);
    const victim = random() < 0.7 ? 'tidemark' : 'clickhouse';
    assert.ok(project.up_child.running, `tidemark ended by itself in round ${round}:\n${project.log_tail()}`);
    if (victim === 'tidemark') {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.assert_nothing_left();
    } else {
      await eventually('ClickHouse has been started', () => project.clickhouse_pid(), { deadline_ms: 30_000 });
      process.kill(project.clickhouse_pid(), 'SIGKILL');
    }
    ++kills[victim];
    if (round % compare_every === 0 || round === rounds) {
      await stop_traffic();
      if (!project.up_child.running) project.launch();
      await project.ready({ deadline_ms: 180_000 });
      await project.caught_up(postgres);
      rows = 0;
      for (const table of ['item', 'journal', 'scratch'])
        rows += await project.assert_equal(`round ${round}, seed ${seed}: ${table}`, postgres, database, `SELECT * FROM ${table}`, `SELECT * FROM bronze.${table}__current SETTINGS max_result_rows = 1000000`);
      await project.assert_verified();
      assert.equal((await project.clickhouse('SELECT count() FROM tidemark.quarantine', { account: 'admin' })).trim(), '0', 'nothing belongs into quarantine');
      t.diagnostic(`round ${round}: ${rows} rows equal; ${JSON.stringify(kills)}`);
      if (round < rounds) start_traffic();
    }
  }
  await project.down();
  await project.assert_nothing_left();
  t.diagnostic(`rounds ${rounds}, kills ${JSON.stringify(kills)}, rows compared at the end ${rows}, lost 0, doubled 0, seed ${seed}`);
});
