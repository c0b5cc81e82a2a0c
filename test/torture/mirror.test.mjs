// kill -9 where nothing is written down beforehand: tables of a random shape (test/harness/random_tables.mjs: every kind of key and
// identity, large values, partitions, a log, odd names) under random transactions and changes of shape, while at random tidemark or its ClickHouse is
// killed, Postgres is killed (all of it, one backend, or by an immediate stop), or the answers are lost of what Postgres has done; and, in a run of its
// own, the answers of a ClickHouse that has done it. Half of the tables have a model, the others' cuts have no plan and share fences. Now
// and then everything is compared by value. What Postgres is asked to do is the same again for a seed; where exactly a kill lands is not.
//   ROUNDS=300 TIDEMARK_SEED=42 node --test test/torture/mirror.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { LossyProxy } from '../harness/lossy_proxy.mjs';
import { lsn_number, psql } from '../harness/postgres.mjs';
import { Child, eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { RandomTables } from '../harness/random_tables.mjs';
import { Shards } from '../harness/shards.mjs';
import { make_world } from '../harness/world.mjs';

const short = process.env.TIDEMARK_TORTURE === 'short';
const rounds = Number(process.env.ROUNDS ?? (short ? 24 : 300));
const rounds_remote = Number(process.env.ROUNDS ?? (short ? 6 : 100));
const compare_every = short ? 12 : 15;
// In a run of everything it ends after about a minute, however slow the machine is: at a round's end.
const seconds_max = short ? 60 : Infinity;
const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

// What says that the other side went away, and not that the statement is wrong.
const went_away = /lock timeout|deadlock|terminating connection|closed the connection|could not (connect|receive|send)|Connection (refused|reset)|starting up|shutting down|recovery mode|not yet accepting|connection to server/;
// And of a start over a server of one's own, that this one did: it is waited for some seconds only.
const warehouse_away = /ClickHouse at \S+ (was lost|cannot be reached|did not answer in time)/;

// A wait of random length is what is being tested, not a way to synchronise.
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// It may have ended by itself meanwhile.
function kill_process(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

class Torture {
  constructor(t, world, name, random) {
    Object.assign(this, world, { t, name, random, tables: new RandomTables(random) });
    this.counts = { tidemark: 0, clickhouse: 0, postgres: 0, answers: 0, changes: 0, backlogs: 0, starts_given_up: 0, transactions: 0, failed: 0 };
    this.writers = [];
    this.errors = {};
  }

  // A transaction that writes its step down happens once, whatever becomes of its answer.
  async once(step, sql) {
    await eventually(
      `step ${step} is committed`,
      async () => {
        if ((await this.postgres.sql(this.database, `SELECT count(*) FROM steps WHERE step = ${step}`)) === '1') return true;
        await this.postgres.sql(this.database, sql).catch((error) => {
          throw Object.assign(error, { final: !went_away.test(error.message) });
        });
        return true;
      },
      { every_ms: 50 },
    );
  }
  async change() {
    const { step, what, sql, done } = this.tables.change();
    await this.once(step, sql).catch((error) => {
      throw new Error(`${this.name}, ${what}: ${error.message}\n${sql}`);
    });
    ++this.counts.changes;
    const more = done();
    await eventually('rows of the new shape', async () => (await this.postgres.sql(this.database, more), true), { every_ms: 50 });
    return what;
  }

  write(transactions) {
    for (let writer = 0; writer < 2; ++writer) {
      const file = path.join(this.directory, `writer_${writer}.sql`);
      fs.writeFileSync(file, this.tables.script(transactions));
      this.counts.transactions += transactions;
      this.writers.push(new Child(psql, ['-Xq', '-o', '/dev/null', '-d', this.url, '-f', file], { env: { PGOPTIONS: '-c client_min_messages=error -c lock_timeout=5s' } }));
    }
  }
  async written() {
    for (const writer of this.writers.splice(0)) {
      await writer.ended;
      for (const [, error] of writer.stderr.matchAll(/ERROR: +(.*)/g)) {
        // once a transaction; the statements behind it say only that it has failed
        if (error.startsWith('current transaction is aborted')) continue;
        ++this.counts.failed;
        const kind = error.replace(/"[^"]*"|\d+/g, '_');
        this.errors[kind] = (this.errors[kind] ?? 0) + 1;
      }
    }
  }

  async launch() {
    this.project.launch();
  }
  // A Postgres that is away is waited for, also at the start; a server of the user's own that does not answer only for some seconds.
  async running() {
    if (!this.project.up_child || this.project.up_child.running) return;
    const { code, signal } = await this.project.up_child.ended;
    const last_words = this.project.log_tail(8);
    const gave_up = this.shards && signal === null && (went_away.test(last_words) || warehouse_away.test(last_words));
    if (!gave_up) throw Object.assign(new Error(`${this.name}: tidemark ended by itself (${code}, ${signal}):\n${this.project.log_tail()}`), { final: true });
    ++this.counts.starts_given_up;
    this.project.launch();
  }
  async ready() {
    await eventually('it is ready', async () => {
      await this.running();
      return (await this.project.fetch('/readyz')).status === 200;
    }, { deadline_ms: 180_000 }).catch((error) => {
      throw new Error(`${this.name}: ${error.message}\n${this.project.log_tail()}`);
    });
  }

  async kill(victim) {
    ++this.counts[victim];
    if (victim === 'tidemark') {
      await this.running();
      this.project.up_child.kill('SIGKILL');
      await this.project.up_child.ended;
      if (!this.shards) await this.project.assert_nothing_left();
      this.project.up_child = null;
    } else if (victim === 'clickhouse') {
      if (this.shards) return this.shards.list[0].child.kill('SIGKILL');
      const pid = await eventually('ClickHouse has been started', async () => (await this.running(), this.project.clickhouse_pid()), { deadline_ms: 30_000 });
      kill_process(pid);
    } else if (victim === 'postgres') {
      const how = this.random();
      if (how < 0.4) return this.postgres.crash('SIGKILL');
      if (how < 0.7) return this.postgres.crash('SIGQUIT');
      const pid = await this.postgres.sql(this.database, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type IN ('walsender', 'client backend') ORDER BY backend_type DESC LIMIT 1");
      if (pid) kill_process(Number(pid));
      await eventually('Postgres has recovered', async () => (await this.postgres.sql(this.database, 'SELECT 1')) === '1');
    } else {
      for (let times = 0; times < 4; ++times) {
        for (const proxy of this.proxies) proxy.lose();
        await pause(40);
      }
    }
  }

  async round(number, wait_for_ready) {
    if (!this.project.up_child?.running) {
      if (this.project.up_child) await this.running();
      else {
        if (this.random() < 0.15) {
          // enough log for the bulk catch-up, which is then what gets killed
          await this.once(++this.tables.steps, `BEGIN; INSERT INTO steps VALUES (${this.tables.steps}); INSERT INTO bulk SELECT i, repeat('x', 100) FROM generate_series(1, 40000) i; DELETE FROM bulk; COMMIT`);
          ++this.counts.backlogs;
        }
        this.project.launch();
      }
    }
    await this.written();
    this.write(12 + Math.floor(this.random() * 20));
    const changing = this.random() < 0.5 ? this.change() : null;
    const random = this.random();
    const victim = random < 0.4 ? 'tidemark' : random < 0.55 ? 'clickhouse' : random < 0.75 ? 'postgres' : 'answers';
    const moment = this.random() * (short ? 400 : 1000);
    if (wait_for_ready) await this.ready();
    await pause(moment);
    await Promise.all([this.kill(victim), changing]);
    if (process.env.VERBOSE) this.t.diagnostic(`round ${number}: ${victim}, ${(await changing) ?? 'no change'}`);
  }

  async compare(round) {
    await this.written();
    if (!this.project.up_child) this.project.launch();
    await this.ready();
    const touch = this.tables.touch();
    await this.once(this.tables.steps, `BEGIN; ${touch}; COMMIT`);
    const target = lsn_number(await this.postgres.position(this.database));
    const comparisons = this.tables.comparisons();
    await eventually('every table is followed under the columns it has, and everything is in', async (seen) => {
      await this.running();
      const [{ state, error, tables, ladder }] = (await this.project.status()).sources;
      const behind = tables.filter((table) => table.state !== 'live');
      seen({ state, error, behind, ladder });
      if (state !== 'streaming' || behind.length || lsn_number(ladder.fenced) < target) return false;
      const found = Object.fromEntries((await this.project.clickhouse("SELECT hex(table), hex(arrayStringConcat(arraySort(groupArray(name)), ',')) FROM system.columns WHERE database = 'bronze' AND endsWith(table, '__current') GROUP BY table", { account: 'admin' })).trim().split('\n').map((line) => line.split('\t').map((text) => Buffer.from(text, 'hex').toString())));
      const different = comparisons.filter(({ name, columns }) => found[`${name}__current`].split(',').sort().join() !== columns);
      seen(different.map(({ name, columns }) => ({ name, columns, found: found[`${name}__current`] })));
      return different.length === 0;
    }, { deadline_ms: 180_000 }).catch((error) => {
      throw new Error(`${this.name}, round ${round}: ${error.message}\n${this.project.log_tail()}`);
    });
    let rows = 0;
    for (const { name, expected, query } of comparisons) rows += await this.project.assert_equal(`${this.name}, round ${round}: ${name}`, this.postgres, this.database, expected, query);
    const proof = await this.project.assert_verified();
    assert.equal(proof.tables.length, comparisons.length + 2);
    assert.equal(proof.models.length, this.models);
    assert.equal((await this.project.clickhouse('SELECT count() FROM tidemark.quarantine', { account: 'admin' })).trim(), '0', 'nothing belongs into quarantine');
    assert.ok(this.counts.failed < this.counts.transactions / 2, `too many transactions failed: ${JSON.stringify(this.errors)}`);
    this.t.diagnostic(`round ${round}: ${rows} rows equal; ${JSON.stringify(this.counts)}`);
    if (process.env.VERBOSE) this.t.diagnostic(JSON.stringify(this.errors));
    return rows;
  }
}

async function torture(t, { rounds, remote }) {
  const name = `${remote ? 'a server of its own' : 'embedded'}, seed ${seed}`;
  const random = random_numbers(seed + (remote ? 1 : 0));
  const world = await make_world(t, 'mirror', { pack: null, database: 'mirror' });
  const run = new Torture(t, world, name, random);
  const { project, postgres, database, tables } = run;
  t.after(() => Promise.all(run.writers.map((writer) => writer.end({ signal: 'SIGKILL' }))));
  await postgres.sql(database, `ALTER DATABASE mirror SET logical_decoding_work_mem = '64kB'; CREATE TABLE bulk (id int PRIMARY KEY, pad text); ${tables.create()}`);
  const proxy = await LossyProxy.start(postgres.port);
  run.proxies = [proxy];
  t.after(() => run.proxies.forEach((one) => one.stop()));
  project.environment = { MIRROR_DATABASE_URL: world.url.replace(`:${postgres.port}/`, `:${proxy.port}/`) };
  // A pattern has no other way to say a quote.
  const patterns = ['steps', 'bulk', ...tables.tables.map((table) => table.name.replaceAll('"', '?'))];
  project.write('sources/mirror.yaml', `source: mirror\npostgres:\n  url: \${env:MIRROR_DATABASE_URL}\n  tables: ${JSON.stringify(patterns)}\n`);
  const modelled = tables.tables.filter((table, index) => index % 2 === (remote ? 0 : 1) && !table.name.includes('"'));
  run.models = modelled.length;
  modelled.forEach((table, index) => project.write(`models/analytics/model_${index}.sql`, `-- kind: incremental\nSELECT k, count() AS rows, sum(n) AS total, sum(id) AS ids FROM bronze.\`${table.name}\` GROUP BY k\n`));
  if (remote) {
    world.shards = run.shards = await Shards.start(world.directory, 1);
    const lossy = await LossyProxy.start(run.shards.list[0].http_port);
    run.proxies.push(lossy);
    const warehouse = run.shards.settings().replace(/ {2}cluster:.*\n {2}shards:.*\n/, '').replace(/url: .*/, `url: http://127.0.0.1:${lossy.port}`);
    project.write('tidemark.yaml', `project: test\n${warehouse}http: { listen: 127.0.0.1:${project.http_port} }\n`);
    project.clickhouse = (query, { format } = {}) => run.shards.list[0].query(query, { format });
  }
  project.launch();
  let rows = 0;
  const began = Date.now();
  for (let round = 1, last = false; !last; ++round) {
    await run.round(round, round === 1 ? false : random() < 0.3);
    last = round === rounds || Date.now() - began > seconds_max * 1000;
    if (round % compare_every === 0 || last) rows = await run.compare(round);
    run.rounds = round;
  }
  assert.ok(rows > 0);
  await project.down();
  if (remote) await run.shards.stop();
  else await project.assert_nothing_left();
  run.counts.starts_that_waited = (project.log_tail(Infinity).match(/waiting until its Postgres answers/g) ?? []).length;
  t.diagnostic(`rounds ${run.rounds}, ${JSON.stringify({ ...run.counts, answers_lost: run.proxies.map(({ lost }) => lost) })}, rows compared at the end ${rows}, lost 0, doubled 0, seed ${seed}`);
}

test(`mirror: ${rounds} rounds of kill -9 under random tables (seed ${seed})`, { timeout: 7_200_000 }, (t) => torture(t, { rounds, remote: false }));
test(`mirror: ${rounds_remote} rounds over a server whose answers are lost (seed ${seed})`, { timeout: 7_200_000 }, (t) => torture(t, { rounds: rounds_remote, remote: true }));
