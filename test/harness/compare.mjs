// Comparison by value: what Postgres says (COPY text) against what ClickHouse says (TSV over HTTP). Both sides become
// one canonical text a value, decided by ClickHouse's type of the column; rows are compared as multisets.
import assert from 'node:assert/strict';

const escapes = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', 0: '\0' };

function unescape(text) {
  return text.includes('\\') ? text.replace(/\\(.)/gs, (_, letter) => escapes[letter] ?? letter) : text;
}

export function parse_tsv(text) {
  if (text === '') return [];
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.split('\t').map((value) => (value === '\\N' ? null : unescape(value))));
}

// The one way a value of this type is written, whichever side it comes from.
export function canonical(value, type) {
  if (value === null) return null;
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type);
  if (inner) return canonical(value, inner[1]);
  if (type === 'Bool') return /^(t|true|1)$/.test(value) ? 'true' : 'false';
  if (type.startsWith('Float')) return canonical_float(Number(value.replace(/^inf$/i, 'Infinity').replace(/^-inf$/i, '-Infinity')), type);
  if (type.startsWith('Decimal')) return value.includes('.') ? value.replace(/0+$/, '').replace(/\.$/, '') : value;
  if (type.startsWith('DateTime64')) return value.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '').replace(/\+00$/, '');
  if (type.startsWith('DateTime')) return value.replace(/\+00$/, '');
  return value;
}

function canonical_float(number, type) {
  if (type === 'Float32') return String(Math.fround(number));
  return Number.isFinite(number) ? String(Number(number.toPrecision(13))) : String(number);
}

// Throws with the first differing rows. `types` are those of the ClickHouse side, in column order.
export function assert_same_rows(what, expected, actual, types) {
  const key = (row) => row.map((value, index) => canonical(value, types[index]) ?? '\\N').join('\t');
  const counts = new Map();
  for (const row of expected) {
    if (row.length !== types.length) assert.fail(`${what}: ${row.length} columns expected, ClickHouse has ${types.length}`);
    counts.set(key(row), (counts.get(key(row)) ?? 0) + 1);
  }
  const extra = [];
  for (const row of actual) {
    const text = key(row);
    const left = counts.get(text) ?? 0;
    if (left === 0) extra.push(text);
    else if (left === 1) counts.delete(text);
    else counts.set(text, left - 1);
  }
  const missing = [...counts].flatMap(([text, count]) => Array(count).fill(text));
  if (missing.length === 0 && extra.length === 0) return;
  const show = (rows) => rows.sort().slice(0, 5).map((row) => `    ${row}`).join('\n');
  assert.fail(
    `${what}: ${expected.length} rows expected, ${actual.length} found; ${missing.length} missing, ${extra.length} extra\n` +
      `  missing or different, as in Postgres:\n${show(missing)}\n  extra or different, as in ClickHouse:\n${show(extra)}`,
  );
}
