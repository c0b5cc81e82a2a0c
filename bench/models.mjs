// What live KPIs cost, and what they save. The adtech project runs on a steady load of `--kpi-rate` changes a second
// written by `tidemark generate`:
//   no models        the tables are mirrored, nothing is derived
//   refreshable MVs  nothing is derived by Tidemark; the five KPIs are refreshable materialized views of ClickHouse, each
//                    computed from the mirrored tables anew every second
//   tidemark         the pack's models
// Cost is CPU time of tidemark and ClickHouse together, in cores. Then the warehouse is filled to `--impressions` and
// mv_campaign_ctr is asked many times, beside the same question over raw facts as the system this pack comes from
// keeps them: a plain MergeTree by month, ordered by campaign and day.
import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { Session, end, ended, root, sleep, until } from './servers.mjs';
import { Tidemark } from './tidemark.mjs';
import { quantile } from './latency.mjs';

const run_file = promisify(execFile);
const kpis = ['mv_campaign_ctr', 'mv_daily_performance', 'mv_campaign_daily_performance', 'mv_campaign_efficiency', 'mv_advertiser_performance'];
const history = 1_000_000;
const warm_up_s = 4;
// Shares of the generator: a tick is one impression and what comes with it.
const shares = { ctr: 0.03, updates: 0.01, deletes: 0.005 };
// The question as the system this pack comes from asks it pairs every impression of a campaign with every click of it
// before it counts distinct ones. It gets this long, and most of the machine's memory.
const original_limits = { max_execution_time: '60', max_memory_usage: '16000000000', timeout_overflow_mode: 'throw' };
// Of the embedded server's readers (src/clickhouse/embedded_config.cc).
const reader_settings = { analyzer_inline_views: '1' };
const changes_per_impression = 1 + shares.ctr + shares.updates + shares.deletes;

// The pack as `tidemark new` writes it, on the run's servers. `models`: as they are, all of kind view, or none.
class AdtechProject extends Tidemark {
  constructor({ models, url, ...common }) {
    super({ ...common, tables: ['advertiser', 'campaign', 'impressions', 'clicks'] });
    this.models = models;
    this.url = url;
  }
  async write_project() {
    fs.rmSync(this.directory, { recursive: true, force: true });
    fs.mkdirSync(this.directory, { recursive: true });
    execFileSync(this.program, ['new', 'adtech', this.directory]);
    const postgres = this.postgres;
    this.postgres = Object.create(postgres, { url: { value: this.url } });
    await super.write_project();
    fs.rmSync(`${this.directory}/sources/ads.yaml`);
    const folder = `${this.directory}/models/analytics`;
    for (const file of fs.readdirSync(folder)) {
      const path = `${folder}/${file}`;
      if (this.models === 'views') fs.writeFileSync(path, as_view(fs.readFileSync(path, 'utf8')));
    }
    if (this.models === 'none') {
      for (const part of ['models', 'dashboards', 'endpoints', 'audits']) fs.rmSync(`${this.directory}/${part}`, { recursive: true, force: true });
    }
  }
}

// Views take no key, order or partition.
const as_view = (text) => text.replace(/^-- kind: .*$/m, '-- kind: view').replace(/^-- (key|order_by|partition_by|ttl|every): .*\n/gm, '');

async function generate(program, url, args) {
  await run_file(program, ['generate', 'adtech', '--url', url, ...args], { maxBuffer: 64 << 20 });
}

export async function models(options) {
  const { program, note } = options;
  if (!program) return null;
  const cost = await measure_cost(options);
  const query = await measure_query(options);
  note(`models: mv_campaign_ctr p99 ${query.ours.p99.toFixed(1)} ms, raw facts p50 ${query.raw.p50.toFixed(0)} ms`);
  return { cost, query };
}

async function measure_cost({ postgres, warehouse, program, directory, rounds, seconds, note, 'kpi-rate': rate }) {
  const results = {};
  for (let round = 0; round < rounds; ++round) {
    for (const name of ['no models', 'refreshable MVs', 'tidemark']) {
      const used = await cost_of(name, { postgres, warehouse, program, directory: `${directory}-${round}`, seconds, rate });
      (results[name] ??= []).push(used);
      note(`models round ${round + 1}: ${name}: ${used.cores.toFixed(2)} cores at ${Math.round(used.changes)} changes/s, then ${used.behind_ms} ms behind`);
    }
  }
  return { rate, seconds, history, results };
}

