// A pack's truth: every mirrored table and every model compared by value with what Postgres computes from its own tables.
// test/sql/<pack>_expected.sql has one query a model after `-- model: name`; what stands before the first, behind
// `-- shared:`, makes temporary tables that the queries use. A line `-- select: columns` behind the name says what is asked of
// the model, when that is not all of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { assert_same_rows } from './compare.mjs';
import { root } from './process.mjs';

export function expected_models(pack) {
  const text = fs.readFileSync(path.join(root, `test/sql/${pack}_expected.sql`), 'utf8');
  const [head, ...parts] = text.split(/^-- model: /m);
  const shared = head.split(/^-- shared:.*$/m)[1] ?? '';
  const models = parts.map((part) => {
    const end = part.indexOf('\n');
    const columns = /^-- select: (.*)$/m.exec(part)?.[1] ?? '*';
    return { model: part.slice(0, end).trim(), columns, query: part.slice(end + 1).replace(/^-- select:.*\n/, '').trim() };
  });
  const directory = path.join(root, `packs/${pack}/models`);
  const files = fs.readdirSync(directory, { recursive: true }).filter((file) => file.endsWith('.sql')).map((file) => file.replace('/', '.').replace(/\.sql$/, ''));
  assert.deepEqual(models.map(({ model }) => model).sort(), files.sort(), 'every model of the pack has an expected query');
  return { shared, models };
}

// Everything, by value; the database must be quiet. Returns the number of rows compared.
export async function assert_pack_equal(world, phase, tables, { shared, models }) {
  const { postgres, project, database } = world;
  await project.caught_up(postgres);
  const pairs = [
    ...tables.map((table) => [`bronze.${table}`, `SELECT * FROM ${table}`, `bronze.${table}__current`, '*']),
    ...models.map(({ model, query, columns }) => [model, query, model, columns]),
  ];
  const expected = postgres.rows_of(database, shared, pairs.map(([, query]) => query));
  const actual = [];
  for (const [, , table, columns] of pairs) actual.push(await project.table(`SELECT ${columns} FROM ${table}`));
  const wrong = [];
  let rows = 0;
  (await expected).forEach((wanted, index) => {
    try {
      assert_same_rows(`${phase}: ${pairs[index][0]}`, wanted, actual[index].rows, actual[index].types);
    } catch (error) {
      wrong.push(error.message);
    }
    rows += wanted.length;
  });
  assert.ok(wrong.length === 0, wrong.join('\n'));
  return rows;
}

// Whether everything is compared after step `index` of these: after each, in continuous integration after every third.
export const compared_after = (index, steps) => !process.env.CI || index % 3 === 2 || index === Object.keys(steps).length - 1;
