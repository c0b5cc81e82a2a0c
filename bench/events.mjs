// Events over HTTP to durable, and to queryable: real requests on loopback, acknowledged when they are on disk, while the
// warehouse takes what is there. Senders and both servers share the machine's cores, so what counts beside the rate is the
// CPU an event costs whom.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { Tidemark } from './tidemark.mjs';
import { root, until, usage } from './servers.mjs';

const write_key = 'bench-write-key-0123456789';
const shapes = [
  { shape: 'batches of 100, 8 connections', batch: 100, connections: 8 },
  { shape: 'single events, 200 connections', batch: 1, connections: 200 },
];

class Intake extends Tidemark {
  async write_project() {
    await super.write_project();
    fs.rmSync(`${this.directory}/sources/${this.name}.yaml`);
    fs.writeFileSync(`${this.directory}/sources/bench.yaml`, `source: bench\nevents: { write_keys: ${write_key}, spool: { path: ./spool } }\n`);
  }
  async source() {
    const status = await (await fetch(`http://127.0.0.1:${this.http_port}/api/status`)).json();
    return status.sources.find((one) => one.source === 'bench');
  }
}

export async function events({ postgres, start_peer, seconds, rounds, program, directory, note }) {
  if (!program) return null;
  fs.mkdirSync(directory, { recursive: true });
  const warehouse = await start_peer();
  const intake = new Intake({ program, directory, postgres, warehouse, name: 'bench_events', tables: ['none'] });
  const measured = { seconds, results: Object.fromEntries(shapes.map(({ shape }) => [shape, []])), usages: [] };
  await intake.write_project();
  intake.start();
  try {
    await until('tidemark to take events', async () => {
      intake.check();
      return (await fetch(`http://127.0.0.1:${intake.http_port}/readyz`).catch(() => null))?.status === 200;
    });
    let first = 1;
    for (let round = 0; round < rounds; ++round)
      for (const { shape, batch, connections } of shapes) {
        note(`events: ${shape}, round ${round + 1}`);
        const before = { ours: intake.usage(), theirs: usage(warehouse.child.pid) };
        const { stdout } = await promisify(execFile)(process.execPath, [`${root}/bench/event_sender.mjs`, intake.http_port, write_key, batch, connections, seconds, first].map(String));
        const sender = JSON.parse(stdout);
        first += sender.sent;
        const begun = performance.now();
        await until('everything to be queryable', async () => {
          intake.check();
          const source = await intake.source();
          return source.lag_ms === 0 && source.ladder.queryable === source.ladder.server;
        }, { every_ms: 50 });
        const drain_s = (performance.now() - begun) / 1000;
        const ours = intake.usage();
        const cpu_s = ours.cpu_s - before.ours.cpu_s;
        const warehouse_cpu_s = usage(warehouse.child.pid).cpu_s - before.theirs.cpu_s;
        const million = sender.acknowledged / 1e6;
        const bad = Object.keys(sender.statuses).filter((status) => status !== '200');
        if (bad.length) note(`events: answers ${JSON.stringify(sender.statuses)}`);
        measured.results[shape].push({ rate: sender.acknowledged / sender.seconds, p50: sender.p50, p99: sender.p99, drain_s, cpu: cpu_s / million, warehouse_cpu: warehouse_cpu_s / million, sender_cpu: sender.cpu_s / million });
        measured.usages.push({ ...ours, cpu_s, warehouse_cpu_s });
        const held = Number(await warehouse.query('SELECT uniqExact(message_id) FROM bronze.bench_events'));
        const rows = Number(await warehouse.query('SELECT count() FROM bronze.bench_events'));
        measured.acknowledged = (measured.acknowledged ?? 0) + sender.acknowledged;
        if (rows !== held || held < measured.acknowledged) throw new Error(`${measured.acknowledged} events were acknowledged, ${rows} rows with ${held} ids are there`);
      }
  } finally {
    await intake.stop();
  }
  return measured;
}

export function events_report({ seconds, results, acknowledged }, { median, row, heading, promise }) {
  const out = ['', `### Events over HTTP, ${seconds} s a round, ${acknowledged.toLocaleString('en')} events in all, each in the table once`, '',
    ...heading('', 'durable events/s', 'request p50 ms', 'p99 ms', 'behind at the end, s', 'CPU s per million events: tidemark', 'ClickHouse', 'sender')];
  for (const [shape, runs] of Object.entries(results)) {
    const of = (key, digits = 1) => median(runs.map((run) => run[key])).toFixed(digits);
    out.push(row(shape, Math.round(median(runs.map((run) => run.rate))).toLocaleString('en'), of('p50'), of('p99'), of('drain_s', 2), of('cpu'), of('warehouse_cpu'), of('sender_cpu')));
  }
  const rate = median(Object.values(results)[0].map((run) => run.rate));
  promise('durable events in batches of 100, at least 30,000/s', rate, rate >= 30_000, '/s');
  return out;
}
