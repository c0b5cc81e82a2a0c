// make bench: Tidemark against its peers and its limits, in one run on one machine. See docs/BENCHMARKS.md.
//   node bench/run.mjs [--only snapshot,stream,running,latency,models,kafka,events,webhooks,segments,experiments,viewers] [--rows N] [--changes N] [--seconds N] [--rounds N]
//                      [--running-rows N] [--kpi-rate N] [--impressions N] [--kafka-changes N] [--people N] [--history N]
//                      [--users N] [--experiment-events N] [--viewers N]
//                      [--peers-only] [--write] [--json FILE]
// Exit status: 0 measured, and every promise met; 1 something failed or a promise is not met; 2 usage.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Postgres, Warehouse, root } from './servers.mjs';
import { snapshot } from './snapshot.mjs';
import { stream } from './stream.mjs';
import { running } from './running.mjs';
import { latency } from './latency.mjs';
import { models } from './models.mjs';
import { kafka } from './kafka.mjs';
import { events } from './events.mjs';
import { webhooks } from './webhooks.mjs';
import { segments } from './segments.mjs';
import { experiments } from './experiments.mjs';
import { viewers } from './viewers.mjs';
import { report, write_into } from './report.mjs';

const parts = { snapshot, stream, running, latency, models, kafka, events, webhooks, segments, experiments, viewers };
let options;
try {
  options = parseArgs({
    options: {
      only: { type: 'string', default: Object.keys(parts).join(',') },
      rows: { type: 'string', default: '5000000' },
      changes: { type: 'string', default: '1000000' },
      'running-rows': { type: 'string', default: '10000000' },
      seconds: { type: 'string', default: '20' },
      rate: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '3' },
      'kpi-rate': { type: 'string', default: '20000' },
      impressions: { type: 'string', default: '100000000' },
      'kafka-changes': { type: 'string', default: '600000' },
      people: { type: 'string', default: '1000000' },
      history: { type: 'string', default: '20000000' },
      users: { type: 'string', default: '5000000' },
      'experiment-events': { type: 'string', default: '50000000' },
      viewers: { type: 'string', default: '1000' },
      'peers-only': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  }).values;
  for (const name of options.only.split(',')) if (!parts[name]) throw new Error(`--only: ${name} is none of ${Object.keys(parts).join(', ')}`);
  for (const name of ['rows', 'changes', 'running-rows', 'seconds', 'rate', 'rounds', 'kpi-rate', 'impressions', 'kafka-changes', 'people', 'history', 'users', 'experiment-events', 'viewers']) {
    options[name] = Number(options[name]);
    if (!Number.isInteger(options[name]) || options[name] < 1) throw new Error(`--${name} wants a whole number above 0`);
  }
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exit(2);
}

const build = process.env.TIDEMARK_BUILD ? path.resolve(process.env.TIDEMARK_BUILD) : `${root}/build/release`;
const program = options['peers-only'] ? null : `${build}/tidemark`;
const started = performance.now();
const note = (text) => console.error(`[${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s] ${text}`);

fs.mkdirSync(`${root}/build/bench`, { recursive: true });
const directory = fs.mkdtempSync(`${root}/build/bench/run-`);
fs.chmodSync(directory, 0o755);
let postgres = null;
let warehouse = null;
const peers = [];
let closing = null;
const close = () => (closing ??= (async () => {
  for (const server of [...peers, warehouse, postgres]) await server?.close();
  fs.rmSync(directory, { recursive: true, force: true });
})());
for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  process.once(signal, () => close().finally(() => process.exit(status)));
}

let status = 1;
try {
  for (const needed of [`${build}/tidemark-clickhouse`, ...(program ? [program] : [])]) {
    if (!fs.existsSync(needed)) throw new Error(`${needed} is missing: make build`);
  }
  postgres = await Postgres.start(`${directory}/postgres`);
  const embedded = { program: `${build}/tidemark-clickhouse`, library: `${root}/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so` };
  warehouse = await Warehouse.start(`${directory}/clickhouse`, embedded);
  const start_peer = async () => {
    peers.push(await Warehouse.start(`${directory}/clickhouse-peer-${peers.length}`, embedded));
    return peers.at(-1);
  };
  note(`Postgres ${postgres.version} on ${postgres.port}, ClickHouse ${warehouse.version} on ${warehouse.port}`);
  const measured = {};
  for (const name of options.only.split(',')) {
    measured[name] = await parts[name]({ ...options, postgres, warehouse, start_peer, program, build, directory: `${directory}/${name}`, note });
  }
  const command = ['make bench', process.argv.length > 2 ? `args="${process.argv.slice(2).join(' ')}"` : ''].join(' ').trim();
  const report_of = (results) => report({ ...results, postgres, warehouse, command, rounds: options.rounds, ours: program !== null });
  const { text, met } = report_of(measured);
  console.log(text);
  if (options.json) fs.writeFileSync(options.json, JSON.stringify(measured, null, 2));
  if (options.write) {
    for (const [name, result] of Object.entries(measured)) if (result) write_into(`${root}/docs/BENCHMARKS.md`, name, report_of({ [name]: result }).text);
  }
  status = met ? 0 : 1;
  if (!met) note('a promise is not met');
} catch (error) {
  console.error(`bench: ${error.stack ?? error}`);
  if (warehouse) console.error(fs.readFileSync(`${warehouse.directory}/output.log`, 'utf8').split('\n').slice(-10).join('\n'));
} finally {
  await close();
}
process.exit(status);
