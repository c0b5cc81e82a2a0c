// A gold model is changed, rebuilt and rolled back while 5,000 rows/s are written and a reader asks 50 times a second:
// every answer is whole - never empty, partial or doubled - and kill -9 in the middle changes nothing about that.
//   ROUNDS=10 TIDEMARK_SEED=42 node --test test/streaming/deploy.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { Child, binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);
const rounds = Number(process.env.ROUNDS ?? (process.env.CI ? 2 : 4));
const kills = process.env.CI ? 2 : 3;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const definition = (number) =>
  `-- kind: incremental\nSELECT campaign_id, count() AS impressions, sum(id * ${number}) AS ids\nFROM bronze.impressions\nGROUP BY campaign_id\n`;
const top = (number) => `-- kind: view\nSELECT sum(impressions) AS impressions, ${number} AS version FROM analytics.added\n`;

// Nothing is ever deleted, so the count only grows, and it is never above the highest key of the source, less the keys that were left out at the start.
class Watch {
  constructor(world) {
    this.world = world;
    this.answers = 0;
    this.wrong = [];
    this.errors = [];
    this.ended = false;
    this.unchecked = [];
    this.last = 0;
    this.versions = new Set();
    this.phase = 'the start';
    this.done = Promise.all([this.ask(), this.sample()]);
  }
  async ask() {
    let next = performance.now();
    while (!this.ended) {
      try {
        const [count, version] = (await this.world.project.clickhouse('SELECT impressions, version FROM analytics.top')).trim().split('\t').map(Number);
        ++this.answers;
        this.versions.add(version);
        const when = `at ${new Date().toISOString()} in version ${version}, during ${this.phase}`;
        if (!(count > 0)) this.wrong.push(`empty: ${count} ${when}`);
        if (count < this.last) this.wrong.push(`partial: ${count} after ${this.last} ${when}`);
        this.last = Math.max(this.last, count);
        this.unchecked.push(count);
      } catch (error) {
        if (!this.down) this.errors.push(error.message);
      }
      next = Math.max(next + 20, performance.now());
      await pause(next - performance.now());
    }
  }
  async sample() {
    while (!this.ended) {
      const before = this.unchecked.length;
      const source = Number(await this.world.postgres.sql(this.world.database, 'SELECT max(id) FROM impressions')) - this.world.gaps;
      // answered before the source was asked
      for (const count of this.unchecked.splice(0, before)) if (count > source) this.wrong.push(`doubled: ${count} of ${source}`);
      await pause(200);
    }
  }
  async end() {
    this.ended = true;
    await this.done;
  }
}

test(`models change under load (seed ${seed})`, { timeout: 900_000 }, async (t) => {
  const world = await make_world(t, 'deploy');
  const { project, postgres, database, url } = world;
  assert.equal((await run(binary, ['generate', 'adtech', '--url', url, '--rows', '200000', '--seed', String(seed)])).code, 0);
  world.gaps = Number(await postgres.sql(database, 'SELECT max(id) - count(*) FROM impressions'));
  project.write('models/analytics/added.sql', definition(1));
  project.write('models/analytics/top.sql', top(1));
  await project.up();
  await project.caught_up(postgres);
  const traffic = new Child(binary, ['generate', 'adtech', '--url', url, '--seed', String(seed + 1), '--rate', '5000', '--updates', '0.2', '--deletes', '0']);
  t.after(() => traffic.end({ signal: 'SIGKILL' }));
  const watch = new Watch(world);
  t.after(() => watch.end());
  const good = async (outcome, what) => {
    const result = await outcome;
    assert.equal(result.code, 0, `${what}: ${result.stdout}${result.stderr}\n${project.log_tail()}`);
    return result;
  };

  for (let round = 2; round < 2 + rounds; ++round) {
    watch.phase = `apply in round ${round}`;
    project.write('models/analytics/added.sql', definition(round));
    project.write('models/analytics/top.sql', top(round));
    const plan = await project.json('plan');
    assert.equal(plan.code, 3);
    assert.deepEqual(plan.data.steps.map((step) => step.model), ['analytics.added', 'analytics.top']);
    await good(project.run('apply', '--plan', plan.data.plan), `apply in round ${round}`);
    assert.equal((await project.run('plan')).code, 0, 'the plan after apply is empty');
    // the same plan again is stale
    const stale = await project.run('apply', '--plan', plan.data.plan);
    assert.notEqual(stale.code, 0);
    assert.match(stale.stderr, /is not the plan any more/);
  }
  await eventually('the last definition is public', () => watch.versions.has(1 + rounds));
  watch.phase = 'backfill';
  await good(project.run('backfill', 'analytics.added'), 'backfill');
  watch.phase = 'rollback';
  await good(project.run('rollback', 'analytics.top'), 'rollback');
  await pause(200);
  assert.match(await project.clickhouse('SELECT version FROM analytics.top'), new RegExp(`^${rounds}\n`));
  await good(project.run('apply'), 'apply after rollback');

  watch.phase = 'models over other tables';
  // a table that no model follows yet gets change rows under way
  project.write('models/analytics/clicked.sql', '-- kind: incremental\nSELECT campaign_id, count() AS clicks, sum(id) AS ids FROM bronze.clicks GROUP BY campaign_id\n');
  project.write('models/analytics/advertisers.sql', '-- kind: keyed\n-- key: id\nSELECT id, name, updated_at FROM bronze.advertiser\n');
  await good(project.run('apply'), 'apply of models over other tables');

  // kill -9 while a deployment is under way
  let random = seed;
  for (let kill = 0; kill < kills; ++kill) {
    project.write('models/analytics/added.sql', definition(100 + kill));
    project.write('models/analytics/top.sql', top(100 + kill));
    watch.phase = `kill ${kill}`;
    const applying = project.run('apply');
    random = (random * 48271) % 2147483647;
    await pause(150 + (random % 900));
    watch.down = true;
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await applying;
    await project.assert_nothing_left();
    watch.phase = `the start after kill ${kill}`;
    await project.up();
    watch.down = false;
    watch.phase = `apply after kill ${kill}`;
    await good(project.run('apply'), `apply after kill ${kill}`);
  }
  assert.equal((await project.run('plan')).code, 0, 'the plan after apply is empty');
  await watch.end();
  assert.equal((await traffic.end({ signal: 'SIGINT' })).code, 0, traffic.stderr);
  await project.caught_up(postgres);
  await project.assert_equal('added', postgres, database, `SELECT campaign_id, count(*), sum(id::bigint * ${99 + kills}) FROM impressions GROUP BY campaign_id`, 'SELECT * FROM analytics.added');
  await project.assert_verified();
  assert.deepEqual(watch.wrong.slice(0, 5), []);
  assert.deepEqual(watch.errors.slice(0, 5), []);
  assert.ok(watch.answers > 200, `${watch.answers} answers`);
  const pauses = [...project.read('up.log').matchAll(/begin between two cuts, which waited ([\d.]+) ms/g)].map((match) => Number(match[1]));
  t.diagnostic(`answers ${watch.answers}, empty, partial or doubled 0; pauses at the barrier ${pauses.join(', ')} ms; seed ${seed}`);
  assert.equal(await project.clickhouse("SELECT count() FROM system.tables WHERE startsWith(name, 'snapshot_') OR endsWith(name, '__fill')", { account: 'tidemark' }), '0\n');
  await project.down();
});
