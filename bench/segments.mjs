// Segments at size: people mirrored from Postgres, a history of events, 50 segments that use every group of the language.
// Measured: evaluation of everybody, an event accepted to the webhook it causes at a steady rate, and many exits that come
// due in one second while the live load goes on. All on this machine: Postgres, both servers, sender and receiver share it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import readline from 'node:readline';
import { Tidemark } from './tidemark.mjs';
import { end, free_port, root, sleep, until, usage } from './servers.mjs';

const write_key = 'bench-write-key-0123456789';
const burst_window_s = 90;
const zones = ['Asia/Tokyo', 'Europe/Rome', 'America/New_York', 'Europe/London', 'UTC'];

// The same 25 shapes twice, the second time over other windows.
const shapes = [
  '{property: plan, eq: pro}',
  '[{property: industry, eq: i3}, {property: size, gte: 250}]',
  '{property: city, in: [c1, c2, c3]}',
  '{property: signed_up, within_last: 30d}',
  '{any: [{property: industry, starts_with: i1}, {property: size, lt: 10}]}',
  '{event: order, count: {gte: 2}, within: 30d}',
  '{event: order, count: 0, within: 30d}',
  '{event: visit, count: {gte: 5}, within: 7d}',
  '[{property: plan, eq: free}, {event: visit, count: {gte: 3}, within: 14d}]',
  '{event: order, sum: {property: amount, gte: 200}, within: 60d}',
  '{event: order, last: {plan: pro}}',
  '{event: click, where: {page: /p7}, within: 30d}',
  '{event: visit, active_days: {gte: 4}, within: 30d}',
  '{sequence: [{event: cart}, {event: order}], within: 1d, started: {within: 30d}}',
  '{sequence: [{event: cart}, {no_event: order}], within: 2h, started: {within: 7d}}',
  '{stopped: visit, for: 14d, active_within: 60d}',
  '{not: {event: support, within: 30d}}',
  '{random: 10%}',
  '{all: [{not: {property: plan, eq: team}}, {any: [{event: search, within: 7d}, {event: cart, within: 7d}]}]}',
  '{event: visit, regularly: {times: 1, periods: 3, of: 4, period: week}}',
  '{event: "s*", count: {between: [1, 3]}, within: 30d}',
  '{event: order, max: {property: amount, gte: 150}, within: 90d}',
  '{event: order, first: {amount: {gte: 100}}}',
  '{restarted: visit, after: 20d, within: 7d}',
];
const other_windows = { '30d': '45d', '7d': '10d', '14d': '21d', '60d': '75d' };

function definitions() {
  const all = [...shapes, ...shapes.map((shape) => shape.replace(/\b(30d|7d|14d|60d)\b/, (window) => other_windows[window]))].map((where, index) => ({ name: `s${index}`, where, notify: '' }));
  all.push({ name: 'pinged', where: '{event: ping}', notify: 'notify: [hook]' });
  all.push({ name: 'burst', where: `{event: burst, within: ${burst_window_s}s}`, notify: 'notify: [bulk]' });
  return all;
}

class Segments extends Tidemark {
  async write_project() {
    await super.write_project();
    fs.writeFileSync(`${this.directory}/sources/app.yaml`, `source: app\nevents: { write_keys: ${write_key}, spool: { path: ./spool } }\n`);
  }
  write_segments(hook_port, zone) {
    for (const folder of ['segments', 'destinations']) fs.mkdirSync(`${this.directory}/${folder}`, { recursive: true });
    for (const { name, where, notify } of definitions())
      fs.writeFileSync(`${this.directory}/segments/${name}.yaml`, `segment: ${name}\nentity: bronze.people\nwhere: ${where}\ntime_zone: ${zone}\n${notify}\n`);
    const url = `http://127.0.0.1:${hook_port}/`;
    const secret = `whsec_${Buffer.from('bench-secret-of-32-bytes-exactly').toString('base64')}`;
    fs.writeFileSync(`${this.directory}/destinations/hook.yaml`, `destination: hook\nwebhook: { url: "${url}", secret: "${secret}", allow_private: true }\n`);
    fs.writeFileSync(`${this.directory}/destinations/bulk.yaml`, `destination: bulk\nwebhook: { url: "${url}", secret: "${secret}", allow_private: true }\nbatch: 500\nbatch_wait: 1s\n`);
  }
  async ready() {
    await until('tidemark to be ready', async () => {
      this.check();
      return (await fetch(`http://127.0.0.1:${this.http_port}/readyz`).catch(() => null))?.status === 200;
    }, { deadline_s: 600, every_ms: 100 });
  }
  // {ms, conditions, changes} of each evaluation of everybody.
  evaluations() {
    const log = fs.readFileSync(`${this.directory}/log`, 'utf8');
    return [...log.matchAll(/everybody in \S+ was evaluated in (\d+) ms, (\d+) conditions, (\d+) changes/g)].map(([, ms, conditions, changes]) => ({ ms: Number(ms), conditions: Number(conditions), changes: Number(changes) }));
  }
  // {mb, seconds} of each time that facts of everybody were read ahead.
  read_ahead() {
    const log = fs.readFileSync(`${this.directory}/log`, 'utf8');
    return [...log.matchAll(/facts of (\d+) of (\d+) entities of \S+ are in memory, (\d+) MB, read in (\d+) s/g)].map(([, , , mb, seconds]) => ({ mb: Number(mb), seconds: Number(seconds) }));
  }
}

