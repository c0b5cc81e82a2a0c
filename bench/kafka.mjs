// Through Kafka and without it (bench/kafka_contestants.mjs): a backlog from Postgres to queryable rows, messages from a
// full topic to queryable rows, commit to queryable at a steady rate, and what decoding costs a core.
//
// The backlog is one piece of WAL for all, drained from a slot of each one's own, in an order that turns with the round. Readers
// and brokers are up before time runs; it ends when count and sums of the piece's rows, read with FINAL, equal Postgres's.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { Kafka } from '../test/harness/kafka.mjs';
import { ends_itself } from '../test/harness/process.mjs';
import { checksum_postgres, checksum_warehouse, create_postgres, row_source } from './tables.mjs';
import { Direct, Engine, KafkaReader, ThroughCapture, ThroughDebezium, create_engine, drop_engine, jvm } from './kafka_contestants.mjs';
import { measure, table as latency_table } from './latency.mjs';
import { in_transactions } from './stream.mjs';
import { until, usage } from './servers.mjs';

const table = 'bench_kafka';
const first_rows = 1000;
const warm_up_s = 5;  // a connector's virtual machine has just started

const shapes = (changes) => [
  { shape: '100-change transactions', changes, size: 100 },
  { shape: 'single-change transactions', changes: Math.floor(changes / 3 / 10) * 10, size: 1 },
];

function rows_arrive(warehouse, from, last, where, expected, check) {
  return until(`the rows in ${from}`, async () => {
    check();
    // The last id first, as in bench/stream.mjs: the sums are read only when they can be right.
    if ((await warehouse.query_or('0', `SELECT count() FROM ${from} WHERE id = ${last}`)) === '0') return false;
    return (await warehouse.query(checksum_warehouse(from, where))) === expected;
  }, { every_ms: 50 });
}

export async function kafka({ postgres, start_peer, 'kafka-changes': changes, rate, seconds, rounds, program, directory, build, note }) {
  ends_itself();
  fs.mkdirSync(directory, { recursive: true });
  const broker = await Kafka.start(directory, { 'log.flush.interval.messages': '9223372036854775807' }, { jvm });
  const measured = { rate, seconds, changes, backlog: {}, cpu: {}, bytes: {}, sink: {}, sink_cpu: {}, latency: {}, peaks: [], decoder: null };
  try {
    const tables = [table, latency_table];
    await postgres.run(create_postgres(table));
    await postgres.run(create_postgres(latency_table));
    await postgres.run(`INSERT INTO ${table} ${row_source(1, first_rows)}`);
    for (const prefix of ['bench_engine', 'bench_debezium', 'bench_capture']) for (const name of tables) await broker.create_topic(`${prefix}.public.${name}`);
    const common = { postgres, program, tables, kafka: broker };
    const contestants = [new Engine({ ...common, directory: `${directory}/engine`, warehouse: await start_peer() })];
    if (program) {
      contestants.unshift(new Direct({ ...common, directory: `${directory}/direct`, warehouse: await start_peer() }));
      contestants.push(new ThroughDebezium({ ...common, directory: `${directory}/debezium`, warehouse: await start_peer() }));
      contestants.push(new ThroughCapture({ ...common, directory: `${directory}/capture`, warehouse: await start_peer() }));
    }
    for (const { warehouse } of contestants) warehouse.pause();
    for (const contestant of contestants) {
      note(`kafka: first rows: ${contestant.name}`);
      await contestant.prepare(table, first_rows);
    }
    const context = { postgres, broker, contestants, rounds, rate, seconds, changes, program, directory, note, measured };
    await measure_backlog(context);
    await measure_sinks(context);
    await measure_latency(context);
    if (program) measured.decoder = measure_decoder(build, note);
    for (const contestant of contestants) await contestant.warehouse.close();
    await postgres.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name ~ 'bench_(direct|engine|debezium|capture)$'");
    await postgres.run(`DROP TABLE ${table}, ${latency_table}`);
  } finally {
    await broker.stop('SIGKILL');
  }
  return measured;
}

// CPU seconds so far of everything that works for a contestant, but Postgres.
function cpu_of(contestant, broker, { writer = true } = {}) {
  const { sink, ...writers } = contestant.processes();
  const pids = { ...(writer ? writers : {}), sink, broker: broker.child.pid, ClickHouse: contestant.warehouse.child.pid };
  return Object.fromEntries(Object.entries(pids).filter(([, pid]) => pid).map(([name, pid]) => [name, usage(pid).cpu_s]));
}

