// A schema such as people publish (rental_shop.sql: enums, domains, triggers that write other tables, partitions of two levels,
// inheritance, circular and cascading keys, views): a mixed workload at random while it is copied and afterwards, with schema changes
// in between. `verify` finds no difference, and every table is compared by value once more.
//   TIDEMARK_SEED=42 node --test test/schema/rental_shop.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { psql } from '../harness/postgres.mjs';
import { Child, eventually } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

// n: any number. Each is a transaction of its own; none can fail.
const transactions = [
  // rent, pay (a trigger writes the balance, another the audit), give back
  (n) => `INSERT INTO rental (during, inventory, customer) VALUES (tstzrange(clock_timestamp(), NULL), (SELECT nth('inventory', ${n}))::bigint, (SELECT nth('customer', ${n}))::bigint);
    INSERT INTO payment (paid_at, customer, rental, amount) SELECT timestamptz '2025-12-20 00:00+00' + ${n % 500} * interval '1 day', customer, id, ${n % 100} / 4.0 FROM rental ORDER BY id DESC LIMIT 2`,
  (n) => `UPDATE rental SET during = tstzrange(lower(during), upper(during)), returned = true WHERE id % 37 = ${n % 37} AND returned IS NULL`,
  // partitions: rows that move from one to another, and rows that go
  (n) => `UPDATE payment SET paid_at = paid_at + interval '${n % 400} days', amount = amount + 0.125 WHERE id % 41 = ${n % 41}`,
  (n) => `DELETE FROM payment WHERE id % 97 = ${n % 97}`,
  // the trigger's tsvector and time, large values that the update leaves out
  (n) => `UPDATE film SET rate = ${n % 90} / 10.0, title = title || '${n % 10}' WHERE id % 29 = ${n % 29}`,
  (n) => `UPDATE film SET script = CASE WHEN ${n} % 3 = 0 THEN NULL ELSE repeat(md5('${n}'), 100 + ${n % 100}) END WHERE id % 31 = ${n % 31}`,
  (n) => `UPDATE cheap_film SET rate = rate / 2 WHERE id % 11 = ${n % 11}`,
  // keys that change, with what refers to them
  (n) => `UPDATE country SET name = name || '!' WHERE id = ${1 + (n % 30)}; UPDATE store SET id = id + 100 * (1 - 2 * (id / 100)) WHERE id % 100 = ${1 + (n % 4)}`,
  (n) => `UPDATE actor SET id = gen_random_uuid(), awards = awards + int4multirange(int4range(${n % 50}, ${(n % 50) + 3})) WHERE id::text = (SELECT nth('actor', ${n}))`,
  (n) => `UPDATE film SET id = nextval('film_id_seq') WHERE id = (SELECT nth('film', ${n}))::int AND NOT EXISTS (SELECT FROM film_actor WHERE film = film.id) AND NOT EXISTS (SELECT FROM price_of_film WHERE film = film.id)`,
  // an exchange and a shift over a deferrable key under FULL
  (n) => `SET CONSTRAINTS ALL DEFERRED; UPDATE seat SET place = CASE place WHEN ${1 + (n % 40)} THEN ${1 + ((n * 7) % 40)} ELSE ${1 + (n % 40)} END WHERE place IN (${1 + (n % 40)}, ${1 + ((n * 7) % 40)}); UPDATE seat SET who = 'moved ${n}' WHERE place = ${1 + (n % 40)}`,
  (n) => `UPDATE seat SET place = place + 1; UPDATE seat SET place = 1, plan = plan || '${n}' WHERE place = (SELECT max(place) FROM seat)`,
  // cascades
  (n) => `DELETE FROM film WHERE id = (SELECT nth('film', ${n}))::int; INSERT INTO film (title, minutes, rating, released) VALUES ('New ${n}', ${n % 200}, 'R', 2026); INSERT INTO inventory (film, store) SELECT currval('film_id_seq'), id FROM store`,
  (n) => `DELETE FROM customer WHERE id = (SELECT nth('customer', ${n}))::bigint; INSERT INTO customer (store, email, profile, raw, active) VALUES (NULL, 'new${n}@x.example', 'null', '${n}', B'010') ON CONFLICT (email) DO UPDATE SET profile = '{"again": ${n}}'`,
  (n) => `DELETE FROM category WHERE id = ${1 + (n % 16)}; INSERT INTO category VALUES (${1 + (n % 16)}, NULL, 'again ${n}') ON CONFLICT DO NOTHING; INSERT INTO film_category SELECT id, ${1 + (n % 16)} FROM film WHERE id % 13 = ${n % 13} ON CONFLICT DO NOTHING`,
  (n) => `DELETE FROM city WHERE id = (SELECT nth('city', ${n}))::int; INSERT INTO city (country, name, place) VALUES (1 + ${n % 30}, 'Neu ''${n}''', NULL); UPDATE address SET city = currval('city_id_seq'), phones = array_append(phones, E'\\t${n}') WHERE city IS NULL`,
  // two that refer to each other, checked at the end
  (n) => `INSERT INTO store VALUES (${1000 + n}, NULL, ${1000 + n}) ON CONFLICT DO NOTHING; INSERT INTO staff (id, store, name) VALUES (${1000 + n}, ${1000 + n}, 'Both') ON CONFLICT DO NOTHING; UPDATE store SET manager = NULL WHERE id = ${1000 + n}; DELETE FROM staff WHERE id = ${1000 + n}; DELETE FROM store WHERE id = ${1000 + n}`,
  (n) => `UPDATE staff SET salary = salary * 1.1, picture = picture || '\\x${(n % 256).toString(16).padStart(2, '0')}' WHERE id % 5 = ${n % 5}`,
  (n) => `UPDATE customer SET profile = jsonb_set(coalesce(nullif(profile, 'null'), '{}'), '{n}', '${n}'), extra = extra || hstore('n${n % 4}', NULL), active = ~active WHERE id % 43 = ${n % 43}`,
  (n) => `INSERT INTO price_of_film SELECT id, daterange('2026-01-01', date '2026-01-01' + ${1 + (n % 300)}), ${n % 50} FROM film WHERE id % 19 = ${n % 19} AND NOT EXISTS (SELECT FROM price_of_film WHERE film = film.id AND NOT upper_inf(valid)); UPDATE price_of_film SET valid = daterange(lower(valid), upper(valid) + 1) WHERE film % 23 = ${n % 23} AND NOT upper_inf(valid)`,
  (n) => `UPDATE vehicle SET wheels = wheels + 1 WHERE id % 4 = ${n % 4}; INSERT INTO truck VALUES (${200 + n}, 8, ${n % 10}) ON CONFLICT DO NOTHING; DELETE FROM truck WHERE id < 200 + ${n} / 2`,
  (n) => `UPDATE setting SET value = 'v${n}', scope = 'scope ' || ${n % 5} WHERE id % 7 = ${n % 7}; UPDATE setting SET id = -id WHERE id = ${1 + (n % 30)}`,
  (n) => `UPDATE "Order ""Note""" SET "a ""b""" = '${n}', "select" = NULL WHERE "Ключ" % 3 = ${n % 3}; INSERT INTO "Order ""Note""" VALUES (${100 + n}, 'new') ON CONFLICT DO NOTHING`,
  (n) => `TRUNCATE cache; INSERT INTO cache VALUES (${n}); SAVEPOINT a; UPDATE film SET title = 'never'; TRUNCATE setting; ROLLBACK TO a; REFRESH MATERIALIZED VIEW sales`,
  (n) => `DELETE FROM vehicle WHERE id < 0;\nCOPY vehicle FROM STDIN;\n${-1 - n}\t3\n${-2 - n}\t4\n\\.\nSELECT 1`,
];