class Load {
  constructor(port, hook_port) {
    this.child = spawn(process.execPath, [`${root}/bench/segment_load.mjs`, port, write_key, hook_port].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = new Map();
    this.count = 0;
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line);
      const waiter = this.waiting.get(id);
      this.waiting.delete(id);
      if (answer.error) waiter?.reject(new Error(answer.error));
      else waiter?.resolve(answer);
    });
  }
  ask(command) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }
  async close() {
    this.child.stdin.end();
    await end(this.child);
  }
}

export async function segments({ postgres, start_peer, people, history, seconds, rounds, program, directory, note }) {
  if (!program) return null;
  fs.mkdirSync(directory, { recursive: true });
  const warehouse = await start_peer();
  await postgres.run('DROP TABLE IF EXISTS people');
  await postgres.run(`CREATE TABLE people AS SELECT 'u' || n AS id, (ARRAY['free', 'pro', 'team'])[1 + n % 3] AS plan, now() - (n % 400) * interval '1 day' AS signed_up,
    jsonb_build_object('industry', 'i' || n % 20, 'size', n % 500, 'city', 'c' || n % 100) AS properties FROM generate_series(0, ${people} - 1) AS n`);
  await postgres.run('ALTER TABLE people ADD PRIMARY KEY (id)');
  const run = new Segments({ program, directory, postgres, warehouse, name: 'bench_people', tables: ['people'] });
  const hook_port = await free_port();
  await run.write_project();
  run.write_segments(hook_port, 'Europe/Berlin');
  run.start();
  let load = null;
  const measured = { people, history, seconds, rate: 500, burst: Math.min(100_000, people), evaluations: [], live: [], bursts: [], usages: [] };
  try {
    await run.ready();
    await run.stop();
    note(`segments: ${history.toLocaleString('en')} events of history`);
    await warehouse.query(`INSERT INTO bronze.app_events (message_id, type, user_id, event, timestamp, received_at, properties, _version, _committed_at)
      SELECT 'h' || toString(number), 'track', 'u' || toString(sipHash64(number) % ${people}), ['visit', 'visit', 'visit', 'visit', 'click', 'click', 'cart', 'order', 'search', 'support'][1 + sipHash64(number, 1) % 10],
        now64(6) - toIntervalSecond(60 + sipHash64(number, 2) % 7776000), now64(6), concat('{"amount":', toString(sipHash64(number, 3) % 200), ',"plan":"', ['free', 'pro'][1 + number % 2], '","page":"/p', toString(number % 50), '"}'), 1, now64(6) FROM numbers(${history})`);
    // Another zone is another version of each definition: everybody is evaluated anew. The first time finds what the history above
    // changed, nearly all memberships, which the program has to take in and write; the others are the question alone.
    for (const zone of zones.slice(-rounds - 1)) {
      run.write_segments(hook_port, zone);
      const done = run.evaluations().length;
      const read = run.read_ahead().length;
      run.start();
      await run.ready();
      const evaluation = await until('everybody to be evaluated', () => run.evaluations()[done], { every_ms: 100 });
      note(`segments: everybody in ${evaluation.ms} ms, ${evaluation.changes} changes`);
      if (measured.first) measured.evaluations.push(evaluation.ms / 1000);
      measured.first ??= evaluation;
      measured.conditions = evaluation.conditions;
      if (zone !== zones.at(-1)) {
        await run.stop();
        continue;
      }
      measured.memory = await until('facts of everybody to be read', () => run.read_ahead()[read], { every_ms: 100, deadline_s: 600 });
      note(`segments: facts in memory ${JSON.stringify(measured.memory)}`);
    }
    load = new Load(run.http_port, hook_port);
    await sleep(1000);
    // Warm up, then the measured rounds. Each ping goes to a user that was never pinged.
    let first = 0;
    for (let round = 0; round <= rounds; ++round) {
      const before = { ours: run.usage(), theirs: usage(warehouse.child.pid) };
      const live = await load.ask({ do: 'load', rate: measured.rate, seconds: round === 0 ? 5 : seconds, users: people, ping_every: 5, first });
      first += measured.rate * seconds;
      note(`segments: live ${JSON.stringify(live)}`);
      run.check();
      if (round === 0) continue;
      measured.live.push(live);
      const ours = run.usage();
      measured.usages.push({ ...ours, cpu_s: ours.cpu_s - before.ours.cpu_s, warehouse_cpu_s: usage(warehouse.child.pid).cpu_s - before.theirs.cpu_s });
    }
    const at = Date.now();
    const due = at + burst_window_s * 1000;
    const sent = await load.ask({ do: 'burst', count: measured.burst, at, first: 0 });
    const entered = await load.ask({ do: 'count', subject: 'burst', type: 'segment.entered', want: measured.burst, seconds: burst_window_s });
    note(`segments: ${JSON.stringify({ sent, entered })}`);
    await sleep(Math.max(0, due - 5000 - Date.now()));
    const live = load.ask({ do: 'load', rate: measured.rate, seconds: 20, users: people, ping_every: 5, first });
    const exited = await load.ask({ do: 'count', subject: 'burst', type: 'segment.exited', want: measured.burst, seconds: burst_window_s });
    measured.bursts.push({ sent_s: sent.seconds, entered: entered.count, exited: exited.count, after_s: (exited.last - due) / 1000, live: await live });
    note(`segments: ${JSON.stringify(measured.bursts.at(-1))}`);
    run.check();
  } finally {
    await load?.close();
    await run.stop().catch(() => {});
  }
  return measured;
}

