// The four ways from Postgres to ClickHouse that bench/kafka.mjs compares, each with a ClickHouse process of its own that
// is stopped (SIGSTOP) while others are measured:
//   direct     `tidemark up` on Postgres
//   engine     Debezium -> Kafka -> ClickHouse's Kafka table engine -> materialized view -> ReplacingMergeTree
//   debezium   Debezium -> Kafka -> `tidemark up`
//   capture    `tidemark up --role capture` -> Kafka -> `tidemark up --role sink`
// All have the same shape: open() starts what reads, begin() starts what takes the replication slot, resolves when it has it,
// and gives the time from which it is measured: a connector's from the slot being taken, because starting a virtual machine is
// not what is compared; tidemark's from the start of its process. close() ends both. What is written meanwhile waits in the slot.
import fs from 'node:fs';
import { Connect } from '../test/harness/connect.mjs';
import { columns } from './tables.mjs';
import { ended, until } from './servers.mjs';
import { Tidemark } from './tidemark.mjs';

// As kafka-server-start and connect-standalone start them; 1 GB is what they take, too.
export const jvm = ['-Xmx1g', '-Xms256m', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35'];

// Messages carry no schema here, so the reader is told the types, as the materialized view is.
const declared = (table, topic) => `    - table: ${table}
      topics: [${topic}]
      key: [id]
      columns: { id: Int64, customer_id: Int32, kind: String, amount: "Decimal(12, 2)", quantity: Int32, is_active: Bool, created_at: "DateTime64(6, 'UTC')" }
`;

export class KafkaReader extends Tidemark {
  constructor({ kafka, prefix, ...common }) {
    super(common);
    Object.assign(this, { kafka, prefix });
    this.arguments = ['up', '--role', 'sink'];
  }
  async write_project() {
    await super.write_project();
    fs.writeFileSync(`${this.directory}/sources/${this.name}.yaml`, `source: ${this.name}
kafka:
  brokers: "${this.kafka.brokers}"
  format: debezium
  tables:
${this.tables.map((table) => declared(table, `${this.prefix}.public.${table}`)).join('')}`);
  }
  async until_streaming() {
    await until('tidemark to read from Kafka', async () => {
      this.check();
      return (await fetch(`http://127.0.0.1:${this.http_port}/readyz`).catch(() => null))?.status === 200;
    }, { deadline_s: 120 });
  }
  async forget() {
    await this.warehouse.query('DROP DATABASE IF EXISTS bronze SYNC');
    await this.warehouse.query('DROP DATABASE IF EXISTS tidemark SYNC');
  }
}

class Capture extends Tidemark {
  constructor({ kafka, prefix, ...common }) {
    super(common);
    Object.assign(this, { kafka, prefix });
    this.arguments = ['up', '--role', 'capture'];
  }
  async write_project() {
    await super.write_project();
    fs.writeFileSync(`${this.directory}/tidemark.yaml`, `project: ${this.name}\nkafka: { brokers: "${this.kafka.brokers}", prefix: ${this.prefix}, partitions: 1 }\n`);
  }
}

// A real connector in a Connect worker of its own. poll.interval.ms is Debezium's default unless told otherwise; decimals
// as text, as the adtech seed has them.
class Debezium {
  constructor({ kafka, postgres, directory, name, tables }) {
    Object.assign(this, { postgres, name, tables });
    fs.mkdirSync(directory, { recursive: true });
    this.slot = `debezium_${name}`;
    this.worker = new Connect(directory, kafka, { jvm });
  }
  configure(poll_interval_ms = 500) {
    this.worker.add(this.name, this.postgres, 'postgres', {
      'table.include.list': this.tables.map((table) => `public.${table}`).join(','),
      'decimal.handling.mode': 'string',
      'poll.interval.ms': poll_interval_ms,
    });
  }
  start() {
    const started = this.worker.start();
    started.catch((error) => (this.failed = error));
    return started;
  }
  check() {
    if (this.failed) throw this.failed;
  }
  async stop() {
    await this.worker.stop();
  }
}

async function taken(postgres, writer) {
  await until(`slot ${writer.slot} to be taken`, async () => {
    writer.check();
    return (await postgres.value(`SELECT active FROM pg_replication_slots WHERE slot_name = '${writer.slot}'`)) === 't';
  }, { every_ms: 2 });
}

class Contestant {
  constructor({ warehouse, postgres }) {
    Object.assign(this, { warehouse, postgres });
  }
  from(table) { return `bronze.${table} FINAL`; }
  // Everything once, so that slots, topics and tables are there, and programs have been read from disk.
  async prepare(table, rows) {
    await this.open();
    await this.begin();
    await until(`the first rows at ${this.name}`, async () => {
      this.check();
      return Number(await this.warehouse.query_or('0', `SELECT count() FROM ${this.from(table)}`)) === rows;
    }, { deadline_s: 180 });
    await this.close();
  }
  async open() {
    this.warehouse.resume();
    // What it was asked before it was stopped is answered, or reset, in its first moments.
    for (let times = 0; times < 3; ++times) await until('ClickHouse to go on', () => this.warehouse.query('SELECT 1').catch(() => null), { every_ms: 100 });
  }
  async close() { this.warehouse.pause(); }
}

export class Direct extends Contestant {
  name = 'tidemark, direct';
  constructor(common) {
    super(common);
    this.writer = new Tidemark({ ...common, name: 'bench_direct' });
  }
  async begin() {
    if (!this.writer.http_port) await this.writer.write_project();
    const started = performance.now();
    this.writer.start();
    await taken(this.postgres, this.writer);
    return started;
  }
  check() { this.writer.check(); }
  processes() { return { capture: this.writer.child?.pid }; }
  async close() {
    await this.writer.stop();
    await super.close();
  }
}

// The Kafka table engine as the seeds have it: lines, JSON taken apart by the materialized view, the engine's own settings.
// `tuned`: what a careful administrator would write instead - typed JSONEachRow, parsed once, and short waits.
export function create_engine({ database, table, topic, group, brokers, tuned }) {
  const consumer = (format) => `kafka_broker_list = '${brokers}', kafka_topic_list = '${topic}', kafka_group_name = '${group}', kafka_format = '${format}'`;
  const target = `CREATE TABLE IF NOT EXISTS ${database}.${table} (
    id Int64, customer_id Int32, kind String, amount Decimal(12, 2), quantity Int32, is_active Bool,
    created_at DateTime64(6, 'UTC'), _version UInt64, _deleted UInt8)
    ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id`;
  const plain = [
    `CREATE TABLE ${database}.raw_${table}_kafka (raw String) ENGINE = Kafka SETTINGS ${consumer('LineAsString')}`,
    `CREATE MATERIALIZED VIEW ${database}.${table}_mv TO ${database}.${table} AS
     WITH JSONExtractString(raw, 'op') AS op, JSONExtractRaw(raw, if(op = 'd', 'before', 'after')) AS image
     SELECT JSONExtractInt(image, 'id') AS id, JSONExtractInt(image, 'customer_id') AS customer_id, JSONExtractString(image, 'kind') AS kind,
       toDecimal64(JSONExtractString(image, 'amount'), 2) AS amount, JSONExtractInt(image, 'quantity') AS quantity,
       JSONExtractBool(image, 'is_active') AS is_active,
       parseDateTime64BestEffort(JSONExtractString(image, 'created_at'), 6, 'UTC') AS created_at,
       JSONExtractUInt(raw, 'source', 'lsn') AS _version, op = 'd' AS _deleted
     FROM ${database}.raw_${table}_kafka WHERE op IN ('c', 'u', 'd', 'r')`,
  ];
  const row = "Tuple(id Int64, customer_id Int32, kind String, amount Decimal(12, 2), quantity Int32, is_active Bool, created_at String)";
  const careful = [
    `CREATE TABLE ${database}.raw_${table}_kafka (before ${row}, after ${row}, source Tuple(lsn UInt64), op LowCardinality(String)) ENGINE = Kafka
     SETTINGS ${consumer('JSONEachRow')}, kafka_flush_interval_ms = 100, kafka_poll_timeout_ms = 20, kafka_poll_max_batch_size = 65536`,
    `CREATE MATERIALIZED VIEW ${database}.${table}_mv TO ${database}.${table} AS
     WITH if(op = 'd', before, after) AS image
     SELECT ${columns.split(', ').map((name) => (name === 'created_at' ? "parseDateTime64BestEffort(image.created_at, 6, 'UTC') AS created_at" : `image.${name} AS ${name}`)).join(', ')},
       source.lsn AS _version, op = 'd' AS _deleted
     FROM ${database}.raw_${table}_kafka WHERE op IN ('c', 'u', 'd', 'r')`,
  ];
  return [target, ...(tuned ? careful : plain)];
}
export async function drop_engine(warehouse, database, table) {
  await warehouse.query(`DROP VIEW IF EXISTS ${database}.${table}_mv SYNC`);
  await warehouse.query(`DROP TABLE IF EXISTS ${database}.raw_${table}_kafka SYNC`);
}

export class Engine extends Contestant {
  name = 'Debezium, Kafka table engine';
  constructor({ kafka, directory, tables, ...common }) {
    super(common);
    Object.assign(this, { kafka, tables, database: 'bench_engine', tuned: false });
    this.writer = new Debezium({ kafka, directory, tables, postgres: common.postgres, name: 'bench_engine' });
  }
  from(table) { return `${this.database}.${table} FINAL`; }
  topic(table) { return `bench_engine.public.${table}`; }
  async open() {
    await super.open();
    await this.warehouse.query(`CREATE DATABASE IF NOT EXISTS ${this.database}`);
    for (const table of this.tables) {
      const statements = create_engine({ database: this.database, table, topic: this.topic(table), group: 'bench_engine', brokers: this.kafka.brokers, tuned: this.tuned });
      for (const statement of statements) await this.warehouse.query(statement);
    }
    await until('the Kafka table engine to have its partitions', async () =>
      Number(await this.warehouse.query("SELECT count() FROM system.kafka_consumers WHERE notEmpty(assignments.topic)")) === this.tables.length, { deadline_s: 60 });
  }
  async begin() {
    this.writer.configure(this.tuned ? 10 : 500);
    const started = this.writer.start();
    await Promise.race([taken(this.postgres, this.writer), started.then(() => new Promise(() => {}))]);
    return performance.now();
  }
  check() { this.writer.check(); }
  processes() { return { Debezium: this.writer.worker.child?.pid }; }
  async close() {
    await this.writer.stop();
    for (const table of this.tables) await drop_engine(this.warehouse, this.database, table);
    await super.close();
  }
}

export class ThroughDebezium extends Contestant {
  name = 'Debezium, tidemark';
  constructor({ kafka, directory, ...common }) {
    super(common);
    this.tuned = false;
    this.writer = new Debezium({ kafka, directory, tables: common.tables, postgres: common.postgres, name: 'bench_debezium' });
    this.reader = new KafkaReader({ ...common, kafka, directory: `${directory}-project`, name: 'bench_reader', prefix: 'bench_debezium' });
  }
  async open() {
    await super.open();
    if (!this.reader.http_port) await this.reader.write_project();
    this.reader.start();
    await this.reader.until_streaming();
  }
  async begin() {
    this.writer.configure(this.tuned ? 10 : 500);
    const started = this.writer.start();
    await Promise.race([taken(this.postgres, this.writer), started.then(() => new Promise(() => {}))]);
    return performance.now();
  }
  check() {
    this.writer.check();
    this.reader.check();
  }
  processes() { return { Debezium: this.writer.worker.child?.pid, sink: this.reader.child.pid }; }
  async close() {
    await this.writer.stop();
    await this.reader.stop();
    await super.close();
  }
}

export class ThroughCapture extends Contestant {
  name = 'tidemark capture, tidemark';
  constructor({ kafka, directory, ...common }) {
    super(common);
    this.writer = new Capture({ ...common, kafka, directory: `${directory}-capture`, name: 'bench_capture', prefix: 'bench_capture' });
    this.reader = new KafkaReader({ ...common, kafka, directory: `${directory}-sink`, name: 'bench_sink', prefix: 'bench_capture' });
  }
  async open() {
    await super.open();
    if (!this.reader.http_port) {
      await this.writer.write_project();
      await this.reader.write_project();
    }
    this.reader.start();
    await this.reader.until_streaming();
  }
  async begin() {
    const started = performance.now();
    this.writer.start();
    await Promise.race([taken(this.postgres, this.writer), ended(this.writer.child)]);
    this.writer.check();
    return started;
  }
  check() {
    this.writer.check();
    this.reader.check();
  }
  processes() { return { capture: this.writer.child?.pid, sink: this.reader.child.pid }; }
  async close() {
    await this.writer.stop();
    await this.reader.stop();
    await super.close();
  }
}
