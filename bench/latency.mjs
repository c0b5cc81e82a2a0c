// Commit to queryable at a steady rate, measured from outside: four sessions commit single rows, together `rate` a
// second, and a reader asks ClickHouse for new rows every few milliseconds. The time of a row begins when its INSERT is sent
// (so it includes Postgres's own commit, with fsync) and ends when an answer that holds it has arrived; from_commit
// begins when Postgres has acknowledged the commit. Looking for rows takes the server longer than all before it; a reader that
// only counts the table, which is never changed but by new rows, answers in a few milliseconds: the n-th row to be committed
// is there when n are.
import { create_postgres, row_source } from './tables.mjs';
import { Session, sleep, until } from './servers.mjs';
import { Tidemark } from './tidemark.mjs';

export const table = 'bench_latency';
// As many rows as a busy shop's, in transactions of 20.
export const busy_rate = 20_000;
const busy_batch = 20;
export const counted = 'tidemark, rows counted';
export const busy = `tidemark, ${busy_rate.toLocaleString('en')} rows/s in transactions of ${busy_batch}`;
const writers = 4;
// Ids of writer w begin at w * span; within a writer they come in commit order. Runs over the same rows have ids of their own.
const writer_span = 10_000_000;

export const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

export async function measure({ postgres, rate, seconds, warm_up_s, from, warehouse, check, run = 0, batch = 1, count = false }) {
  const begin = (writer) => (run * (writers + 1) + writer + 1) * writer_span;
  const sent = new Map();
  const committed = new Map();
  const sessions = Array.from({ length: writers }, () => new Session(postgres.url));
  const latencies = [];
  const from_commit = [];
  const asked = [];
  const in_order = [];
  const before = count ? Number(await warehouse.query(`SELECT count() FROM ${from}`)) : 0;
  const begun = performance.now();
  const measured_from = begun + warm_up_s * 1000;
  const last = measured_from + seconds * 1000;
  let writing = true;

  const write = async (writer) => {
    const session = sessions[writer];
    const every_ms = 1000 * writers * batch / rate;
    let next = begun + every_ms * writer / writers;
    for (let id = begin(writer); performance.now() < last; id += batch) {
      const wait = next - performance.now();
      if (wait > 1) await sleep(wait);
      const times = (of) => {
        const now = performance.now();
        for (let row = id; row < id + batch; ++row) of.set(row, now);
      };
      times(sent);
      await session.run(`INSERT INTO ${table} ${row_source(id, id + batch - 1)}`);
      times(committed);
      for (let row = id; row < id + batch; ++row) in_order.push(row);
      next += every_ms;
    }
  };
  const read = async () => {
    const seen = Array.from({ length: writers }, (_, writer) => begin(writer) - 1);
    const end = () => !writing && sent.size === latencies_seen;
    let latencies_seen = 0;
    const deadline = last + 60_000;
    while (!end()) {
      check();
      if (performance.now() > deadline) throw new Error(`${sent.size - latencies_seen} rows never arrived`);
      const began = performance.now();
      const answer = await warehouse.query(count ? `SELECT count() FROM ${from}` : `SELECT intDiv(id - ${begin(0)}, ${writer_span}) + 1 AS writer, max(id) FROM ${from}
        WHERE ${seen.map((id, writer) => `(id > ${id} AND id < ${begin(writer + 1)})`).join(' OR ')} GROUP BY writer FORMAT TSV`, { max_threads: '1' });
      const now = performance.now();
      if (now >= measured_from) asked.push(now - began);
      const found = (id) => {
        ++latencies_seen;
        // A row may be there before its writer has heard so.
        if (id !== undefined && sent.get(id) < measured_from) return;
        if (id !== undefined) latencies.push(now - sent.get(id));
        from_commit.push(Math.max(0, now - (committed.get(id) ?? now)));
      };
      if (count) {
        while (latencies_seen < Number(answer) - before) found(in_order[latencies_seen]);
      } else {
        for (const line of answer.split('\n').filter(Boolean)) {
          const [writer, highest] = line.split('\t').map(Number);
          for (let id = seen[writer - 1] + 1; id <= highest; ++id) found(id);
          seen[writer - 1] = highest;
        }
      }
      // Asking without pause takes a core from the contestants; this costs each of them four milliseconds.
      await sleep(count ? 4 : 8);
    }
  };
  const reader = read();
  reader.catch(() => {});
  await Promise.race([Promise.all(sessions.map((_, writer) => write(writer))), reader.then(() => new Promise(() => {}))]);
  writing = false;
  await reader;
  for (const session of sessions) await session.close();
  latencies.sort((a, b) => a - b);
  from_commit.sort((a, b) => a - b);
  asked.sort((a, b) => a - b);
  return {
    rows: latencies.length, rate: latencies.length / seconds,
    p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), max: latencies.at(-1),
    from_commit_p50: quantile(from_commit, 0.5), from_commit_p99: quantile(from_commit, 0.99),
    asked_p50: quantile(asked, 0.5),
  };
}