const cost = (cpu) => Object.entries(cpu).map(([name, microseconds]) => `${name} ${microseconds.toFixed(1)}`).join(', ') + ' CPU us each';

async function measure_backlog({ postgres, broker, contestants, rounds, changes, note, measured }) {
  let next_id = 1_000_001;
  for (let round = 0; round < rounds; ++round) {
    for (const { shape, changes: count, size } of shapes(changes)) {
      const first = next_id;
      next_id += count;
      note(`kafka round ${round + 1}: writing ${count} changes, ${shape}`);
      await postgres.run('SET synchronous_commit = off');
      await postgres.run(in_transactions(table, first, count, size));
      await postgres.run('RESET synchronous_commit');
      await postgres.run("SELECT pg_logical_emit_message(true, 'bench', 'flushed')");
      const last = Number(await postgres.value(`SELECT max(id) FROM ${table}`));
      const where = `id BETWEEN ${first} AND ${last}`;
      const expected = await postgres.value(checksum_postgres(table, where));
      for (let index = 0; index < contestants.length; ++index) {
        const contestant = contestants[(index + round) % contestants.length];
        await contestant.open();
        // Of the writer, what a virtual machine spends on starting is not counted, what tidemark does is.
        const before = { capture: 0, ...cpu_of(contestant, broker, { writer: false }) };
        const started = await contestant.begin();
        if (contestant.writer.worker) before.Debezium = usage(contestant.writer.worker.child.pid).cpu_s;
        await rows_arrive(contestant.warehouse, contestant.from(table), last, where, expected, () => contestant.check());
        const speed = count / ((performance.now() - started) / 1000);
        const cpu = Object.fromEntries(Object.entries(cpu_of(contestant, broker)).map(([name, seconds]) => [name, (seconds - before[name]) * 1e6 / count]));
        ((measured.cpu[shape] ??= {})[contestant.name] ??= []).push(cpu);
        for (const part of [contestant.writer, contestant.reader]) if (part?.usage) measured.peaks.push(part.usage());
        await contestant.close();
        ((measured.backlog[shape] ??= {})[contestant.name] ??= []).push(speed);
        note(`kafka round ${round + 1}: ${shape}: ${contestant.name}: ${Math.round(speed)} changes/s; ${cost(cpu)}`);
      }
    }
  }
}

// Of a message on the broker's disk: key, value, headers and what the broker adds, as its client compressed it.
function topic_bytes(broker, topic) {
  const folder = `${broker.directory}/data/${topic}-0`;
  const logs = fs.readdirSync(folder).filter((name) => name.endsWith('.log'));
  return logs.reduce((sum, name) => sum + fs.statSync(`${folder}/${name}`).size, 0);
}

// The topic that the engine's connector has filled by now, read from its beginning. Time runs from the consumer being made -
// the materialized view, the process - so it includes joining the group and starting.
async function measure_sinks({ postgres, broker, contestants, rounds, program, directory, note, measured }) {
  const topic = `bench_engine.public.${table}`;
  const end_of = async (of) => Number(/offset (\d+)/.exec(await broker.kcat(['-Q', '-t', `${of}:0:-1`]))[1]);
  const messages = await end_of(topic);
  measured.messages = messages;
  for (const prefix of program ? ['bench_engine', 'bench_capture'] : ['bench_engine']) measured.bytes[prefix] = topic_bytes(broker, `${prefix}.public.${table}`) / (await end_of(`${prefix}.public.${table}`));
  const last = Number(await postgres.value(`SELECT max(id) FROM ${table}`));
  const expected = await postgres.value(checksum_postgres(table));
  const { warehouse } = contestants.find((contestant) => contestant instanceof Engine);
  warehouse.resume();
  const engine = (tuned) => async (round) => {
    const database = `bench_full_${round}`;
    await warehouse.query(`CREATE DATABASE ${database}`);
    const group = `${database}_${tuned}`;
    const before = warehouse.usage().cpu_s;
    const started = performance.now();
    for (const statement of create_engine({ database, table, topic, group, brokers: broker.brokers, tuned })) await warehouse.query(statement);
    await rows_arrive(warehouse, `${database}.${table} FINAL`, last, '1', expected, () => {});
    const elapsed = (performance.now() - started) / 1000;
    const cpu = { ClickHouse: (warehouse.usage().cpu_s - before) * 1e6 / messages };
    await drop_engine(warehouse, database, table);
    await warehouse.query(`DROP DATABASE ${database} SYNC`);
    return { elapsed, cpu };
  };
  const ways = { 'Kafka table engine': engine(false), 'Kafka table engine, tuned': engine(true) };
  if (program)
    ways.tidemark = async (round) => {
      const reader = new KafkaReader({ program, postgres, warehouse, tables: [table], kafka: broker, prefix: 'bench_engine', name: 'bench_full', directory: `${directory}/full-${round}` });
      await reader.write_project();
      const before = warehouse.usage().cpu_s;
      const started = performance.now();
      reader.start();
      await rows_arrive(warehouse, `bronze.${table} FINAL`, last, '1', expected, () => reader.check());
      const elapsed = (performance.now() - started) / 1000;
      const used = reader.usage();
      measured.peaks.push(used);
      const cpu = { sink: used.cpu_s * 1e6 / messages, ClickHouse: (warehouse.usage().cpu_s - before) * 1e6 / messages };
      await reader.stop();
      await warehouse.query(`OPTIMIZE TABLE bronze.${table} FINAL`);
      measured.bytes.row = Number(await warehouse.query(`SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND database = 'bronze' AND table = '${table}'`));
      await reader.forget();
      return { elapsed, cpu };
    };
  const names = Object.keys(ways);
  for (let round = 0; round < rounds; ++round) {
    for (let index = 0; index < names.length; ++index) {
      const name = names[(index + round) % names.length];
      const { elapsed, cpu } = await ways[name](round);
      const speed = messages / elapsed;
      (measured.sink_cpu[name] ??= []).push(cpu);
      (measured.sink[name] ??= []).push(speed);
      note(`kafka round ${round + 1}: full topic: ${name}: ${Math.round(speed)} messages/s; ${cost(cpu)}`);
    }
  }
  warehouse.pause();
}