async function cost_of(name, { postgres, warehouse, program, directory, seconds, rate }) {
  const database = 'bench_models';
  await postgres.run(`DROP DATABASE IF EXISTS ${database}`);
  await postgres.run(`CREATE DATABASE ${database}`);
  const url = postgres.url.replace(/\/postgres$/, `/${database}`);
  await generate(program, url, ['--rows', String(history), '--seed', '1']);
  const session = new Session(url);
  const project = new AdtechProject({
    program, directory, postgres, warehouse, url, name: database,
    models: { 'no models': 'none', 'refreshable MVs': 'views', tidemark: 'as they are' }[name],
  });
  await project.write_project();
  project.start();
  await project.until_streaming();
  await until('the history', async () => Number(await warehouse.query_or('0', 'SELECT count() FROM bronze.impressions FINAL')) >= history * 0.9);
  if (name === 'refreshable MVs') {
    await warehouse.query('CREATE DATABASE bench_refresh');
    for (const kpi of kpis) {
      await warehouse.query(`CREATE MATERIALIZED VIEW bench_refresh.${kpi} REFRESH EVERY 1 SECOND ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM analytics.${kpi}`);
    }
  }
  const writer = spawn(program, ['generate', 'adtech', '--url', url, '--rate', String(rate / changes_per_impression), '--every', '1s',
    '--rows', String(Math.round(rate / changes_per_impression)), '--transaction-rows', '200', '--seed', '2',
    '--ctr', String(shares.ctr), '--updates', String(shares.updates), '--deletes', String(shares.deletes)], { stdio: 'ignore' });
  const changed = async () => Number((await session.value("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")) ?? 0);
  const used = () => project.usage().cpu_s + warehouse.usage().cpu_s;
  await sleep(warm_up_s * 1000);
  const before = { cpu: used(), changes: await changed(), at: performance.now() };
  await sleep(seconds * 1000);
  const after = { cpu: used(), changes: await changed(), at: performance.now() };
  if (writer.exitCode !== null) throw new Error('the generator ended early');
  await end(writer, 'SIGINT');
  project.check();
  // How long until everything written is fenced, and what the KPIs say is what the tables say.
  const stopped = performance.now();
  const lsn = await session.value('SELECT pg_current_wal_lsn()');
  await session.run("SELECT pg_logical_emit_message(true, 'tidemark', 'fence')");
  await until('the last change', async () =>
    (await session.value(`SELECT confirmed_flush_lsn >= '${lsn}' FROM pg_replication_slots WHERE slot_name = '${project.slot}'`)) === 't', { every_ms: 10 });
  const behind_ms = Math.round(performance.now() - stopped);
  if (name === 'tidemark') {
    const [model, truth] = [await warehouse.query('SELECT sum(impressions) FROM analytics.mv_campaign_ctr'), await session.value('SELECT count(*) FROM impressions')];
    if (model !== truth) throw new Error(`mv_campaign_ctr counts ${model} impressions instead of ${truth}`);
  }
  const peak_mb = project.usage().peak_mb;
  await project.stop();
  await warehouse.query('DROP DATABASE IF EXISTS bench_refresh SYNC');
  await warehouse.query('DROP DATABASE IF EXISTS analytics SYNC');
  await session.run(`SELECT pg_drop_replication_slot('${project.slot}')`);
  await session.close();
  await warehouse.query('DROP DATABASE IF EXISTS bronze SYNC');
  await warehouse.query('DROP DATABASE IF EXISTS tidemark SYNC');
  const wall_s = (after.at - before.at) / 1000;
  return { cores: (after.cpu - before.cpu) / wall_s, changes: (after.changes - before.changes) / wall_s, behind_ms, peak_mb };
}

