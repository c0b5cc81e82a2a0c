// Catching up: changes a second of a backlog that was written while nobody listened. Each shape of transactions is
// written once a round; then every contestant drains that same piece of WAL from a slot of its own, one after the
// other, in an order that turns with the round. 70 % inserts, 30 % updates of rows inserted before in the piece.
//
// A contestant with a warehouse is done when the piece's rows in the warehouse equal Postgres's (count and sums, read
// with FINAL); pg_recvlogical is done when it has passed the piece's end. The clock of MaterializedPostgreSQL and
// Tidemark starts when their slot is taken, so that neither pays for the start of a process.
//
// MaterializedPostgreSQL can be told neither to pause nor to detach, so it has a ClickHouse process of its own here, which
// is stopped (SIGSTOP) whenever it is not its turn. That also keeps it from using the cores while others are measured.
import { spawn } from 'node:child_process';
import { checksum_postgres, checksum_warehouse, create_postgres, row_source } from './tables.mjs';
import { Tidemark } from './tidemark.mjs';
import { ended, until } from './servers.mjs';

const table = 'bench_stream';
const publication = 'bench_stream_reference';

const update = (table, first, last) => `UPDATE ${table} SET amount = amount + 1, quantity = quantity + 1 WHERE id BETWEEN ${first} AND ${last}`;

// Transactions of `size` changes, inside the server: a client's round trips are not what is measured, and
// synchronous_commit = off in this session changes nothing in the WAL.
export const in_transactions = (table, first, changes, size) => {
  const inserts = Math.max(1, Math.round(size * 0.7));
  const updates = size - inserts;
  return size === 1
    ? `DO $$ BEGIN FOR n IN 0..${changes - 1} LOOP
         IF n % 10 < 7 THEN INSERT INTO ${table} ${row_source(`${first} + n`, `${first} + n`)};
         ELSE ${update(table, `${first} + n - 5`, `${first} + n - 5`)}; END IF; COMMIT; END LOOP; END $$`
    : `DO $$ DECLARE base bigint; BEGIN FOR n IN 0..${Math.floor(changes / size) - 1} LOOP
         base := ${first} + n * ${size};
         INSERT INTO ${table} ${row_source('base', `base + ${inserts - 1}`)};
         ${update(table, 'base', `base + ${updates - 1}`)}; COMMIT; END LOOP; END $$`;
};

const shapes = (changes) => [
  { shape: 'one transaction', changes, size: changes },
  { shape: '100-change transactions', changes, size: 100 },
  { shape: 'single-change transactions', changes: Math.floor(changes / 3 / 10) * 10, size: 1 },
];

export const references = {
  'pg_recvlogical, protocol 1, text': { proto_version: 1, binary: false, streaming: false },
  'pg_recvlogical, protocol 1, binary': { proto_version: 1, binary: true, streaming: false },
  'pg_recvlogical, protocol 2, binary, streaming': { proto_version: 2, binary: true, streaming: true },
};

