// A pack's truth: every mirrored table and every model compared by value with what Postgres computes from its own tables.
// test/sql/<pack>_expected.sql has one query a model after `-- model: name`; what stands before the first, behind
// `-- shared:`, is put in front of each of them (common table expressions).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './process.mjs';

export function expected_models(pack, { without = [] } = {}) {
  const text = fs.readFileSync(path.join(root, `test/sql/${pack}_expected.sql`), 'utf8');
  const [head, ...parts] = text.split(/^-- model: /m);
  const shared = head.split(/^-- shared:.*$/m)[1] ?? '';
  const models = parts.map((part) => {
    const end = part.indexOf('\n');
    return { model: part.slice(0, end).trim(), query: `${shared}${part.slice(end + 1).trim()}` };
  });
  const directory = path.join(root, `packs/${pack}/models`);
  const files = fs.readdirSync(directory, { recursive: true }).filter((file) => file.endsWith('.sql')).map((file) => file.replace('/', '.').replace(/\.sql$/, ''));
  assert.deepEqual([...models.map(({ model }) => model), ...without].sort(), files.sort(), 'every model of the pack has an expected query');
  return models;
}

// Everything, by value; the database must be quiet. Returns the number of rows compared.
export async function assert_pack_equal(world, phase, tables, models) {
  const { postgres, project, database } = world;
  await project.caught_up(postgres);
  let rows = 0;
  for (const table of tables)
    rows += await project.assert_equal(`${phase}: bronze.${table}`, postgres, database, `SELECT * FROM ${table}`, `SELECT * FROM bronze.${table}__current`);
  for (const { model, query } of models)
    rows += await project.assert_equal(`${phase}: ${model}`, postgres, database, query, `SELECT * FROM ${model}`);
  return rows;
}
