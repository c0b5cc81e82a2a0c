// The run as a page of Markdown: machine, tables, and the ratios that Tidemark has promised, each met or not.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { events_report } from './events.mjs';
import { webhooks_report } from './webhooks.mjs';
import { segments_report } from './segments.mjs';
import { experiments_report } from './experiments.mjs';
import { viewers_report } from './viewers.mjs';
import { kafka_report } from './kafka_report.mjs';
import { busy, busy_rate, counted } from './latency.mjs';
import { running_report } from './running.mjs';
import { references } from './stream.mjs';

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const millions = (rate) => (rate / 1e6).toFixed(2);
const spread = (values) => `${millions(Math.min(...values))} - ${millions(Math.max(...values))}`;
const row = (...cells) => `| ${cells.join(' | ')} |`;
const heading = (...cells) => [row(...cells), row(...cells.map(() => '---'))];

function resources(usages) {
  if (!usages.length) return [];
  return ['', `tidemark: ${median(usages.map((u) => u.cpu_s)).toFixed(1)} CPU s, peak resident ${Math.max(...usages.map((u) => u.peak_mb)).toFixed(0)} MB; ` +
    `ClickHouse meanwhile ${median(usages.map((u) => u.warehouse_cpu_s)).toFixed(1)} CPU s (medians of ${usages.length}).`];
}

