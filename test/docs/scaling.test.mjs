// The table of docs/SCALING.md is what the formulas give for the figures beside it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { between_marks, capacity, document, figures, loads, table } from '../../scripts/capacity.mjs';

const text = fs.readFileSync(document, 'utf8');

test('the table is what the figures give', () => {
  assert.equal(between_marks(text).inside, table(figures(text)));
});

test('every formula names figures that the document has', () => {
  const known = figures(text);
  const asked = new Set();
  const watched = new Proxy(known, { get: (target, name) => (asked.add(name), target[name]) });
  for (const load of loads) for (const [name, value] of Object.entries(capacity(watched, load))) assert.ok(Number.isFinite(value), name);
  assert.deepEqual([...asked].sort(), [...Object.keys(known)].filter((name) => asked.has(name)).sort(), 'a figure is missing');
  assert.deepEqual(Object.keys(known).filter((name) => !asked.has(name)), [], 'a figure is not used');
});

test('more load never needs less', () => {
  const known = figures(text);
  for (const [smaller, larger] of [[{ changes: 10_000, terabytes: 1 }, { changes: 100_000, terabytes: 1 }], [{ changes: 100_000, terabytes: 1 }, { changes: 100_000, terabytes: 100 }]]) {
    const [less, more] = [capacity(known, smaller), capacity(known, larger)];
    for (const name of ['captures', 'sinks', 'shards', 'servers', 'warehouse_cores']) assert.ok(more[name] >= less[name], name);
  }
});
