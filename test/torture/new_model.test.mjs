// A model that is added after a kill -9: the cut that was being applied is finished before the new model's store is
// filled, else its rows are counted twice - once by the filling, once when the cut is applied again.
//   ROUNDS=20 TIDEMARK_SEED=42 node --test test/torture/new_model.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { Child, binary, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const rounds = Number(process.env.ROUNDS ?? (process.env.TIDEMARK_TORTURE === 'short' ? 5 : 15));
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
