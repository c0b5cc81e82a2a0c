// The Kafka part of the report: its tables, and its promises.
const thousands = (speed) => (speed / 1000).toFixed(1);
const spread = (values) => `${thousands(Math.min(...values))} - ${thousands(Math.max(...values))}`;
const [direct, engine, debezium, capture] = ['tidemark, direct', 'Debezium, Kafka table engine', 'Debezium, tidemark', 'tidemark capture, tidemark'];

const parts = ['capture', 'Debezium', 'broker', 'sink', 'ClickHouse'];

export function kafka_report({ backlog, cpu, sink, sink_cpu, messages, bytes, latency, decoder, rate, seconds }, { median, row, heading, promise }) {
  const shapes = Object.keys(backlog);
  const costs = (runs) => parts.map((part) => (part in runs[0] ? median(runs.map((run) => run[part])).toFixed(1) : ''));
  const out = ['', '### Postgres to queryable rows: a backlog, 70 % inserts, 30 % updates', '', ...heading('thousand changes/s', ...shapes)];
  for (const name of Object.keys(backlog[shapes[0]])) out.push(row(name, ...shapes.map((shape) => `${thousands(median(backlog[shape][name]))} (${spread(backlog[shape][name])})`)));
  out.push('', `CPU time of it, in microseconds a change, ${shapes[0]}; and of reading a full topic, a message:`, '', ...heading('', ...parts));
  for (const [name, runs] of Object.entries(cpu[shapes[0]])) out.push(row(name, ...costs(runs)));
  for (const [name, runs] of Object.entries(sink_cpu)) out.push(row(`full topic: ${name}`, ...costs(runs)));
  out.push('', `On the broker's disk: ${bytes.bench_engine.toFixed(0)} bytes a message of Debezium (not compressed, its default)${bytes.bench_capture ? `, ${bytes.bench_capture.toFixed(0)} of tidemark's capture (lz4)` : ''}; ${bytes.row?.toFixed(0) ?? '-'} bytes a row in ClickHouse, merged.`);
  out.push('', `### Kafka to queryable rows: ${messages.toLocaleString('en')} messages of Debezium in one partition`, '', ...heading('', 'thousand messages/s', 'range'));
  for (const [name, speeds] of Object.entries(sink)) out.push(row(name, thousands(median(speeds)), spread(speeds)));
  out.push('', `### Commit to queryable through Kafka at ${rate} rows/s, single-row transactions, ${seconds} s`, '', ...heading('ms', 'p50', 'p99', "p50 from the commit's answer", 'rows/s reached'));
  const of = (name, key) => median(latency[name].map((found) => found[key]));
  for (const name of Object.keys(latency)) out.push(row(name, ...['p50', 'p99', 'from_commit_p50'].map((key) => of(name, key).toFixed(1)), of(name, 'rate').toFixed(0)));
  if (decoder) {
    out.push('', '### Decoding on one core, without I/O', '', ...heading('', 'thousand messages/s'));
    for (const [name, speed] of Object.entries(decoder)) out.push(row(name.replaceAll('_', ' '), thousands(speed)));
  }
  if (!latency[direct]) return out;
  for (const shape of shapes) {
    const ratio = (name) => median(backlog[shape][name]) / median(backlog[shape][engine]);
    promise(`direct, ${shape}, at least 5x Debezium and the Kafka table engine`, ratio(direct), ratio(direct) >= 5);
    promise(`Debezium to tidemark, ${shape}, at least 2x Debezium and the Kafka table engine`, ratio(debezium), ratio(debezium) >= 2);
    promise(`capture to tidemark, ${shape}, at least 2x Debezium and the Kafka table engine`, ratio(capture), ratio(capture) >= 2);
  }
  const sinks = median(sink.tidemark) / median(sink['Kafka table engine']);
  promise('Kafka to rows, at least 2x the Kafka table engine', sinks, sinks >= 2);
  const delay = of(engine, 'p50') / of(direct, 'p50');
  promise('direct p50, at least 10x lower than Debezium and the Kafka table engine', delay, delay >= 10);
  promise('decoding Debezium, at least 300,000 messages/s a core', decoder.debezium / 1000, decoder.debezium >= 300_000, 'thousand/s');
  return out;
}