// Rows go through the warehouse's own tables: bronze, and the change rows that the models' materialized views read.
async function measure_query({ postgres, warehouse, program, directory, note, impressions }) {
  const database = 'bench_models';
  await postgres.run(`DROP DATABASE IF EXISTS ${database}`);
  await postgres.run(`CREATE DATABASE ${database}`);
  const url = postgres.url.replace(/\/postgres$/, `/${database}`);
  await generate(program, url, ['--rows', '100000', '--seed', '1']);
  const session = new Session(url);
  const project = new AdtechProject({ program, directory: `${directory}-query`, postgres, warehouse, url, name: database, models: 'as they are' });
  await project.write_project();
  project.start();
  await project.until_streaming();
  await project.stop();
  const campaigns = Number(await session.value('SELECT count(*) FROM campaign'));
  const base = 1_000_000_000;
  const chunk = 5_000_000;
  note(`models: filling to ${impressions.toLocaleString('en')} impressions of ${campaigns} campaigns`);
  const ids = (await session.run('SELECT id FROM campaign ORDER BY id')).join(',');
  const settings = { max_partitions_per_insert_block: '0', max_memory_usage: '12000000000' };
  const rows = (table, from, count, extra) => `INSERT INTO bronze.${table} (id, campaign_id, created_at, _version${extra ? ', _sign, _op, _cut' : ''})
    SELECT ${base} + number, [${ids}][1 + toUInt32(pow(rand64(1) / 18446744073709551616., 2) * ${campaigns})],
           toDateTime64('2026-01-01 00:00:00', 6) + toIntervalSecond(rand64(2) % (90 * 86400)), 1${extra ? ", 1, 'insert', 1" : ''} FROM numbers(${from}, ${count})`;
  const clicks = Math.round(impressions * 0.03);
  await warehouse.query('CREATE DATABASE bench_raw');
  for (const [name, key] of [['impressions', 'impression_id'], ['clicks', 'click_id']]) {
    await warehouse.query(`CREATE TABLE bench_raw.fact_${name} (${key} UInt64, campaign_id Int32, event_date Date, event_time DateTime64(6), created_at DateTime64(6))
      ENGINE = MergeTree PARTITION BY toYYYYMM(event_date) ORDER BY (campaign_id, event_date)`);
  }
  for (const [table, count, key] of [['impressions', impressions, 'impression_id'], ['clicks', clicks, 'click_id']]) {
    for (let from = 0; from < count; from += chunk) {
      const size = Math.min(chunk, count - from);
      await warehouse.query(rows(table, from, size, false), settings);
      // The same rows again as changes: what bronze got is the truth for both.
      const range = `id >= ${base + from} AND id < ${base + from + size}`;
      await warehouse.query(`INSERT INTO bronze.${table}__changes (id, campaign_id, created_at, _version, _sign, _op, _cut)
        SELECT id, campaign_id, created_at, _version, 1, 'insert', 1 FROM bronze.${table} WHERE ${range}`, settings);
      await warehouse.query(`INSERT INTO bench_raw.fact_${table} SELECT id, campaign_id, toDate(created_at), created_at, created_at FROM bronze.${table} WHERE ${range}`, settings);
    }
  }
  for (const table of ['impressions', 'clicks']) {
    await warehouse.query(`INSERT INTO bench_raw.fact_${table} SELECT id, campaign_id, toDate(created_at), created_at, created_at FROM bronze.${table}__current WHERE id < ${base}`, settings);
  }
  const raw = `SELECT c.id AS campaign_id, c.name AS campaign_name, a.name AS advertiser_name, i.n AS impressions, k.n AS clicks, if(i.n = 0, 0, k.n / i.n) AS ctr
    FROM bronze.campaign__current AS c
    LEFT JOIN bronze.advertiser__current AS a ON a.id = c.advertiser_id
    LEFT JOIN (SELECT campaign_id, count() AS n FROM bench_raw.fact_impressions GROUP BY campaign_id) AS i ON i.campaign_id = c.id
    LEFT JOIN (SELECT campaign_id, count() AS n FROM bench_raw.fact_clicks GROUP BY campaign_id) AS k ON k.campaign_id = c.id`;
  const ours = 'SELECT * FROM analytics.mv_campaign_ctr';
  const sums = (sql) => warehouse.query(`SELECT sum(impressions), sum(clicks), sum(cityHash64(campaign_id, campaign_name, advertiser_name, impressions, clicks)) FROM (${sql})`);
  const [a, b] = [await sums(ours), await sums(raw)];
  if (a !== b) throw new Error(`mv_campaign_ctr differs from the raw facts: ${a} instead of ${b}`);
  await until('merges to settle', async () => (await warehouse.query('SELECT count() FROM system.merges')) === '0', { every_ms: 500 });
  const ask = async (sql, times) => {
    const found = [];
    for (let index = 0; index < times + 5; ++index) {
      const started = performance.now();
      await warehouse.query(`${sql} FORMAT TSV`, reader_settings);
      if (index >= 5) found.push(performance.now() - started);
    }
    found.sort((x, y) => x - y);
    return { p50: quantile(found, 0.5), p99: quantile(found, 0.99), times };
  };
  const original = `SELECT c.id AS campaign_id, c.name AS campaign_name, a.name AS advertiser_name, uniqExact(i.impression_id) AS impressions,
      uniqExact(k.click_id) AS clicks, clicks / impressions AS ctr
    FROM bronze.campaign__current AS c JOIN bronze.advertiser__current AS a ON a.id = c.advertiser_id
    LEFT JOIN bench_raw.fact_impressions AS i ON i.campaign_id = c.id LEFT JOIN bench_raw.fact_clicks AS k ON k.campaign_id = c.id
    GROUP BY c.id, c.name, a.name`;
  const once = async () => {
    const started = performance.now();
    const error = await warehouse.query(`${original} FORMAT Null`, original_limits).then(() => null, (reason) => reason.message);
    return { ms: performance.now() - started, error: error && (/\((\w+)\)\s*\(version/.exec(error)?.[1] ?? error.slice(0, 60)) };
  };
  // The original comes last: ended by its limit, it leaves gigabytes to be freed.
  const measured = { impressions: Number(a.split('\t')[0]), clicks: Number(a.split('\t')[1]), campaigns, ours: await ask(ours, 300), raw: await ask(raw, 15), original: await once() };
  await session.run(`SELECT pg_drop_replication_slot('${project.slot}')`);
  await session.close();
  for (const name of ['bench_raw', 'analytics', 'bronze', 'tidemark']) await warehouse.query(`DROP DATABASE IF EXISTS ${name} SYNC`);
  return measured;
}