async function receive(postgres, slot, options, end_position) {
  const started = performance.now();
  const child = spawn(`${postgres.bin}/pg_recvlogical`, [
    '-d', postgres.url, '--slot', slot, '--start', '--endpos', end_position, '--no-loop', '-f', '/dev/null', '-F', '0',
    '-o', `proto_version=${options.proto_version}`, '-o', `publication_names=${publication}`,
    ...(options.binary ? ['-o', 'binary=true'] : []), ...(options.streaming ? ['-o', 'streaming=true'] : []),
  ], { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await ended(child);
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
  return (performance.now() - started) / 1000;
}

export async function stream({ postgres, warehouse, start_peer, changes, rounds, program, directory, note }) {
  await postgres.run(create_postgres(table));
  await postgres.run(`INSERT INTO ${table} ${row_source(1, 1000)}`);
  await postgres.run(`CREATE PUBLICATION ${publication} FOR TABLE ${table}`);
  await postgres.run('SET synchronous_commit = off');
  const materialized = `bench_materialized_stream.${table}`;
  const taken = (slot) => until(`slot ${slot} to be taken`, async () =>
    (await postgres.value(`SELECT active FROM pg_replication_slots WHERE slot_name = '${slot}'`)) === 't', { every_ms: 2 });
  const rows_arrive = (at, from, where, expected, check = () => {}) => until(`the rows in ${from}`, async () => {
    check();
    // The last id is looked up first: it is cheap, and the sums are read only when they can be right. Asking more often
    // would cost the contestants more of the two cores than 50 ms are worth.
    if ((await at.query_or('0', `SELECT count() FROM ${from} WHERE id = ${where.last}`)) === '0') return false;
    return (await at.query(checksum_warehouse(from, `id BETWEEN ${where.first} AND ${where.last}`))) === expected;
  }, { every_ms: 50 });

  note('stream: first copies, then everybody is stopped');
  const peer = await start_peer();
  await peer.query(
    `CREATE DATABASE bench_materialized_stream ENGINE = MaterializedPostgreSQL('127.0.0.1:${postgres.port}', 'postgres', 'postgres', 'unused')
     SETTINGS materialized_postgresql_tables_list = '${table}'`, { allow_experimental_database_materialized_postgresql: '1' });
  await until('MaterializedPostgreSQL', async () => Number(await peer.query_or('0', `SELECT count() FROM ${materialized}`)) === 1000);
  // Named after the Postgres database, and at this moment the only one.
  const [materialized_slot] = await postgres.run('SELECT slot_name FROM pg_replication_slots');
  peer.pause();
  let tidemark = null;
  if (program) {
    tidemark = new Tidemark({ program, directory, postgres, warehouse, name: 'bench_stream', tables: [table] });
    await tidemark.write_project();
    tidemark.start();
    await tidemark.until_streaming();
    await tidemark.stop();
  }

  const results = {};
  const usages = [];
  const start_seconds = [];
  let next_id = 1_000_001;
  for (let round = 0; round < rounds; ++round) {
    for (const { shape, changes: count, size } of shapes(changes)) {
      const where = { first: next_id, last: 0 };
      next_id += count;
      const slots = Object.keys(references).map((name, index) => [name, `bench_reference_${index}`]);
      for (const [, slot] of slots) await postgres.run(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
      note(`stream round ${round + 1}: writing ${count} changes, ${shape}`);
      await postgres.run(in_transactions(table, where.first, count, size));
      const end_position = await postgres.value('SELECT pg_current_wal_insert_lsn()');
      // A change beyond the end, for pg_recvlogical to stop at at once; its synchronous commit also flushes the piece.
      await postgres.run(`SET synchronous_commit = on; INSERT INTO ${table} ${row_source(`-${where.first}`, `-${where.first}`)}; SET synchronous_commit = off`);
      where.last = Number(await postgres.value(`SELECT max(id) FROM ${table}`));
      const expected = await postgres.value(checksum_postgres(table, `id BETWEEN ${where.first} AND ${where.last}`));

      const contestants = slots.map(([name, slot]) => [name, async () => {
        const seconds = await receive(postgres, slot, references[name], end_position);
        await postgres.drop_slot(slot);
        return seconds;
      }]);
      contestants.push(['MaterializedPostgreSQL', async () => {
        peer.resume();
        await taken(materialized_slot);
        const started = performance.now();
        await rows_arrive(peer, materialized, where, expected);
        const seconds = (performance.now() - started) / 1000;
        peer.pause();
        return seconds;
      }]);
      if (tidemark) {
        contestants.push(['tidemark', async () => {
          const before = warehouse.usage();
          const spawned = performance.now();
          tidemark.start();
          await Promise.race([taken(tidemark.slot), ended(tidemark.child)]);
          tidemark.check();
          const started = performance.now();
          await rows_arrive(warehouse, `bronze.${table} FINAL`, where, expected, () => tidemark.check());
          const seconds = (performance.now() - started) / 1000;
          start_seconds.push((started - spawned) / 1000);
          usages.push({ shape, ...tidemark.usage(), warehouse_cpu_s: warehouse.usage().cpu_s - before.cpu_s });
          await tidemark.stop();
          return seconds;
        }]);
      }
      for (let index = 0; index < contestants.length; ++index) {
        const [name, run] = contestants[(index + round) % contestants.length];
        const rate = count / await run();
        ((results[shape] ??= {})[name] ??= []).push(rate);
        note(`stream round ${round + 1}: ${shape}: ${name}: ${Math.round(rate)} changes/s`);
      }
    }
  }
  const options = tidemark?.replication_options() ?? null;
  peer.resume();
  await peer.query('DROP DATABASE bench_materialized_stream SYNC');
  await peer.close();
  if (tidemark) await tidemark.forget();
  await postgres.run(`DROP PUBLICATION ${publication}`);
  await postgres.run(`DROP TABLE ${table}`);
  await postgres.run('RESET synchronous_commit');
  return { changes, results, usages, start_seconds, options };
}
