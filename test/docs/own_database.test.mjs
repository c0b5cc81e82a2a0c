// The way of the README from a Postgres of one's own to a live page, command by command as it is written there; only the url
// and the ports are those of the test. The database has what databases have: an enum, names with capitals, two schemas,
// partitions, tables without a time, without a key, and of a migration tool.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { assert_accessible, assert_fits, launch_browser, open_page, screenshot } from '../harness/browser.mjs';
import { binary, eventually, root, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const schema = `
  CREATE TYPE state AS ENUM ('open', 'paid');
  CREATE TABLE orders (id bigint PRIMARY KEY, status state NOT NULL, amount numeric(10, 2), created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz);
  CREATE TABLE "User" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamp, email text);
  CREATE TABLE countries (code text PRIMARY KEY, name text);
  CREATE TABLE notes (body text);
  CREATE TABLE schema_migrations (version text PRIMARY KEY);
  CREATE SCHEMA web;
  CREATE TABLE web.visits (id bigint, day date, page text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE web.visits_old PARTITION OF web.visits FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
  CREATE TABLE web.visits_new PARTITION OF web.visits FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
  INSERT INTO orders SELECT n, (ARRAY['open', 'paid'])[n % 2 + 1]::state, n, now() - n * interval '1 hour' FROM generate_series(1, 500) AS n;
  INSERT INTO "User" ("createdAt", email) SELECT CASE WHEN n % 10 > 0 THEN now() - n * interval '1 day' END, n || '@example.com' FROM generate_series(1, 40) AS n;
  INSERT INTO countries VALUES ('AT', 'Austria'), ('IT', 'Italy');
  INSERT INTO web.visits SELECT n, date '2025-12-01' + n % 60, '/' FROM generate_series(1, 300) AS n;
  ANALYZE;`;

test('the README from a Postgres of one\'s own to a live page', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'own_database', { pack: null, database: 'shop' });
  const { postgres, project, database, directory, url } = world;
  await postgres.sql(database, schema);
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const [, block] = /^## Your own database\n[\s\S]*?^```sh\n([\s\S]*?)^```$/m.exec(readme);
  const lines = block.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()).filter(Boolean);
  const made = lines.findIndex((line) => line.startsWith('cd '));
  assert.deepEqual([lines[0].startsWith('export DATABASE_URL='), lines[made - 1].startsWith('tidemark new --from'), lines.at(-1)], [true, true, 'tidemark up'], block);
  lines[0] = `export DATABASE_URL=${url}`;
  const folder = path.join(directory, lines[made].slice(3));
  // The ports that the project would have may be taken on this machine.
  lines.splice(made + 1, 0, `sed -i 's/\\b8123\\b/${project.clickhouse_port}/; s/\\b9000\\b/${project.tcp_port}/; s/\\b8088\\b/${project.http_port}/' tidemark.yaml`);
  const told = await run('bash', ['-euc', lines.slice(0, -1).join('\n')], { cwd: directory, env: { PATH: `${path.dirname(binary)}:${process.env.PATH}` } });
  assert.equal(told.code, 0, told.stdout + told.stderr);
  assert.match(told.stdout, /4 tables of postgresql:\/\/postgres@127\.0\.0\.1:\d+\/shop/);
  assert.match(told.stdout, /Left out: notes \(it has no primary key/);
  assert.match(told.stdout, /Left out: schema_migrations/);
  assert.doesNotMatch(told.stdout, /^fail/m);

  project.directory = folder;
  project.environment = { DATABASE_URL: url };
  await project.up();
  await project.caught_up(postgres, { database });
  const browser = await launch_browser(t);
  const page = await open_page(browser, `http://127.0.0.1:${project.http_port}/`);
  const tile = (title) => page.getByTestId(/^tile-\d+$/).filter({ has: page.getByRole('heading', { name: title, exact: true }) });
  const number = async (title) => Number(await tile(title).getByTestId('value').getAttribute('data-value'));
  await eventually('every tile has data', async (seen) => {
    const states = await page.getByTestId(/^tile-\d+$/).evaluateAll((tiles) => tiles.map((one) => `${one.querySelector('h2').textContent}: ${one.dataset.state}`));
    seen(states.join(', '));
    return states.length === 7 && states.every((state) => state.endsWith(': ready'));
  }, { deadline_ms: 30_000 });
  assert.deepEqual([await number('Orders'), await number('User'), await number('Web.visits')], [500, 36, 300]);
  assert.deepEqual(await tile('Rows').locator('[data-column=row_count]').evaluateAll((cells) => cells.map((cell) => cell.dataset.value)), ['2']);

  const orders = async (wanted) => eventually(`${wanted} orders`, async () => (await number('Orders')) === wanted, { deadline_ms: 3_000 });
  await postgres.sql(database, "INSERT INTO orders VALUES (501, 'paid', 1)");
  await orders(501);
  await postgres.sql(database, "DELETE FROM orders WHERE id <= 100; UPDATE orders SET status = 'open'");
  await orders(401);
  await postgres.sql(database, `UPDATE "User" SET "createdAt" = now() WHERE "createdAt" IS NULL`);
  await eventually('all users have a day', async () => (await number('User')) === 40, { deadline_ms: 3_000 });
  await page.getByTestId('time').click();
  await page.getByRole('button', { name: 'Last 7 days' }).click();
  const week = Number(await postgres.sql(database, "SELECT count(*) FROM orders WHERE created_at >= (now() AT TIME ZONE 'utc')::date - 6"));
  await orders(week);
  await assert_accessible(page, 'a first dashboard');
  await assert_fits(page, 'a first dashboard');
  await screenshot(page, 'own-database-1440');
  assert.deepEqual(page.problems, []);
  // The folder is one that is started again, and nothing that was written is wrong.
  const checked = await project.json('check');
  assert.deepEqual([checked.data.ok, checked.data.warnings], [true, []]);
  await project.assert_verified();
  await project.down();

  for (const [args, said] of [[['--from', url, 'a', 'b'], /of a pack or of a database/], [['--from', url, folder], /is not empty/], [['--from', `${url}x`, 'x'], /shopx/]]) {
    const refused = await run(binary, ['new', ...args], { cwd: directory });
    assert.match(refused.stderr, said);
    assert.notEqual(refused.code, 0, args.join(' '));
  }
});
