// pgbench, unchanged, on a captured database: four tables, one without a primary key, made before or after the capture
// knows them, updated as fast as pgbench can.
import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const tables = ['pgbench_accounts', 'pgbench_branches', 'pgbench_tellers'];

test('pgbench', { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'pgbench', { pack: null, database: 'bench' });
  const { project, postgres, database } = world;
  const pgbench = (...options) => run('pgbench', ['-n', ...options, world.url], { timeout_ms: 300_000 });
  project.write('sources/bench.yaml', 'source: bench\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: ["pgbench_*"]\n');
  assert.equal((await pgbench('-i', '-s', '1')).code, 0);
  await project.up();

  const compare = async (phase) => {
    await project.caught_up(postgres);
    for (const table of tables)
      await project.assert_equal(`${phase}: ${table}`, postgres, database, `SELECT * FROM ${table}`, `SELECT * FROM bronze.${table}__current`);
    // no primary key: an append-only log of what was inserted, which is all pgbench does to it
    await project.assert_equal(`${phase}: history`, postgres, database, 'SELECT * FROM pgbench_history', 'SELECT * FROM bronze.pgbench_history__current');
  };
  await compare('initial copy');

  await t.test('a run', async () => {
    const seconds = process.env.PGBENCH_SECONDS ?? '10';
    const result = await pgbench('-c', '4', '-T', seconds);
    assert.equal(result.code, 0, result.stderr);
    await compare('after the run');
    assert.ok(Number(await postgres.sql(database, 'SELECT count(*) FROM pgbench_history')) > 0);
    const proof = await project.assert_verified();
    assert.equal(proof.tables.length, 4);
  });

  await t.test('prepared statements and pipelines of simple updates', async () => {
    assert.equal((await pgbench('-c', '4', '-t', '500', '-M', 'prepared', '-b', 'simple-update')).code, 0);
    await compare('simple updates');
  });
  await project.down();
  await project.assert_nothing_left();
});
