// A read-out at size: users in three arms, their events, ten metrics. Measured: the first question of a running project, the
// next one after events of a thousand users arrived, the verb (which reads everything anew), and the same numbers by SQL as an
// analyst would write it over the same tables. Sums must agree, but for those by hand of retention, funnel and time to order, which
// that SQL defines otherwise (windows that are not over, the order at equal times). The statistics of these sums are GrowthBook's
// engine's, in Python (experiments_engine.py, in an environment of its own under build/ that the first run makes); the intervals of both agree.
import fs from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { Tidemark } from './tidemark.mjs';
import { Warehouse, sleep, until, usage } from './servers.mjs';

const write_key = 'bench-write-key-0123456789';
const day = 86_400;

const metrics = {
  conversion: "kind: proportion\nwhere: event = 'order'\nwindow: 7d",
  revenue: "kind: mean\nwhere: event = 'order'\nvalue: value\nwindow: 7d\ncuped: 14d",
  orders: "kind: count\nwhere: event = 'order'\nwindow: 7d",
  revenue_capped: "kind: mean\nwhere: event = 'order'\nvalue: value\nwindow: 7d\ncap: { percentile: 0.99 }",
  order_value: "kind: ratio\nwhere: event = 'order'\nvalue: value\nwindow: 7d\ndenominator: { where: event = 'order' }",
  clicks: "kind: count\nwhere: event = 'click'\nwindow: 7d",
  next_week: 'kind: retention\nafter: 7d\nwindow: 7d',
  checkout: "kind: funnel\nwindow: 7d\nsteps:\n  - { step: view, where: event = 'view' }\n  - { step: cart, where: event = 'cart' }\n  - { step: order, where: event = 'order' }",
  time_to_order: "kind: time_to_event\nwhere: event = 'order'\nwindow: 7d",
  views: "kind: count\nwhere: event = 'view'\nwindow: 7d",
};

// The same, by hand: units first, then their sums.
const by_hand = `CREATE TABLE bench_units ENGINE = MergeTree ORDER BY tuple() AS
WITH exposed AS (SELECT user_id, any(variant) AS arm, min(at) AS first FROM bronze.shop_exposures WHERE experiment = 'checkout' GROUP BY user_id HAVING uniqExact(variant) = 1)
SELECT x.user_id AS user_id, any(x.arm) AS arm, any(x.first) AS first,
  countIf(event = 'order' AND since >= 0 AND since < ${7 * day}000) AS orders, sumIf(value, event = 'order' AND since >= 0 AND since < ${7 * day}000) AS revenue,
  sumIf(value, event = 'order' AND since < 0 AND since >= -${14 * day}000) AS revenue_before,
  countIf(event = 'click' AND since >= 0 AND since < ${7 * day}000) AS clicks, countIf(event = 'view' AND since >= 0 AND since < ${7 * day}000) AS views,
  countIf(since >= ${7 * day}000 AND since < ${14 * day}000) > 0 AS returned,
  minIf(since, event = 'order' AND since >= 0 AND since < ${7 * day}000) AS first_order,
  windowFunnel(${7 * day})(toDateTime(at), event = 'view' AND since >= 0, event = 'cart' AND since >= 0, event = 'order' AND since >= 0) = 3 AS funnel
FROM (SELECT x.user_id, x.arm, x.first, e.event AS event, e.value AS value, e.at AS at, if(e.user_id = '', toInt64(-1000000000000000), dateDiff('millisecond', x.first, e.at)) AS since FROM bench.events AS e RIGHT JOIN exposed AS x ON e.user_id = x.user_id) AS x
GROUP BY user_id`;
const sums_by_hand = `WITH (SELECT quantileExact(0.99)(revenue) FROM bench_units) AS cap
SELECT arm, count(), countIf(orders > 0), sum(revenue), sum(revenue * revenue), sum(revenue_before), sum(revenue * revenue_before), sum(orders), sum(orders * orders), sum(least(revenue, cap)), sum(orders * revenue), sum(clicks), sum(clicks * clicks),
  sum(returned), sum(funnel), sum(if(orders > 0, first_order / 1000, ${7 * day})), sum(views), sum(views * views) FROM bench_units GROUP BY arm ORDER BY arm`;

