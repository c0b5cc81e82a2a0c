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

// Two sums of the same numbers in another order differ in their last bits, and where a text is cut there is always a
// number on the edge: what is left after the comparison by text is compared number by number.
const relative_error_max = 1e-12;

function nearly_equal(expected, actual, types) {
  return types.every((type, index) => {
    const [left, right] = [expected[index], actual[index]];
    if (left === right) return true;
    if (left === null || right === null || !/Float64/.test(type)) return canonical(left, type) === canonical(right, type);
    const [wanted, found] = [Number(left), Number(right)];
    return Math.abs(wanted - found) <= relative_error_max * Math.max(Math.abs(wanted), Math.abs(found));
  });
}

// Throws with the first differing rows. `types` are those of the ClickHouse side, in column order.
export function assert_same_rows(what, expected, actual, types) {
  const key = (row) => row.map((value, index) => canonical(value, types[index]) ?? '\\N').join('\t');
  const wanted = new Map();
  for (const row of expected) {
    if (row.length !== types.length) assert.fail(`${what}: ${row.length} columns expected, ClickHouse has ${types.length}`);
    const same = wanted.get(key(row));
    if (same) same.push(row);
    else wanted.set(key(row), [row]);
  }
  const unknown = [];
  for (const row of actual) if (!wanted.get(key(row))?.pop()) unknown.push(row);
  const missing = [...wanted.values()].flat();
  const extra = unknown.filter((row) => {
    const same = missing.findIndex((other) => nearly_equal(other, row, types));
    if (same >= 0) missing.splice(same, 1);
    return same < 0;
  });
  if (missing.length === 0 && extra.length === 0) return;
  const show = (rows) => rows.map(key).sort().slice(0, 5).map((row) => `    ${row}`).join('\n');
  assert.fail(
    `${what}: ${expected.length} rows expected, ${actual.length} found; ${missing.length} missing, ${extra.length} extra\n` +
      `  missing or different, as in Postgres:\n${show(missing)}\n  extra or different, as in ClickHouse:\n${show(extra)}`,
  );
}
