// A model that is added after a kill -9: the cut that was being applied is finished before the new model's store is
// filled, else its rows are counted twice - once by the filling, once when the cut is applied again.
// The same for the first model of a table: until then its cuts have no plan and share fences, so rows of many cuts may
// be in bronze behind the newest fence.
//   ROUNDS=20 TIDEMARK_SEED=42 node --test test/torture/new_model.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { Child, binary, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const rounds = Number(process.env.ROUNDS ?? (process.env.TIDEMARK_TORTURE === 'short' ? 3 : 15));
const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

test(`new models after kill -9, ${rounds} rounds (seed ${seed})`, { timeout: 900_000 }, async (t) => {
  const world = await make_world(t, 'new_model');
  const { project, postgres, database, url } = world;
  assert.equal((await run(binary, ['generate', 'adtech', '--url', url, '--rows', '50000', '--seed', String(seed)])).code, 0);
  let traffic;
  t.after(() => traffic?.end({ signal: 'SIGKILL' }));
  let rows = 0;
  for (let round = 1; round <= rounds; ++round) {
    await project.up();
    traffic = new Child(binary, ['generate', 'adtech', '--url', url, '--seed', String(seed + round), '--rate', '8000', '--updates', '0.3', '--deletes', '0.15']);
    await new Promise((resolve) => setTimeout(resolve, 800 + ((seed + round * 7919) % 700)));
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await project.assert_nothing_left();
    // a definition of its own each time: the store of an earlier round would be used again
    project.write('models/analytics/added.sql', `-- kind: incremental\nSELECT campaign_id, count() AS impressions, sum(id * ${round}) AS ids\nFROM bronze.impressions\nGROUP BY campaign_id\n`);
    await project.up();
    assert.equal((await traffic.end({ signal: 'SIGINT' })).code, 0, traffic.stderr);
    await project.caught_up(postgres);
    rows = await project.assert_equal(`round ${round}, seed ${seed}`, postgres, database,
      `SELECT campaign_id, count(*), sum(id::bigint * ${round}) FROM impressions GROUP BY campaign_id`, 'SELECT * FROM analytics.added');
    await project.down();
  }
  t.diagnostic(`rounds ${rounds}, rows ${rows}, doubled 0, seed ${seed}`);
});

// One small transaction each, so that a cut always waits behind the one being applied.
const changes_of_items = `
\\set what random(1, 10)
\\set some random(1, 100000)
\\if :what <= 6
  INSERT INTO item (shop, n) VALUES (:some % 7, :some);
\\elif :what <= 9
  UPDATE item SET n = n + :some, shop = :some % 7 WHERE id = 1 + :some % (SELECT max(id) FROM item);
\\else
  DELETE FROM item WHERE id = 1 + :some % (SELECT max(id) FROM item);
\\endif
`;

test(`the first model of a table after kill -9, ${rounds} rounds (seed ${seed})`, { timeout: 900_000 }, async (t) => {
  const { project, postgres, database, url } = await make_world(t, 'first_model', { pack: null, database: 'shop' });
  await postgres.sql(database, 'CREATE TABLE item (id bigserial PRIMARY KEY, shop int NOT NULL, n bigint NOT NULL); INSERT INTO item (shop, n) SELECT i % 7, i FROM generate_series(1, 2000) i');
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: [item]\n');
  const script = path.join(path.dirname(project.directory), 'changes.sql');
  fs.writeFileSync(script, changes_of_items);
  const model = 'models/analytics/by_shop.sql';
  let traffic;
  t.after(() => traffic?.end({ signal: 'SIGKILL' }));
  let rows = 0;
  for (let round = 1; round <= rounds; ++round) {
    await project.up();
    traffic = new Child('pgbench', ['-n', '-f', script, '-c', '4', '-T', '3600', `--random-seed=${seed + round}`, url]);
    await new Promise((resolve) => setTimeout(resolve, 800 + ((seed + round * 7919) % 700)));
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await project.assert_nothing_left();
    project.write(model, `-- kind: incremental\nSELECT shop, count() AS items, sum(n * ${round}) AS total\nFROM bronze.item\nGROUP BY shop\n`);
    await project.up();
    assert.ok(traffic.running, traffic.stderr);
    await traffic.end({ signal: 'SIGTERM' });
    await project.caught_up(postgres);
    rows = await project.assert_equal(`round ${round}, seed ${seed}`, postgres, database,
      `SELECT shop, count(*), sum(n * ${round}) FROM item GROUP BY shop`, 'SELECT * FROM analytics.by_shop');
    await project.down();
    fs.rmSync(path.join(project.directory, model));
  }
  const finished = project.read('up.log').match(/what a kill interrupted is finished first/g) ?? [];
  assert.equal(finished.length, rounds, 'every round must fill a model after an end that was not in peace');
  t.diagnostic(`rounds ${rounds}, rows ${rows}, doubled 0, seed ${seed}`);
});
