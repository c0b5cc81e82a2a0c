// docs/CAPTURE.md says which test proves which case: every test it names exists, every case has its row, and a row proves
// something or says what is missing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const root = path.resolve(import.meta.dirname, '../..');
const text = fs.readFileSync(`${root}/docs/CAPTURE.md`, 'utf8');
const proofs = [...text.matchAll(/\[`([^`]+)`\]\(\.\.\/([^)#]+)\)/g)].map(([, name, file]) => ({ name, file }));

export function has_test(source, name) {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`TEST(_F|_P)?\\([A-Za-z]+, ${escaped}\\)|test\\(['"\`]${escaped}['"\`:]`).test(source);
}

test('the check can fail', () => {
  assert.ok(has_test("TEST_F(Some, Case) {\n", 'Case') && has_test("test('a case', () => {})", 'a case') && has_test('await t.test(`a case: ${n}`', 'a case'));
  assert.ok(!has_test("TEST_F(Some, CaseOfAnother) {\n", 'Case') && !has_test('// Case', 'Case'));
});

test('every test named exists', () => {
  assert.ok(proofs.length > 20, `${proofs.length} proofs`);
  const missing = proofs.filter(({ name, file }) => !fs.existsSync(`${root}/${file}`) || !has_test(fs.readFileSync(`${root}/${file}`, 'utf8'), name));
  assert.deepEqual(missing, []);
});

test('every case has its row', () => {
  for (let number = 1; number <= 21; ++number) {
    const row = new RegExp(`^\\| N${number} \\|([^|]+)\\|([^|]*)\\|([^|]*)\\|$`, 'm').exec(text);
    assert.ok(row, `N${number}`);
    assert.ok(row[2].trim() || row[3].trim(), `N${number} is neither proven nor said to be missing`);
  }
});
