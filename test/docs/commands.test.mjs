// The documents say what is so. Blocks marked "```sh run" (or "run exit=N": the last command's status) are run in an
// empty folder, one document after the other, with the program first on the PATH. Every other mention of a verb or a
// make target in a sh block must exist, and every relative link must lead somewhere.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

const root = path.resolve(import.meta.dirname, '../..');
const binary = process.env.TIDEMARK_BINARY ?? `${root}/build/release/tidemark`;
const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n').filter((file) => /^(README\.md|(docs|packs|examples|deploy)\/.*\.md)$/.test(file));
const run_seconds_max = 60;

export function blocks(text) {
  return [...text.matchAll(/^```sh(?: (run)(?: exit=(\d+))?)?\n([\s\S]*?)^```$/gm)].map((match) => ({
    run: match[1] === 'run', exit: Number(match[2] ?? 0), text: match[3], line: text.slice(0, match.index).split('\n').length,
  }));
}

const commands_of = (block) => block.text.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()).filter(Boolean);

const make_targets = new Set([...fs.readFileSync(`${root}/Makefile`, 'utf8').matchAll(/^([a-z]+):/gm)].map((match) => match[1]));
const verbs = new Set([...fs.readFileSync(`${root}/src/main.cc`, 'utf8').matchAll(/^\s*\{"([a-z]+)",/gm)].map((match) => match[1]));

test('there is something to check', () => {
  assert.ok(documents.includes('README.md') && documents.length > 5, documents.join(' '));
  assert.ok(verbs.size >= 5 && make_targets.has('demo'));
  const found = blocks('```sh run exit=3\nfalse\n```\n\n```sh\ntrue\n```\n');
  assert.deepEqual(found.map(({ run, exit }) => [run, exit]), [[true, 3], [false, 0]]);
});

for (const document of documents) {
  const text = fs.readFileSync(`${root}/${document}`, 'utf8');
  describe(document, () => {
    test('its links lead somewhere', () => {
      for (const [, target] of text.replace(/```[\s\S]*?```/g, '').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        assert.ok(fs.existsSync(path.join(root, path.dirname(document), target)), `${document}: no ${target}`);
      }
    });
    test('its verbs and make targets exist', () => {
      for (const block of blocks(text)) {
        for (const command of commands_of(block)) {
          const target = /^make ([a-z]+)/.exec(command)?.[1];
          if (target) assert.ok(make_targets.has(target), `${document}:${block.line}: make ${target}`);
          const verb = /^tidemark ([a-z]+)/.exec(command)?.[1];
          if (verb) assert.ok(verbs.has(verb), `${document}:${block.line}: tidemark ${verb}`);
        }
      }
    });
    const runnable = blocks(text).filter((block) => block.run);
    let folder;
    before(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-docs-')); });
    after(() => fs.rmSync(folder, { recursive: true, force: true }));
    for (const block of runnable) {
      test(`line ${block.line} runs${block.exit ? ` and ends with ${block.exit}` : ''}`, () => {
        // All but the last command must succeed; the block's status is the last one's.
        const lines = commands_of(block);
        const script = ['set -e', ...lines.slice(0, -1), 'set +e', lines.at(-1)].join('\n');
        const result = spawnSync('bash', ['-c', script], {
          cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: run_seconds_max * 1000,
          env: { ...process.env, PATH: `${path.dirname(binary)}:${process.env.PATH}` },
        });
        assert.equal(result.status, block.exit, `${block.text}\n${result.stdout}\n${result.stderr}`);
      });
    }
  });
}

describe('docs/CLI.md', () => {
  const described = new Set([...fs.readFileSync(`${root}/docs/CLI.md`, 'utf8').matchAll(/^### tidemark ([a-z]+)$/gm)].map((match) => match[1]));
  test('has a section for every verb, and no other', () => {
    assert.deepEqual([...described].sort(), [...verbs].sort());
  });
  for (const verb of described) {
    test(`tidemark ${verb} --help begins with an example`, () => {
      const result = spawnSync(binary, [verb, '--help'], { encoding: 'utf8' });
      assert.equal(result.status, 0, result.stderr);
      assert.match(result.stdout.split('\n').slice(0, 3).join('\n'), new RegExp(`tidemark ${verb}`));
    });
  }
});