export function report({ snapshot, stream, running, latency, models, kafka, events, webhooks, segments, experiments, viewers, postgres, warehouse, command, rounds, ours }) {
  const promises = [];
  const promise = (text, value, met, unit = 'x') => promises.push({ text, value: value === null ? 'not measured' : `${value.toFixed(unit === 'x' ? 2 : 1)}${unit === 'x' ? 'x' : ` ${unit}`}`, met });
  let commit = '';
  try { commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim(); } catch { /* an archive */ }
  const cpu = os.cpus()[0].model.trim();
  const out = [
    `Measured ${new Date().toISOString().slice(0, 10)} with \`${command}\`${commit && ` at ${commit}`}, medians of ${rounds} rounds, the contestants taking turns.`,
    `Machine: ${os.cpus().length} cores (${cpu}), ${Math.round(os.totalmem() / 2 ** 30)} GB; Postgres ${postgres.version}, ClickHouse ${warehouse.version}, both on this machine; fsync on.`,
  ];
  if (!ours) out.push('', '**Without Tidemark: only the peers were measured.**');
  const peaks = [];
  if (snapshot) {
    out.push('', `### Initial copy, ${snapshot.rows.toLocaleString('en')} rows of 7 columns`, '', ...heading('', 'M rows/s', 'range'));
    for (const [name, rates] of Object.entries(snapshot.results)) out.push(row(name, millions(median(rates)), spread(rates)));
    out.push(...resources(snapshot.usages));
    peaks.push(...snapshot.usages);
    const of = (name) => snapshot.results[name] && median(snapshot.results[name]);
    if (of('tidemark')) {
      const a = of('tidemark') / of('INSERT SELECT FROM postgresql()');
      const b = of('tidemark') / of('COPY (binary) to /dev/null');
      promise('initial copy, at least 1.5x postgresql()', a, a >= 1.5);
      promise('initial copy, at least 0.4x COPY (binary)', b, b >= 0.4);
    }
  }
  if (stream) {
    const shapes = Object.keys(stream.results);
    const names = Object.keys(stream.results[shapes[0]]);
    out.push('', '### Catching up with a backlog, 70 % inserts, 30 % updates', '', ...heading('M changes/s', ...shapes));
    for (const name of names) out.push(row(name, ...shapes.map((shape) => `${millions(median(stream.results[shape][name]))} (${spread(stream.results[shape][name])})`)));
    out.push(...resources(stream.usages));
    peaks.push(...stream.usages);
    if (stream.start_seconds.length) out.push('', `Not counted: from the start of the process to the slot taken, ${median(stream.start_seconds).toFixed(2)} s.`);
    if (stream.results[shapes[0]].tidemark) {
      const same = Object.keys(references).find((name) => JSON.stringify(references[name]) === JSON.stringify(stream.options));
      if (!same) throw new Error(`no reference has Tidemark's replication options ${JSON.stringify(stream.options)}; add it to bench/stream.mjs`);
      out.push('', `Tidemark used the options of "${same}" (from the server's log).`);
      for (const shape of shapes) {
        const of = (name) => median(stream.results[shape][name]);
        const a = of('tidemark') / of(same);
        const b = of('tidemark') / of('MaterializedPostgreSQL');
        promise(`stream, ${shape}, at least 0.85x pg_recvlogical with the same options`, a, a >= 0.85);
        promise(`stream, ${shape}, at least 2x MaterializedPostgreSQL`, b, b >= 2);
      }
    }
  }
  if (running) {
    out.push(...running_report(running, { median, row, heading, promise }));
    peaks.push(...running.usages);
  }
  if (latency) {
    out.push('', `### Commit to queryable at ${latency.rate} rows/s, single-row transactions, ${latency.seconds} s`, '',
      ...heading('ms', 'p50', 'p99', 'p50 from the commit\'s answer', 'p99 from the commit\'s answer', 'one question of the reader, p50', 'rows/s reached'));
    const of = (name, key) => median(latency.results[name].map((r) => r[key]));
    for (const name of Object.keys(latency.results)) {
      out.push(row(name, ...['p50', 'p99', 'from_commit_p50', 'from_commit_p99', 'asked_p50'].map((key) => of(name, key).toFixed(1)), of(name, 'rate').toFixed(0)));
    }
    if (latency.usages.length) {
      const u = latency.usages;
      out.push('', `tidemark: ${(median(u.map((x) => x.cpu_s / x.seconds)) * 100).toFixed(0)} % of one core, peak resident ${Math.max(...u.map((x) => x.peak_mb)).toFixed(0)} MB; ClickHouse, with the reader's queries, ${(median(u.map((x) => x.warehouse_cpu_s / x.seconds)) * 100).toFixed(0)} %.`);
    }
    peaks.push(...latency.usages);
    if (latency.results.tidemark) {
      promise('commit to queryable p50, at most 25 ms', of(counted, 'from_commit_p50'), of(counted, 'from_commit_p50') <= 25, 'ms');
      promise('commit to queryable p99, at most 120 ms', of(counted, 'from_commit_p99'), of(counted, 'from_commit_p99') <= 120, 'ms');
      promise('commit to queryable p99 at 20,000 rows/s, at most 500 ms', of(busy, 'from_commit_p99'), of(busy, 'from_commit_p99') <= 500 && of(busy, 'rate') >= 0.95 * busy_rate, 'ms');
    }
  }
  if (models) {
    const { cost, query } = models;
    out.push('', `### Five live KPIs at ${cost.rate.toLocaleString('en')} changes/s on ${cost.history.toLocaleString('en')} impressions of history, ${cost.seconds} s`, '',
      ...heading('', 'cores of tidemark and ClickHouse', 'changes/s reached', 'behind when the load ends, ms'));
    const of = (name, key) => median(cost.results[name].map((r) => r[key]));
    for (const name of Object.keys(cost.results)) out.push(row(name, of(name, 'cores').toFixed(2), of(name, 'changes').toFixed(0), of(name, 'behind_ms').toFixed(0)));
    const extra = (name) => of(name, 'cores') - of('no models', 'cores');
    out.push('', `Keeping the KPIs right costs ${extra('tidemark').toFixed(2)} cores; recomputing them every second costs ${extra('refreshable MVs').toFixed(2)}, and grows with the history.`);
    for (const runs of Object.values(cost.results)) peaks.push(...runs);
    out.push('', `### mv_campaign_ctr at ${query.impressions.toLocaleString('en')} impressions and ${query.clicks.toLocaleString('en')} clicks, ${query.campaigns} campaigns`, '',
      ...heading('ms', 'p50', 'p99', 'queries'),
      row('mv_campaign_ctr', query.ours.p50.toFixed(1), query.ours.p99.toFixed(1), query.ours.times),
      row(query.original.error ? `as the original asks raw facts: ended by its limit (${query.original.error})` : 'as the original asks raw facts',
        `${query.original.error ? '> ' : ''}${query.original.ms.toFixed(0)}`, '', 1),
      row('counted once a fact table, over raw facts', query.raw.p50.toFixed(0), query.raw.p99.toFixed(0), query.raw.times));
    promise('mv_campaign_ctr, at least 100x the original over raw facts', query.original.ms / query.ours.p50, query.original.ms / query.ours.p50 >= 100);
    promise('mv_campaign_ctr p99, at most 20 ms', query.ours.p99, query.ours.p99 <= 20, 'ms');
  }
  if (kafka) {
    out.push(...kafka_report(kafka, { median, row, heading, promise }));
    peaks.push(...kafka.peaks);
  }
  if (events) {
    out.push(...events_report(events, { median, row, heading, promise }));
    peaks.push(...events.usages);
  }
  if (webhooks) {
    out.push(...webhooks_report(webhooks, { median, row, heading, promise }));
    peaks.push(...webhooks.usages);
  }
  if (segments) {
    out.push(...segments_report(segments, { median, row, heading, promise }));
    out.push(...resources(segments.usages));
    // Facts of everybody are kept beside what the promise is about.
    peaks.push(...segments.usages.map((usage) => ({ ...usage, peak_mb: usage.peak_mb - segments.memory.mb })));
  }
  if (experiments) {
    out.push(...experiments_report(experiments, { median, row, heading, promise }));
    peaks.push(...experiments.usages);
  }
  if (viewers) {
    out.push(...viewers_report(viewers, { row, heading, promise }));
    peaks.push(...viewers.usages);
  }
  if (peaks.length) {
    const peak = Math.max(...peaks.map((u) => u.peak_mb));
    promise('resident memory of tidemark without facts of segments, below 256 MB', peak, peak < 256, 'MB');
  }
  if (promises.length) {
    out.push('', '### What is promised', '', ...heading('promise', 'measured', 'met'));
    for (const { text, value, met } of promises) out.push(row(text, value, met ? 'yes' : '**no**'));
  }
  return { text: out.join('\n') + '\n', met: promises.every((p) => p.met) };
}

const begin_of = (part) => `<!-- bench: ${part} (written by make bench args=--write) -->`;
const end_of = (part) => `<!-- bench: end of ${part} -->`;

// Replaces the figures of one part in docs/BENCHMARKS.md; those of others stay as they are.
export function write_into(file, part, text) {
  const before = fs.readFileSync(file, 'utf8');
  const begin = before.indexOf(begin_of(part));
  const finish = before.indexOf(end_of(part));
  if (begin < 0 || finish < begin) throw new Error(`${file} has no place for the figures of ${part}: ${begin_of(part)} ... ${end_of(part)}`);
  fs.writeFileSync(file, `${before.slice(0, begin + begin_of(part).length)}\n${text}${before.slice(finish)}`);
}
