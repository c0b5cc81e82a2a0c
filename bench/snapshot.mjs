// Initial copy: rows a second of one warm table out of Postgres. COPY to nowhere is the limit of one connection; the
// other three end in the same ClickHouse. Each is checked by count and sums afterwards.
import { execFileSync } from 'node:child_process';
import { checksum_postgres, checksum_warehouse, columns, create_postgres, create_warehouse, row_source } from './tables.mjs';
import { Tidemark } from './tidemark.mjs';
import { until } from './servers.mjs';

const table = 'bench_snapshot';

async function timed(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

export async function snapshot({ postgres, warehouse, rows, rounds, program, directory, note }) {
  note(`snapshot: filling ${table} with ${rows} rows`);
  await postgres.run(create_postgres(table));
  await postgres.run(`INSERT INTO ${table} ${row_source(1, rows)}`);
  await postgres.run(`VACUUM (ANALYZE, FREEZE) ${table}`);
  await postgres.run('CHECKPOINT');
  await postgres.run(`SELECT count(*), sum(id) FROM ${table}`);  // warm
  const expected = await postgres.value(checksum_postgres(table));
  const must_equal = async (who, where) => {
    const found = await warehouse.query(checksum_warehouse(where, '1'));
    if (found !== expected) throw new Error(`${who}: rows differ: ${found} instead of ${expected}`);
  };
  const usages = [];

  const contestants = {
    'COPY (binary) to /dev/null': () => timed(() =>
      execFileSync('bash', ['-c', `psql -X -q -d '${postgres.url}' -c 'COPY ${table} TO STDOUT (FORMAT binary)' >/dev/null`])),

    'INSERT SELECT FROM postgresql()': async () => {
      await warehouse.query('CREATE DATABASE IF NOT EXISTS bench_plain');
      await warehouse.query('DROP TABLE IF EXISTS bench_plain.target SYNC');
      await warehouse.query(create_warehouse('bench_plain.target'));
      const seconds = await timed(() => warehouse.query(
        `INSERT INTO bench_plain.target SELECT ${columns}, 1, 0 FROM postgresql('127.0.0.1:${postgres.port}', 'postgres', '${table}', 'postgres', 'unused')`));
      await must_equal('postgresql()', 'bench_plain.target');
      await warehouse.query('DROP TABLE bench_plain.target SYNC');
      return seconds;
    },

    MaterializedPostgreSQL: async () => {
      const seconds = await timed(async () => {
        await warehouse.query(
          `CREATE DATABASE bench_materialized ENGINE = MaterializedPostgreSQL('127.0.0.1:${postgres.port}', 'postgres', 'postgres', 'unused')
           SETTINGS materialized_postgresql_tables_list = '${table}'`,
          { allow_experimental_database_materialized_postgresql: '1' });
        await until('MaterializedPostgreSQL', async () =>
          Number(await warehouse.query_or('0', `SELECT count() FROM bench_materialized.${table}`)) >= rows, { every_ms: 50 });
      });
      await must_equal('MaterializedPostgreSQL', `bench_materialized.${table}`);
      await warehouse.query('DROP DATABASE bench_materialized SYNC');
      return seconds;
    },
  };
  if (program) {
    contestants.tidemark = async () => {
      const tidemark = new Tidemark({ program, directory, postgres, warehouse, name: 'bench_copy', tables: [table] });
      await tidemark.write_project();
      const before = warehouse.usage();
      let ours;
      const seconds = await timed(async () => {
        tidemark.start();
        await until('the initial copy', async () => {
          tidemark.check();
          return Number(await warehouse.query_or('0', `SELECT count() FROM bronze.${table}`)) >= rows;
        }, { every_ms: 50 });
      });
      await tidemark.until_streaming();
      ours = tidemark.usage();
      usages.push({ ...ours, warehouse_cpu_s: warehouse.usage().cpu_s - before.cpu_s });
      await tidemark.stop();
      await must_equal('tidemark', `bronze.${table} FINAL`);
      await tidemark.forget();
      return seconds;
    };
  }

  const results = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round < rounds; ++round) {
    for (const [name, run] of Object.entries(contestants)) {
      const seconds = await run();
      results[name].push(rows / seconds);
      note(`snapshot round ${round + 1}: ${name}: ${Math.round(rows / seconds)} rows/s`);
    }
  }
  await postgres.run(`DROP TABLE ${table}`);
  return { rows, results, usages };
}