// Contestants with a connector come twice: as they are, and with short waits everywhere (`tuned`).
async function measure_latency({ postgres, contestants, rounds, rate, seconds, note, measured }) {
  const turns = contestants.flatMap((contestant) => ('tuned' in contestant ? [[contestant, false], [contestant, true]] : [[contestant, undefined]]));
  let mark = 0;
  let run = 0;
  for (let round = 0; round < rounds; ++round) {
    for (let index = 0; index < turns.length; ++index) {
      const [contestant, tuned] = turns[(index + round) % turns.length];
      if (tuned !== undefined) contestant.tuned = tuned;
      await contestant.open();
      await contestant.begin();
      // What was written for the others comes first.
      mark -= 1;
      await postgres.run(`INSERT INTO ${latency_table} ${row_source(mark, mark)}`);
      const from = contestant.from(latency_table).replace(/ FINAL$/, '');
      await until(`row ${mark} at ${contestant.name}`, async () => {
        contestant.check();
        return (await contestant.warehouse.query_or('0', `SELECT count() FROM ${from} WHERE id = ${mark}`)) !== '0';
      });
      const found = await measure({ postgres, warehouse: contestant.warehouse, rate, seconds, warm_up_s, from, check: () => contestant.check(), run: run++ });
      for (const part of [contestant.writer, contestant.reader]) if (part?.usage) measured.peaks.push(part.usage());
      await contestant.close();
      const name = `${contestant.name}${tuned ? ', tuned' : ''}`;
      (measured.latency[name] ??= []).push(found);
      note(`kafka round ${round + 1}: latency: ${name}: p50 ${found.p50.toFixed(1)} ms, p99 ${found.p99.toFixed(1)} ms, ${Math.round(found.rate)} rows/s`);
    }
  }
}

// The room's own benchmark (src/kafka/message_decoder_bench.cc), built beside the program when it is not there.
function measure_decoder(build, note) {
  const bench = `${build}/tidemark_kafka_bench`;
  if (!fs.existsSync(bench)) {
    note('kafka: building tidemark_kafka_bench');
    execFileSync('cmake', ['-DTIDEMARK_BENCH=ON', build], { stdio: ['ignore', 'ignore', 'inherit'] });
    execFileSync('cmake', ['--build', build, '--target', 'tidemark_kafka_bench'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const answer = JSON.parse(execFileSync(bench, ['--benchmark_format=json', '--benchmark_repetitions=3', '--benchmark_report_aggregates_only=true'], { stdio: ['ignore', 'pipe', 'ignore'] }));
  const found = Object.fromEntries(answer.benchmarks.filter((one) => one.aggregate_name === 'median').map((one) => [one.run_name, one.items_per_second]));
  for (const [name, speed] of Object.entries(found)) note(`kafka: decoding, ${name}: ${Math.round(speed)} messages/s`);
  return found;
}
