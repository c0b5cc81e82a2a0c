// One huge transaction while it runs: a session inserts `running-rows` rows and commits; somebody listens from the beginning.
// The clock runs from the INSERT to the last row's arrival: with pg_recvlogical when the server has sent everything, with
// Tidemark when the rows are queryable. What is left to do after the commit is shown beside it.
import { spawn } from 'node:child_process';
import { create_postgres, row_source } from './tables.mjs';
import { end, ended, until } from './servers.mjs';
import { Tidemark } from './tidemark.mjs';

const table = 'bench_running';
const slot = 'bench_running_reference';
export const reference = 'pg_recvlogical, protocol 2, binary, streaming';

export async function running({ postgres, warehouse, rounds, program, directory, note, 'running-rows': rows }) {
  const results = {};
  const usages = [];
  let first = 1;
  // `arrived` is asked with the end of the log behind the commit and the last id.
  const transaction = async (name, arrived) => {
    const last = first + rows - 1;
    const started = performance.now();
    await postgres.run(`INSERT INTO ${table} ${row_source(first, last)}`);
    const committed = performance.now();
    const position = await postgres.value('SELECT pg_current_wal_insert_lsn()');
    await until(`${name} to have the transaction`, () => arrived(position, last), { every_ms: 50 });
    const seconds = (performance.now() - started) / 1000;
    const after_commit = (performance.now() - committed) / 1000;
    first = last + 1;
    (results[name] ??= []).push({ rate: rows / seconds, seconds, after_commit });
    note(`running: ${name}: ${Math.round(rows / seconds)} rows/s, ${after_commit.toFixed(1)} s after the commit`);
    return after_commit;
  };
  const with_reference = async () => {
    await postgres.run(`CREATE PUBLICATION ${table} FOR TABLE ${table}`);
    await postgres.run(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    const child = spawn(`${postgres.bin}/pg_recvlogical`, ['-d', postgres.url, '--slot', slot, '--start', '--no-loop', '-f', '/dev/null', '-F', '0',
      '-o', 'proto_version=2', '-o', `publication_names=${table}`, '-o', 'binary=true', '-o', 'streaming=true'], { stdio: 'ignore' });  // it complains when it is told to end
    const sent = () => postgres.value(`SELECT sent_lsn FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = '${slot}'`);
    await until('pg_recvlogical', async () => (await sent()) !== undefined);
    await transaction(reference, async (position) => (await postgres.value(`SELECT pg_wal_lsn_diff('${await sent()}', '${position}') >= 0`)) === 't');
    await end(child, 'SIGINT');
    await ended(child);
    await postgres.drop_slot(slot);
    await postgres.run(`DROP PUBLICATION ${table}`);
  };
  const with_tidemark = async () => {
    const tidemark = new Tidemark({ program, directory, postgres, warehouse, name: table, tables: [table] });
    await tidemark.write_project();
    tidemark.start();
    await tidemark.until_streaming();
    const before = { ours: tidemark.usage(), warehouse: warehouse.usage() };
    await transaction('tidemark', async (_, last) => {
      tidemark.check();
      return (await warehouse.query_or('0', `SELECT count() FROM bronze.${table} WHERE id = ${last}`)) === '1'
        && Number(await warehouse.query(`SELECT count() FROM bronze.${table} WHERE id > ${last - rows}`)) === rows;
    });
    const after = tidemark.usage();
    usages.push({ peak_mb: after.peak_mb, cpu_s: after.cpu_s - before.ours.cpu_s, warehouse_cpu_s: warehouse.usage().cpu_s - before.warehouse.cpu_s });
    await tidemark.stop();
    await tidemark.forget();
  };
  for (let round = 0; round < rounds; ++round) {
    const contestants = [with_reference, ...(program ? [with_tidemark] : [])];
    for (let index = 0; index < contestants.length; ++index) {
      // Nobody copies the rows of another's transaction.
      await postgres.run(create_postgres(table));
      await contestants[(index + round) % contestants.length]();
      await postgres.run(`DROP TABLE ${table}`);
    }
  }
  return { rows, results, usages };
}

export function running_report({ rows, results, usages }, { median, row, heading, promise }) {
  const of = (name, key) => median(results[name].map((result) => result[key]));
  const out = ['', `### One transaction of ${rows.toLocaleString('en')} rows while it runs`, '', ...heading('', 'M rows/s, from its beginning', 's after its commit')];
  for (const name of Object.keys(results)) out.push(row(name, (of(name, 'rate') / 1e6).toFixed(2), of(name, 'after_commit').toFixed(1)));
  if (usages.length) {
    const million = rows / 1e6;
    out.push('', `CPU seconds a million rows: tidemark ${(median(usages.map((u) => u.cpu_s)) / million).toFixed(2)}, ClickHouse ${(median(usages.map((u) => u.warehouse_cpu_s)) / million).toFixed(2)}; `
      + `peak resident size of tidemark ${Math.max(...usages.map((u) => u.peak_mb)).toFixed(0)} MB.`);
    const ratio = of('tidemark', 'rate') / of(reference, 'rate');
    promise('a running transaction, queryable rows, at least 0.85x pg_recvlogical', ratio, ratio >= 0.85);
  }
  return out;
}
