// tidemark stats as a program: published numbers in, answers out; bad input is answered, not computed, and told by the exit code.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import test from 'node:test';
import { binary } from '../harness/process.mjs';

const vectors_file = path.resolve(import.meta.dirname, '../data/stats_vectors.jsonl');
const vectors = fs.readFileSync(vectors_file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));

// From the root directory: no project is needed.
function stats(input, ...options) {
  const result = spawnSync(binary, ['stats', ...options], { input, encoding: 'utf8', cwd: '/', maxBuffer: 1 << 28 });
  return { code: result.status, stderr: result.stderr, answers: result.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)) };
}

function differences(expected, actual, tolerance, where) {
  if (typeof expected === 'number') return typeof actual === 'number' && Math.abs(expected - actual) <= tolerance ? [] : [`${where}: ${expected} ${actual}`];
  if (expected === null || typeof expected !== 'object') return expected === actual ? [] : [`${where}: ${expected} ${actual}`];
  return Object.entries(expected).flatMap(([key, value]) => differences(value, actual?.[key], tolerance, `${where}.${key}`));
}

test('every published number, as lines', () => {
  const { code, answers, stderr } = stats(fs.readFileSync(vectors_file));
  assert.equal(code, 0, stderr);
  assert.deepEqual(answers.map(({ id }) => id), vectors.map(({ id }) => id));
  assert.deepEqual(vectors.flatMap((vector, i) => differences(vector.expected, answers[i].result, vector.abs_tol, vector.id)), []);
  assert.notDeepEqual(differences({ p: 0.5 }, { p: 0.51 }, 0.001, 'self'), [], 'the comparison can fail');
});

test('the same as one document, on one line, on many, and as an array', () => {
  const lines = stats(fs.readFileSync(vectors_file)).answers;
  for (const text of [JSON.stringify({ meta: {}, vectors }), JSON.stringify({ meta: {}, vectors }, null, 2), JSON.stringify(vectors, null, 1), `\n\n${JSON.stringify(vectors)}`]) {
    const { code, answers } = stats(text);
    assert.equal(code, 0);
    assert.deepEqual(answers, lines);
  }
});

test('bad input is answered by field, good input beside it too, and the exit code tells', () => {
  const arm = '{"type": "mean", "n": 100, "sum": 270, "sum_squares": 848.79}';
  const { code, answers } = stats([
    `{"id": "good", "method": "t_two_sided", "control": ${arm}, "treatment": ${arm}}`,
    `{"id": "nan", "method": "t_two_sided", "control": {"type": "mean", "n": 100, "sum": NaN, "sum_squares": 1}, "treatment": ${arm}}`,
    'no json', '', '{"id": "alpha", "method": "t_two_sided", "params": {"alpha": 1}}',
    `{"id": "none", "method": "t_two_sided", "control": {"type": "mean", "n": 0, "sum": 0, "sum_squares": 0}, "treatment": ${arm}}`,
  ].join('\n'));
  assert.equal(code, 1);
  assert.deepEqual(answers.map(({ id }) => id), ['good', 'nan', null, 'alpha', 'none']);
  assert.equal(answers[0].result.estimate, 0);
  assert.equal(answers[1].error.field, 'control.sum');
  assert.equal(answers[2].error.field, 'line 3');
  assert.equal(answers[3].error.field, 'params.alpha');
  assert.equal(answers[4].result.reason, 'no_units');
});

test('a broken first line spoils only itself; nothing in is nothing out', () => {
  const { code, answers } = stats('{"id": 1,\n{"id": 2, "method": "holm", "p_values": [0.01]}\n');
  assert.equal(code, 1);
  assert.deepEqual(answers.map(({ id, error }) => [id, error?.field]), [[null, 'line 1'], [2, undefined]]);
  assert.deepEqual(stats(''), { code: 0, stderr: '', answers: [] });
});

test('a program may keep it open: each line is answered when it is asked', { timeout: 30_000 }, async () => {
  const child = spawn(binary, ['stats'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (const p of [0.01, 0.2]) {
    child.stdin.write(`{"id": ${p}, "method": "holm", "p_values": [${p}, 0.9]}\n`);
    assert.deepEqual(JSON.parse((await answers.next()).value), { id: p, result: { adjusted: [2 * p, 0.9] } });
  }
  child.stdin.end();
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});