// What a year of releases does to such a schema; between them rows flow.
const changes = [
  "ALTER TABLE customer ADD COLUMN loyalty int NOT NULL DEFAULT 5, ADD COLUMN nick varchar(10) DEFAULT 'n''n'",
  "ALTER TABLE payment ADD COLUMN currency char(3) DEFAULT 'EUR'",
  'ALTER TABLE film RENAME COLUMN score TO points; ALTER TABLE film ALTER points SET DEFAULT 1.5',
  "CREATE TABLE payment_1990s (LIKE payment INCLUDING ALL); INSERT INTO payment_1990s (id, paid_at, amount) VALUES (-1, '1995-05-05', 1); BEGIN; ALTER TABLE payment DETACH PARTITION payment_old; DELETE FROM payment WHERE paid_at < '2026-01-01'; ALTER TABLE payment ATTACH PARTITION payment_old FOR VALUES FROM ('2000-01-01') TO ('2026-01-01'); ALTER TABLE payment ATTACH PARTITION payment_1990s FOR VALUES FROM ('1990-01-01') TO ('2000-01-01'); COMMIT",
  "ALTER TYPE rating ADD VALUE 'NC-17' AFTER 'R'; UPDATE film SET rating = 'NC-17' WHERE id % 9 = 0",
  'ALTER TABLE inventory ALTER store DROP NOT NULL; UPDATE inventory SET store = NULL WHERE id % 11 = 0',
  'BEGIN; ALTER TABLE balance ADD COLUMN since timestamptz DEFAULT clock_timestamp(); UPDATE balance SET total = total + 0.0001 WHERE customer % 2 = 0; ALTER TABLE balance ALTER payments TYPE bigint; UPDATE balance SET payments = payments + 5000000000 WHERE customer % 3 = 0; COMMIT',
  'ALTER TABLE customer ALTER nick TYPE text, DROP COLUMN raw CASCADE; ALTER TABLE customer ADD COLUMN raw text',
  'BEGIN; TRUNCATE rental, category CASCADE; INSERT INTO category SELECT i, NULL, NULL FROM generate_series(1, 16) i; COMMIT',
  'ALTER TABLE film_category DROP CONSTRAINT film_category_pkey; ALTER TABLE film_category ADD COLUMN rank int NOT NULL DEFAULT 1, ADD PRIMARY KEY (film, category, rank); UPDATE film_category SET rank = 2 WHERE film % 2 = 0',
  'ALTER TABLE "Order ""Note""" RENAME COLUMN "c-d?" TO "e\\f"; UPDATE "Order ""Note""" SET "e\\f" = \'x\' WHERE "Ключ" % 2 = 0',
];

