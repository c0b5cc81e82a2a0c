// Random models - by the grammar of src/models/random_model.h - over a real Postgres that changes at random, with
// kill -9 of tidemark or of its ClickHouse while rows flow and new models while the rest is live. After each round
// every table equals the source and every model its recompute.
//   ROUNDS=20 TIDEMARK_SEED=42 node --test test/torture/models.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { Child, binary, eventually, run } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const rounds = Number(process.env.ROUNDS ?? (process.env.TIDEMARK_TORTURE === 'short' ? 3 : 12));
const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);
// In a run of everything it ends after about a minute, however slow the machine is: at a round's end.
const seconds_max = process.env.TIDEMARK_TORTURE === 'short' ? 45 : Infinity;
const models_written = 32;

test(`random models: ${rounds} rounds of kill -9 (seed ${seed})`, { timeout: 3_600_000 }, async (t) => {
  const random = random_numbers(seed);
  const { project, postgres, database, url, directory } = await make_world(t, 'models', { pack: null, database: 'shop' });
  const written = path.join(directory, 'written');
  const writer = await run(path.join(path.dirname(binary), 'tidemark_models_test'), ['--gtest_filter=RandomProject.*'], {
    env: { TIDEMARK_PROJECT: written, TIDEMARK_SEED: String(seed), TIDEMARK_MODELS: String(models_written), TIDEMARK_BATCHES: String(rounds) },
  });
  assert.equal(writer.code, 0, writer.stdout + writer.stderr);
  const names = fs.readFileSync(path.join(written, 'models.txt'), 'utf8').trim().split('\n');
  assert.ok(names.length >= models_written * 0.7, `only ${names.length} of ${models_written} models compile`);
  let deployed = 0;
  const add_models = (count) => {
    for (const name of names.slice(deployed, count)) {
      const file = `models/${name.replace('.', '/')}.sql`;
      project.write(file, fs.readFileSync(path.join(written, file), 'utf8'));
    }
    deployed = Math.min(count, names.length);
  };

  await postgres.sql(database, fs.readFileSync(path.join(written, 'schema.sql'), 'utf8'));
  await postgres.sql(database, fs.readFileSync(path.join(written, 'changes_0.sql'), 'utf8'));
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: [orders, lines, shops, customers, events, rates]\n');
  add_models(Math.ceil(names.length / 2));
  // A wait of random length is what is being tested, not a way to synchronise.
  const random_moment = (ms_max) => new Promise((resolve) => setTimeout(resolve, random() * ms_max));
  let writes;
  t.after(() => writes?.end({ signal: 'SIGKILL' }));

  const kills = { tidemark: 0, clickhouse: 0 };
  let rows = 0;
  let round = 0;
  const began = Date.now();
  await project.up();
  while (round < rounds && (round === 0 || Date.now() - began < seconds_max * 1000)) {
    ++round;
    writes = new Child('psql', ['-Xq', '-v', 'ON_ERROR_STOP=1', '-d', url, '-f', path.join(written, `changes_${round}.sql`)]);
    for (let kill = 0; kill < 2; ++kill) {
      if (!project.up_child.running) project.launch();
      if (random() < 0.6) await project.ready({ deadline_ms: 180_000 });
      await random_moment(1500);
      assert.ok(project.up_child.running, `tidemark ended by itself in round ${round}:\n${project.log_tail()}`);
      if (random() < 0.6) {
        project.up_child.kill('SIGKILL');
        await project.up_child.ended;
        await project.assert_nothing_left();
        // more models while cuts are unfinished
        if (random() < 0.7) add_models(deployed + 1 + Math.floor(random() * 4));
        ++kills.tidemark;
      } else {
        await eventually('ClickHouse has been started', () => project.clickhouse_pid(), { deadline_ms: 60_000 });
        await project.kill_clickhouse();
        ++kills.clickhouse;
      }
    }
    if (!project.up_child.running) project.launch();
    const { code } = await writes.ended;
    assert.equal(code, 0, `the writes failed:\n${writes.stderr}`);
    await project.ready({ deadline_ms: 180_000 });
    await project.caught_up(postgres);
    const proof = await project.assert_verified();
    assert.equal(proof.models.length, deployed, 'every model is verified');
    assert.equal((await project.clickhouse('SELECT count() FROM tidemark.quarantine', { account: 'admin' })).trim(), '0', 'nothing belongs into quarantine');
    rows = proof.models.reduce((sum, model) => sum + model.rows, 0);
    t.diagnostic(`round ${round}: ${deployed} models, ${rows} rows of them equal their recompute; ${JSON.stringify(kills)}`);
  }
  assert.ok(rows > 0, 'models must have rows');
  await project.down();
  await project.assert_nothing_left();
  t.diagnostic(`rounds ${round}, kills ${JSON.stringify(kills)}, ${deployed} models, ${rows} rows, different 0, seed ${seed}`);
});
