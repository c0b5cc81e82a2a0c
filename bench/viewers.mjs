// Many who look at one dashboard: event streams over loopback, while rows are committed in Postgres at a steady pace. The
// time of a row begins when Postgres has acknowledged its commit and ends when a viewer has read the round that holds it,
// measured for every viewer and every row. A second run has half the viewers under choices of their own, so that there is
// more than one query to run.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { Session, root, sleep, until, usage } from './servers.mjs';
import { Tidemark } from './tidemark.mjs';
import { quantile } from './latency.mjs';

const table = 'bench_viewed';
const tiles = [
  ['Rows', 'number', `SELECT count() AS rows, max(id) AS newest FROM bronze.${table} WHERE empty({kind:Array(String)}) OR has({kind:Array(String)}, kind)`, 'y: rows'],
  ['Amount', 'number', `SELECT sum(amount) AS amount FROM bronze.${table}`, 'y: amount'],
  ['Kinds', 'top', `SELECT kind, count() AS rows FROM bronze.${table} GROUP BY kind ORDER BY rows DESC, kind LIMIT 10`, 'x: kind\n    y: rows'],
  ['By minute', 'line', `SELECT toStartOfMinute(at) AS minute, count() AS rows FROM bronze.${table} GROUP BY minute ORDER BY minute LIMIT 500`, 'x: minute\n    y: rows'],
  ['Newest', 'table', `SELECT id, kind, amount FROM bronze.${table} ORDER BY id DESC LIMIT 20`, ''],
];
const shapes = [
  { shape: 'one choice', choices: 1 },
  { shape: '20 choices', choices: 20 },
];

class Viewed extends Tidemark {
  async write_project() {
    await super.write_project();
    fs.mkdirSync(`${this.directory}/dashboards`, { recursive: true });
    const written = tiles.map(([title, chart, sql, more]) => `  - title: ${title}\n    chart: ${chart}\n    sql: "${sql}"\n${more && `    ${more}\n`}`);
    fs.writeFileSync(`${this.directory}/dashboards/viewed.yaml`, `dashboard: viewed\nfilters:\n  - { filter: kind }\ntiles:\n${written.join('')}`);
  }
  async metric(name) {
    const text = await (await fetch(`http://127.0.0.1:${this.http_port}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }
}

// The viewers, in a process of their own.
class Audience {
  constructor(port, viewers, choices) {
    this.child = spawn(process.execPath, [`${root}/bench/viewer_sockets.mjs`, String(port), String(viewers), String(choices)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = [];
    let text = '';
    this.child.stdout.on('data', (piece) => {
      text += piece;
      const parts = text.split('\n');
      text = parts.pop();
      this.lines.push(...parts);
    });
  }
  async next(what) {
    await until(what, () => {
      if (this.child.exitCode !== null) throw new Error('the viewers ended by themselves');
      return this.lines.length > 0;
    }, { deadline_s: 120 });
    return JSON.parse(this.lines.shift());
  }
  ask(question) { this.child.stdin.write(`${JSON.stringify(question)}\n`); }
}

export async function viewers({ postgres, start_peer, seconds, program, directory, note, viewers: count }) {
  if (!program) return null;
  fs.mkdirSync(directory, { recursive: true });
  const warehouse = await start_peer();
  await postgres.run(`DROP TABLE IF EXISTS ${table}`);
  await postgres.run(`CREATE TABLE ${table} (id bigint PRIMARY KEY, kind text NOT NULL, amount numeric(12, 2) NOT NULL, at timestamp NOT NULL)`);
  await postgres.run(`INSERT INTO ${table} SELECT -n, 'kind ' || n % 20, n % 1000, now() - n * interval '1 second' FROM generate_series(1, 100000) AS n`);
  const project = new Viewed({ program, directory, postgres, warehouse, name: 'bench_viewed', tables: [table] });
  await project.write_project();
  project.start();
  const session = new Session(postgres.url);
  const measured = { seconds, viewers: count, results: {}, usages: [] };
  try {
    await project.until_streaming();
    let id = 0;
    for (const { shape, choices } of shapes) {
      note(`viewers: ${count}, ${shape}`);
      const audience = new Audience(project.http_port, count, choices);
      await audience.next('the viewers to see a first round');
      const before = { ours: project.usage(), theirs: usage(warehouse.child.pid), queries: await project.metric('tidemark_dashboard_queries_total') };
      const commits = [];
      const begun = performance.now();
      for (let n = 0; performance.now() - begun < seconds * 1000; ++n) {
        const wait = begun + n * 100 - performance.now();
        if (wait > 1) await sleep(wait);
        await session.run(`INSERT INTO ${table} VALUES (${++id}, 'kind ${id % 20}', 1, now())`);
        commits.push([id, performance.timeOrigin + performance.now()]);
      }
      audience.ask({ commits });
      const { latencies_ms, missing, bytes } = await audience.next('the last round');
      if (missing > 0) throw new Error(`${missing} times a viewer did not see a row`);
      const wall_s = (performance.now() - begun) / 1000;
      const ours = project.usage();
      const cpu_s = ours.cpu_s - before.ours.cpu_s;
      const warehouse_cpu_s = usage(warehouse.child.pid).cpu_s - before.theirs.cpu_s;
      measured.results[shape] = {
        commits: commits.length, p50: quantile(latencies_ms, 0.5), p99: quantile(latencies_ms, 0.99), max: latencies_ms.at(-1),
        queries: (await project.metric('tidemark_dashboard_queries_total')) - before.queries, cores: cpu_s / wall_s, warehouse_cores: warehouse_cpu_s / wall_s, mb: ours.peak_mb, sent_mb: bytes / 1e6,
      };
      measured.usages.push({ ...ours, cpu_s, warehouse_cpu_s });
      audience.child.stdin.end();
      await until('the viewers to leave', () => audience.child.exitCode !== null, { deadline_s: 30 });
    }
  } finally {
    await session.close();
    await project.stop();
    await project.forget();
  }
  return measured;
}

export function viewers_report({ seconds, viewers: count, results }, { row, heading, promise }) {
  const out = ['', `### ${count.toLocaleString('en')} viewers of one dashboard of ${tiles.length} tiles, 10 commits/s, ${seconds} s`, '',
    ...heading('', 'commit to viewer p50 ms', 'p99 ms', 'max ms', 'commits', 'queries', 'cores: tidemark', 'ClickHouse', 'peak MB', 'sent MB')];
  for (const [shape, one] of Object.entries(results))
    out.push(row(shape, one.p50.toFixed(0), one.p99.toFixed(0), one.max.toFixed(0), one.commits, one.queries, one.cores.toFixed(2), one.warehouse_cores.toFixed(2), one.mb.toFixed(0), one.sent_mb.toFixed(0)));
  const { p99 } = results[shapes[0].shape];
  promise(`${count.toLocaleString('en')} viewers, commit to viewer p99 at most 1,000 ms`, p99, p99 <= 1000, 'ms');
  return out;
}