test(`a published schema: a mixed workload at random (seed ${seed})`, { timeout: 300_000 }, async (t) => {
  const random = random_numbers(seed);
  const { project, postgres, database, url, directory } = await make_world(t, 'rental_shop', { pack: null, database: 'shop' });
  const sql = (text) => postgres.sql(database, text);
  await sql(`ALTER DATABASE shop SET logical_decoding_work_mem = '64kB'; ALTER DATABASE shop SET timezone = 'UTC'`);
  await sql(fs.readFileSync(path.join(import.meta.dirname, 'rental_shop.sql'), 'utf8'));
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:ADS_DATABASE_URL}\n  tables: ["*", "audit.*"]\n');
  let scripts = 0;
  let writer;
  t.after(() => writer?.end({ signal: 'SIGKILL' }));
  const number = () => Math.floor(random() * 1000);
  // Every kind of transaction at least once.
  const write = (count, between = []) => {
    const kinds = transactions.map((_, kind) => kind).sort(() => random() - 0.5);
    const lines = Array.from({ length: count }, (_, index) => `BEGIN;\n${transactions[kinds[index] ?? Math.floor(random() * transactions.length)](number())};\nCOMMIT;`);
    between.forEach((change, index) => lines.splice(Math.floor(((index + 0.5) * count) / between.length) + index, 0, `${change};`));
    const file = path.join(directory, `workload_${++scripts}.sql`);
    fs.writeFileSync(file, lines.join('\n'));
    writer = new Child(psql, ['-Xq', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', url, '-f', file], { env: { PGOPTIONS: '-c client_min_messages=error' } });
    return writer.ended.then(({ code }) => assert.equal(code, 0, `seed ${seed}: the workload failed\n${writer.stderr}`));
  };

  await Promise.all([project.up(), write(400)]);
  await write(200, changes);
  const tables = await postgres.rows(database, `SELECT c.oid, n.nspname, c.relname, CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '_' || c.relname END,
    string_agg(a.attname, ',' ORDER BY a.attname COLLATE "C") FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname IN ('public', 'audit') AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY 1, 2, 3, 4`);
  assert.equal(tables.length, 23);
  await eventually('all tables are followed under the columns they have now', async (seen) => {
    const [{ state, tables: states }] = (await project.status()).sources;
    const behind = states.filter((table) => table.state !== 'live');
    seen({ state, behind });
    if (state !== 'streaming' || behind.length) return false;
    const columns = Object.fromEntries((await project.table("SELECT table, arrayStringConcat(arraySort(groupArray(name)), ',') FROM system.columns WHERE database = 'bronze' AND endsWith(table, '__current') GROUP BY table")).rows);
    const different = tables.filter(([, , , name, names]) => columns[`${name}__current`] !== names);
    seen(different);
    return different.length === 0;
  });
  await project.caught_up(postgres);
  const proof = await project.assert_verified();
  assert.equal(proof.tables.length, tables.length);
  // By value once more, without anything of verify's.
  let rows = 0;
  for (const [oid, schema, relation, name] of tables) {
    const names = (await postgres.rows(database, `SELECT attname, atttypid::regtype::text, attnotnull, typcategory FROM pg_attribute a JOIN pg_type y ON y.oid = atttypid WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`));
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const backquoted = (text) => `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
    const expected = names.map(([column, type, needed, category]) =>
      type === 'bytea' ? `encode(${quoted(column)}, 'hex')` : category === 'A' && needed === 't' ? `array_to_string(${quoted(column)}, ',', 'NULL')` : quoted(column));
    const asked = names.map(([column, type, needed, category]) =>
      type === 'bytea' ? `lower(hex(${backquoted(column)}))` : category === 'A' && needed === 't' ? `arrayStringConcat(arrayMap(x -> ifNull(x, 'NULL'), ${backquoted(column)}), ',')` : backquoted(column));
    rows += await project.assert_equal(`seed ${seed}: ${name}`, postgres, database, `SELECT ${expected} FROM ONLY ${quoted(schema)}.${quoted(relation)}`.replace('ONLY "public"."payment"', '"payment"'), `SELECT ${asked} FROM bronze.${backquoted(`${name}__current`)}`);
  }
  assert.equal((await project.clickhouse('SELECT count() FROM tidemark.quarantine', { account: 'admin' })).trim(), '0', 'nothing belongs into quarantine');
  t.diagnostic(`${tables.length} tables, ${rows} rows equal, seed ${seed}`);
  await project.down();
});
