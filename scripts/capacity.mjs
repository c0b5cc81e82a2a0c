#!/usr/bin/env node
// The capacity model of docs/SCALING.md: reads its figures and assumptions, computes what a load needs.
//   node scripts/capacity.mjs [--changes 100000] [--terabytes 10]     one load, every step
//   node scripts/capacity.mjs --write                                 the table of docs/SCALING.md anew
// test/docs/scaling.test.mjs recomputes the table, so figures and table cannot part.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

export const document = path.resolve(import.meta.dirname, '../docs/SCALING.md');
const begin_mark = '<!-- capacity: begin (written by node scripts/capacity.mjs --write) -->';
const end_mark = '<!-- capacity: end -->';
export const loads = [10_000, 100_000, 1_000_000].flatMap((changes) => [1, 10, 100].map((terabytes) => ({ changes, terabytes })));

// Rows "| `name` | value | ..." of the document.
export function figures(text) {
  return Object.fromEntries([...text.matchAll(/^\| `([a-z_]+)` \| ([\d,.]+) \|/gm)].map(([, name, value]) => [name, Number(value.replaceAll(',', ''))]));
}

export function capacity(f, { changes, terabytes }) {
  const cores = (microseconds) => (changes * microseconds) / 1e6 / f.utilisation;
  const captures = Math.ceil(cores(f.capture_us));
  const sinks = Math.ceil(cores(f.sink_us));
  const broker_in_mb = (changes * f.message_bytes * f.kafka_replication) / 1e6;
  const kafka_disk_tb = (changes * f.message_bytes * f.kafka_replication * f.kafka_hours * 3600) / 1e12;
  const brokers = changes <= f.one_machine_changes ? 0 : Math.max(f.kafka_replication, Math.ceil(broker_in_mb / f.broker_mb_per_second), Math.ceil(kafka_disk_tb / f.broker_disk_tb));
  const warehouse_cores = cores(f.clickhouse_us);
  const shards = Math.max(Math.ceil(warehouse_cores / f.shard_cores), Math.ceil(terabytes / f.shard_disk_tb));
  return {
    captures,
    brokers,
    partitions: brokers === 0 ? 0 : Math.max(f.kafka_replication, 2 * sinks),
    kafka_disk_tb: brokers === 0 ? 0 : kafka_disk_tb,
    broker_in_mb: brokers === 0 ? 0 : broker_in_mb,
    sinks: brokers === 0 ? 0 : sinks,
    warehouse_cores,
    shards,
    servers: shards * f.warehouse_replicas,
    shard_disk_tb: terabytes / shards,
    years: (terabytes * 1e12) / (changes * f.row_bytes) / 86_400 / 365,
  };
}

const shown = (value) => (value >= 10 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2))));

export function table(f) {
  const columns = ['changes/s', 'TB', 'captures', 'brokers', 'partitions', 'Kafka disk, TB', 'into brokers, MB/s', 'sinks', 'shards', 'ClickHouse servers', 'cores for inserts', 'disk a shard, TB', 'days until full'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rows = loads.map((load) => {
    const need = capacity(f, load);
    const or_none = (value) => (need.brokers === 0 ? '-' : shown(value));
    return line([load.changes.toLocaleString('en'), load.terabytes, need.captures, or_none(need.brokers), or_none(need.partitions), or_none(need.kafka_disk_tb), or_none(need.broker_in_mb), or_none(need.sinks),
      need.shards, need.servers, shown(need.warehouse_cores), shown(need.shard_disk_tb), shown(need.years * 365)]);
  });
  return [line(columns), line(columns.map(() => '---')), ...rows].join('\n');
}

export function between_marks(text) {
  const [begin, end] = [text.indexOf(begin_mark), text.indexOf(end_mark)];
  if (begin < 0 || end < begin) throw new Error(`${document} has no place for the table`);
  return { before: text.slice(0, begin + begin_mark.length), inside: text.slice(begin + begin_mark.length, end).trim(), after: text.slice(end) };
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { changes: { type: 'string', default: '100000' }, terabytes: { type: 'string', default: '10' }, write: { type: 'boolean', default: false } } });
  const text = fs.readFileSync(document, 'utf8');
  if (values.write) {
    const { before, after } = between_marks(text);
    fs.writeFileSync(document, `${before}\n${table(figures(text))}\n${after}`);
  } else {
    for (const [name, value] of Object.entries(capacity(figures(text), { changes: Number(values.changes), terabytes: Number(values.terabytes) }))) console.log(`${name.padEnd(18)} ${shown(value)}`);
  }
}