class Experiments extends Tidemark {
  async write_project() {
    await super.write_project();
    fs.rmSync(`${this.directory}/sources/${this.name}.yaml`);
    const row = 'user_id: String, at: "DateTime64(3)"';
    fs.writeFileSync(`${this.directory}/sources/app.yaml`, `source: app
events:
  write_keys: ${write_key}
  spool: { path: ./spool }
  tables:
    - { table: shop_events, columns: { ${row}, event: String, value: Float64 } }
    - { table: shop_exposures, columns: { ${row}, experiment: String, variant: String } }
`);
  }
  write_experiment() {
    for (const folder of ['models/bench', 'metrics', 'experiments']) fs.mkdirSync(`${this.directory}/${folder}`, { recursive: true });
    // Sorted by who did it: what read-outs and recomputes of a few users ask for.
    fs.writeFileSync(`${this.directory}/models/bench/events.sql`, '-- kind: incremental\n-- order_by: user_id\nSELECT user_id, at, event, value FROM bronze.shop_events\n');
    for (const [name, text] of Object.entries(metrics))
      fs.writeFileSync(`${this.directory}/metrics/${name}.yaml`, `metric: ${name}\nfrom: bench.events\nunit: user_id\ntime: at\n${text}\n`);
    fs.writeFileSync(`${this.directory}/experiments/checkout.yaml`, `experiment: checkout
exposures: { from: bronze.shop_exposures, experiment: experiment, unit: user_id, variant: variant, time: at }
variants:
  - { variant: control, control: true }
  - { variant: green }
  - { variant: blue }
goals: [${Object.keys(metrics).filter((name) => name !== 'views').join(', ')}]
guardrails: [views]
`);
  }
  async ready() {
    await until('tidemark to be ready', async () => {
      this.check();
      return (await fetch(`http://127.0.0.1:${this.http_port}/readyz`).catch(() => null))?.status === 200;
    }, { deadline_s: 1800, every_ms: 100 });
  }
  // The read-out and how long it took. A cold one of this size may outlast the time an answer waits for.
  async report() {
    const begun = performance.now();
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.http_port}/api/experiments/checkout`);
      const text = await answer.text();
      if (answer.status === 200) return { seconds: (performance.now() - begun) / 1000, document: JSON.parse(text) };
      if (answer.status !== 503) throw new Error(`${answer.status}: ${text}`);
      await sleep(50);
    }
  }
  async send(rows) {
    const answer = await fetch(`http://127.0.0.1:${this.http_port}/v1/ingest/shop_events`, { method: 'POST', headers: { 'X-Write-Key': write_key }, body: rows.map((row) => `${JSON.stringify(row)}\n`).join('') });
    if (answer.status !== 200) throw new Error(await answer.text());
  }
  verb(...more) {
    const begun = performance.now();
    return new Promise((resolve, reject) => {
      const child = spawn(this.program, ['experiment', 'report', 'checkout', '--json', ...more, '--project', this.directory], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, BENCH_PASSWORD: Warehouse.password } });
      let text = '';
      child.stdout.on('data', (piece) => (text += piece));
      child.once('exit', (code) => (code === 0 ? resolve({ seconds: (performance.now() - begun) / 1000, document: JSON.parse(text) }) : reject(new Error(`tidemark experiment report ended with ${code}`))));
    });
  }
}

// By arm, in the order of the columns of sums_by_hand. windowFunnel counts in seconds and has an order of its own for equal
// times, so the funnel is not compared.
function compare(document, lines) {
  const arms = (metric) => new Map(document.metrics.find((one) => one.metric === metric).arms.map((arm) => [arm.variant, arm.sums]));
  for (const line of lines) {
    const [arm, ...values] = line.split('\t');
    const of = (metric) => arms(metric).get(arm);
    const ours = [of('orders').n, of('conversion').sum, of('revenue').post_sum, of('revenue').post_sum_squares, of('revenue').pre_sum, of('revenue').post_pre_sum_products, of('orders').sum, of('orders').sum_squares, of('revenue_capped').sum,
      of('order_value').num_den_sum_products, of('clicks').sum, of('clicks').sum_squares, null, null, null, of('views').sum, of('views').sum_squares];
    ours.forEach((value, index) => {
      const theirs = Number(values[index]);
      if (value !== null && !(Math.abs(value - theirs) <= 1e-8 * Math.max(1, Math.abs(theirs)))) throw new Error(`${arm}, column ${index}: ${value} and by hand ${theirs}`);
    });
  }
}

const engine_version = '0.8.0';

// GrowthBook's engine, or why there is none.
async function make_engine(build) {
  const directory = path.join(build, '../bench/python');
  const python = path.join(directory, 'bin/python');
  const done = (program, ...args) => run_program(program, args).then(() => true, () => false);
  if (await done(python, '-c', 'import gbstats')) return { python };
  if (!(await done('python3', '-m', 'venv', directory))) return { missing: 'no python3 with venv' };
  if (!(await done(python, '-m', 'pip', 'install', '--quiet', `gbstats==${engine_version}`))) return { missing: `pip does not install gbstats ${engine_version}` };
  return { python };
}