export async function latency({ postgres, warehouse, rate, seconds, rounds, program, directory, note }) {
  const results = {};
  const usages = [];
  const warm_up_s = 2;
  const record = (name, found) => {
    (results[name] ??= []).push(found);
    note(`latency: ${name}: p50 ${found.p50.toFixed(1)} ms, p99 ${found.p99.toFixed(1)} ms, ${Math.round(found.rate)} rows/s`);
  };
  for (let round = 0; round < rounds; ++round) {
    await postgres.run(create_postgres(table));
    await warehouse.query(
      `CREATE DATABASE bench_materialized_latency ENGINE = MaterializedPostgreSQL('127.0.0.1:${postgres.port}', 'postgres', 'postgres', 'unused')
       SETTINGS materialized_postgresql_tables_list = '${table}'`, { allow_experimental_database_materialized_postgresql: '1' });
    const materialized = `bench_materialized_latency.${table}`;
    await until('MaterializedPostgreSQL', async () => (await warehouse.query_or(null, `SELECT count() FROM ${materialized}`)) !== null);
    record('MaterializedPostgreSQL', await measure({ postgres, warehouse, rate, seconds, warm_up_s, from: materialized, check: () => {} }));
    await warehouse.query('DROP DATABASE bench_materialized_latency SYNC');
    if (program) {
      await postgres.run(`TRUNCATE ${table}`);
      const tidemark = new Tidemark({ program, directory, postgres, warehouse, name: 'bench_latency', tables: [table] });
      await tidemark.write_project();
      tidemark.start();
      await tidemark.until_streaming();
      const before = { ours: tidemark.usage(), warehouse: warehouse.usage() };
      record('tidemark', await measure({
        postgres, warehouse, rate, seconds, warm_up_s, from: `bronze.${table}`, check: () => tidemark.check() }));
      const after = { ours: tidemark.usage(), warehouse: warehouse.usage() };
      record(counted, await measure({
        postgres, warehouse, rate, seconds, warm_up_s, from: `bronze.${table}`, check: () => tidemark.check(), run: 2, count: true }));
      record(busy, await measure({
        postgres, warehouse, rate: busy_rate, batch: busy_batch, seconds, warm_up_s, from: `bronze.${table}`, check: () => tidemark.check(), run: 1 }));
      usages.push({ peak_mb: tidemark.usage().peak_mb, cpu_s: after.ours.cpu_s - before.ours.cpu_s, warehouse_cpu_s: after.warehouse.cpu_s - before.warehouse.cpu_s, seconds: seconds + warm_up_s });
      await tidemark.stop();
      await tidemark.forget();
    }
    await postgres.run(`DROP TABLE ${table}`);
  }
  return { rate, seconds, results, usages };
}