export function segments_report({ people, history, conditions, seconds, rate, first, evaluations, memory, live, bursts, burst }, { median, row, heading, promise }) {
  const whole = (number) => number.toLocaleString('en');
  const out = ['', `### Segments: ${whole(people)} people, ${whole(history)} events of history, ${conditions} segments`, '', ...heading('', 'median', 'range')];
  const range = (values, digits = 1) => `${Math.min(...values).toFixed(digits)} - ${Math.max(...values).toFixed(digits)}`;
  out.push(row('everybody evaluated by the oracle, timers and memberships found, s', median(evaluations).toFixed(1), range(evaluations)));
  out.push(row(`the first time, with ${whole(first.changes)} changes to take in, s`, (first.ms / 1000).toFixed(1), ''));
  out.push(row(`facts of everybody read into memory (${memory.mb} MB), s`, memory.seconds, ''));
  const of = (key) => live.map((one) => one[key]);
  for (const key of ['p50', 'p99', 'max']) out.push(row(`event accepted to webhook received at ${rate} events/s, ${key}, ms`, Math.round(median(of(key))), range(of(key), 0)));
  for (const one of bursts) {
    out.push(row(`${whole(burst)} exits due in one second, the last one received after, s`, one.after_s.toFixed(1), ''));
    out.push(row('meanwhile event accepted to webhook received, p99, ms', Math.round(one.live.p99), ''));
    if (one.entered !== burst || one.exited !== burst) throw new Error(`${one.entered} of ${burst} entries and ${one.exited} exits came`);
  }
  out.push('', `Live: ${seconds} s a round, every fifth event enters a segment; ${whole(live.reduce((sum, one) => sum + one.notified, 0))} of ${whole(live.reduce((sum, one) => sum + one.pings, 0))} such webhooks came. The exits go to a destination with batches of 500.`);
  promise('evaluation of everybody by the oracle, at most 30 s', median(evaluations), median(evaluations) <= 30, 's');
  promise('event accepted to webhook received p50, at most 150 ms', median(of('p50')), median(of('p50')) <= 150, 'ms');
  promise('event accepted to webhook received p99, at most 1 s', median(of('p99')), median(of('p99')) <= 1000, 'ms');
  for (const one of bursts) {
    promise(`${whole(burst)} exits due in one second, delivered within 10 s`, one.after_s, one.after_s <= 10, 's');
    promise('live p99 meanwhile, at most 2 s', one.live.p99, one.live.p99 <= 2000, 'ms');
  }
  return out;
}