function run_program(program, args, input = '') {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (piece) => (text += piece));
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve(text) : reject(new Error(`${program} ended with ${code}`))));
    child.stdin.end(input);
  });
}

// The engine's part: the process, its loading included, and its intervals against ours.
async function ask_engine({ python }, document) {
  const metrics = document.metrics.map(({ metric, arms }) => ({ metric, arms, control: 0 }));
  const begun = performance.now();
  const { seconds, results } = JSON.parse(await run_program(python, [path.join(import.meta.dirname, 'experiments_engine.py')], JSON.stringify({ alpha: document.alpha, metrics })));
  const took = (performance.now() - begun) / 1000;
  for (const theirs of results) {
    const ours = document.metrics.find((one) => one.metric === theirs.metric).comparisons.find((one) => one.variant === theirs.variant);
    for (const kind of ['fixed', 'sequential'])
      for (const end of ['lower', 'upper'])
        if (!(Math.abs(ours[kind][end] - theirs[kind][end]) <= 1e-6)) throw new Error(`${theirs.metric} ${theirs.variant} ${kind} ${end}: ${ours[kind][end]} and gbstats ${theirs[kind][end]}`);
  }
  return { took, seconds, compared: results.length * 4 };
}

export async function experiments({ postgres, start_peer, users, 'experiment-events': events, rounds, program, build, directory, note }) {
  if (!program) return null;
  fs.mkdirSync(directory, { recursive: true });
  const warehouse = await start_peer();
  const run = new Experiments({ program, directory, postgres, warehouse, name: 'bench_experiments', tables: [] });
  await run.write_project();
  run.start();
  const measured = { users, events, rounds, cold: [], verb: [], by_hand: [], engine: [], incremental: [], waited: [], usages: [] };
  const engine = await make_engine(build);
  try {
    await run.ready();
    await run.stop();
    note(`experiments: ${users.toLocaleString('en')} users, ${events.toLocaleString('en')} events`);
    // Exposures over the last 30 days, events of any time from 20 days before to 20 after. 0.4 % see a second arm.
    const exposed = `now64(3) - toIntervalSecond(60 + sipHash64(user, 1) % ${30 * day})`;
    await warehouse.query(`INSERT INTO bronze.shop_exposures (experiment, user_id, variant, at, _version, _committed_at)
      SELECT 'checkout', 'user-' || toString(user), ['control', 'green', 'blue'][1 + (sipHash64(user) + (again = 1)) % 3], ${exposed}, 1, now64(6) FROM (SELECT number % ${users} AS user, intDiv(number, ${users}) AS again FROM numbers(${Math.floor(users * 1.004)}))`);
    await warehouse.query(`INSERT INTO bronze.shop_events (user_id, event, value, at, _version, _committed_at)
      SELECT 'user-' || toString(user), ['view', 'view', 'view', 'view', 'click', 'click', 'cart', 'search', 'view', 'order'][1 + sipHash64(number, 2) % 10] AS event, if(event = 'order', 5 + sipHash64(number, 3) % 20000 / 100, 0),
        least(now64(3) - toIntervalSecond(1), ${exposed} + toIntervalMillisecond(toInt64(sipHash64(number, 4) % ${40 * day}000) - ${20 * day}000)), 1, now64(6) FROM (SELECT number, sipHash64(number, 5) % ${users} AS user FROM numbers(${events}))`);
    run.write_experiment();
    const filled = performance.now();
    run.start();
    await run.ready();
    await until('models to be filled', async () => {
      run.check();
      return (await warehouse.query_or('0', 'SELECT count() FROM bench.events')) === String(events) && (await warehouse.query_or('0', 'SELECT sum(exposures) FROM tidemark_experiments.checkout_exposures')) === String(Math.floor(users * 1.004));
    }, { deadline_s: 1800, every_ms: 200 });
    measured.fill_s = (performance.now() - filled) / 1000;
    note(`experiments: models filled in ${measured.fill_s.toFixed(0)} s`);
    for (let round = 0; round < rounds; ++round) {
      const by_verb = await run.verb();
      measured.verb.push(by_verb.seconds);
      const begun = performance.now();
      await warehouse.query('DROP TABLE IF EXISTS bench_units SYNC');
      await warehouse.query(by_hand);
      const lines = (await warehouse.query(sums_by_hand)).split('\n');
      measured.by_hand.push((performance.now() - begun) / 1000);
      compare(by_verb.document, lines);
      if (engine.python) {
        const { took, compared } = await ask_engine(engine, by_verb.document);
        measured.engine.push(measured.by_hand.at(-1) + took);
        measured.compared = compared;
      } else {
        measured.no_engine = engine.missing;
      }
      note(`experiments: verb ${by_verb.seconds.toFixed(2)} s, by hand ${measured.by_hand.at(-1).toFixed(2)} s`);
    }
    for (let round = 0; round < rounds; ++round) {
      // A process keeps nothing of the one before.
      if (round > 0) {
        await run.stop();
        run.start();
        await run.ready();
      }
      const first = await run.report();
      if (first.document.units_recomputed !== 'all') throw new Error(`the first question was answered from what was kept: ${first.document.units_recomputed}`);
      measured.cold.push(first.seconds);
      for (let turn = 0; turn < 3; ++turn) {
        const before = Number(await warehouse.query('SELECT count() FROM bench.events'));
        await run.send(Array.from({ length: 1000 }, (_, index) => ({ user_id: `user-${(index * 7919 + turn * 104729 + round) % users}`, event: 'order', value: 10, at: new Date().toISOString() })));
        const sent = performance.now();
        await until('events to be in', async () => Number(await warehouse.query('SELECT count() FROM bench.events')) === before + 1000, { deadline_s: 60, every_ms: 10 });
        await sleep(2200);  // an answer is given again for two seconds
        const next = await run.report();
        if (!(next.document.units_recomputed > 0)) throw new Error(`${next.document.units_recomputed} units were recomputed`);
        measured.incremental.push(next.seconds);
        measured.waited.push((performance.now() - sent) / 1000);
      }
      note(`experiments: first question ${first.seconds.toFixed(2)} s, next ones ${measured.incremental.slice(-3).map((one) => one.toFixed(2)).join(', ')} s`);
    }
    // What was kept and what is read anew are the same, as of the same moment: windows end as time passes.
    const kept = (await run.report()).document;
    if (kept.units_sorted !== true) throw new Error(`units are not sorted behind the answers: ${kept.units_sorted}`);
    const anew = (await run.verb('--at', kept.as_of)).document;
    for (const metric of kept.metrics)
      metric.arms.forEach((arm, index) => {
        for (const [name, value] of Object.entries(arm.sums)) {
          const other = anew.metrics.find((one) => one.metric === metric.metric).arms[index].sums[name];
          if (typeof value === 'number' && !(Math.abs(value - other) <= 1e-9 * Math.max(1, Math.abs(other)))) throw new Error(`${metric.metric} ${name}: kept ${value}, anew ${other}`);
        }
      });
    run.check();
    measured.usages.push({ ...run.usage(), warehouse_cpu_s: usage(warehouse.child.pid).cpu_s });
    measured.warehouse_mb = usage(warehouse.child.pid).peak_mb;
  } finally {
    await run.stop().catch(() => {});
  }
  return measured;
}

