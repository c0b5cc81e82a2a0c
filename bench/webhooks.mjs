// Deliveries of Shopify's at a steady rate, signed, every 20th sent twice: how long a sender waits until it is told that its delivery
// is on disk, while the warehouse takes what is there. Sender and both servers share the machine's cores.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { Tidemark } from './tidemark.mjs';
import { root, until, usage } from './servers.mjs';

const secret = 'bench-secret-0123456789';
const rate = 1000;

class Called extends Tidemark {
  async write_project() {
    await super.write_project();
    fs.rmSync(`${this.directory}/sources/${this.name}.yaml`);
    fs.writeFileSync(`${this.directory}/sources/bench.yaml`, `source: bench\nwebhook: { from: shopify, secrets: ${secret}, spool: { path: ./spool } }\n`);
  }
}

export async function webhooks({ postgres, start_peer, seconds, rounds, program, directory, note }) {
  if (!program) return null;
  fs.mkdirSync(directory, { recursive: true });
  const warehouse = await start_peer();
  const called = new Called({ program, directory, postgres, warehouse, name: 'bench_webhooks', tables: ['none'] });
  const measured = { seconds, runs: [], usages: [] };
  await called.write_project();
  called.start();
  try {
    await until('tidemark to take calls', async () => {
      called.check();
      return (await fetch(`http://127.0.0.1:${called.http_port}/readyz`).catch(() => null))?.status === 200;
    });
    let first = 1;
    for (let round = 0; round < rounds; ++round) {
      note(`webhooks: round ${round + 1}`);
      const before = { ours: called.usage(), theirs: usage(warehouse.child.pid) };
      const { stdout } = await promisify(execFile)(process.execPath, [`${root}/bench/webhook_sender.mjs`, called.http_port, '/webhooks/bench', secret, rate, 64, seconds, first].map(String));
      const sender = JSON.parse(stdout);
      first += sender.distinct;
      if (Object.keys(sender.statuses).join() !== '200') throw new Error(`answers ${JSON.stringify(sender.statuses)}`);
      await until('everything to be queryable', async () => {
        called.check();
        return Number(await warehouse.query('SELECT count() FROM bronze.bench_webhooks FINAL')) === first - 1;
      }, { every_ms: 50 });
      const ours = called.usage();
      measured.runs.push({ ...sender, rate: sender.sent / sender.seconds, cpu: (ours.cpu_s - before.ours.cpu_s) / sender.seconds, warehouse_cpu: (usage(warehouse.child.pid).cpu_s - before.theirs.cpu_s) / sender.seconds });
      measured.usages.push({ ...ours, cpu_s: ours.cpu_s - before.ours.cpu_s, warehouse_cpu_s: usage(warehouse.child.pid).cpu_s - before.theirs.cpu_s });
    }
  } finally {
    await called.stop();
  }
  return measured;
}

export function webhooks_report({ seconds, runs }, { median, row, heading, promise }) {
  const of = (key, digits = 1) => median(runs.map((run) => run[key])).toFixed(digits);
  const p99 = median(runs.map((run) => run.p99));
  promise('1,000 webhooks/s acknowledged durable, p99 at most 100 ms', p99, p99 <= 100 && median(runs.map((run) => run.rate)) >= 0.99 * rate, 'ms');
  return ['', `### Webhooks, ${seconds} s a round, ${runs[0].bytes.toLocaleString('en')} bytes each, every 20th sent twice, each in the table once`, '',
    ...heading('', 'durable a second', 'p50 ms', 'p99 ms', 'longest ms', 'CPU of one core: tidemark', 'ClickHouse'),
    row('1,000 a second due, 64 connections', of('rate', 0), of('p50'), of('p99'), of('max'), of('cpu', 2), of('warehouse_cpu', 2))];
}