export function experiments_report({ users, events, cold, verb, by_hand: hand, engine, compared, no_engine, incremental, fill_s, warehouse_mb }, { median, row, heading, promise }) {
  const whole = (number) => number.toLocaleString('en');
  const range = (values) => `${Math.min(...values).toFixed(2)} - ${Math.max(...values).toFixed(2)}`;
  const line = (what, values) => row(what, median(values).toFixed(2), range(values));
  const out = ['', `### Experiments: ${whole(users)} users in 3 arms, ${whole(events)} events, 10 metrics`, '', ...heading('', 'median', 'range')];
  out.push(line('first question of a running project, s', cold));
  out.push(line('next question, events of 1,000 users later, s', incremental));
  out.push(line('tidemark experiment report, everything read anew, s', verb));
  out.push(line('the same sums by hand-written SQL over the same tables, s', hand));
  if (engine.length) out.push(line(`that SQL and GrowthBook's engine (gbstats ${engine_version}) in Python, s`, engine));
  out.push('', `Exposures and events sorted by user were filled in ${fill_s.toFixed(0)} s before. The warehouse took at most ${whole(Math.round(warehouse_mb))} MB. Sums of what was kept agree with those read anew, and those with the sums by hand; not compared by hand are retention, funnel and time to order, which that SQL defines otherwise. ${no_engine ? `There is no Python engine in the comparison: ${no_engine}.` : `${compared} ends of fixed and sequential intervals are the engine's, to 1e-6.`}`);
  promise('tidemark experiment report, everything read anew, at most 10 s', median(verb), median(verb) <= 10, 's');
  promise('first question, at most 10 s', median(cold), median(cold) <= 10, 's');
  promise('next question, at most 1 s', median(incremental), median(incremental) <= 1, 's');
  return out;
}
