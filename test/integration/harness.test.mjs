// The harness itself: its comparison finds a difference, its Postgres comes, goes and leaves nothing.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_same_rows } from '../harness/compare.mjs';
import { Postgres } from '../harness/postgres.mjs';
import { eventually, free_ports, make_directory, port_taken, processes_in, remove_directory, root, run } from '../harness/process.mjs';

test('comparison by value', () => {
  const types = ['Nullable(Int32)', 'Nullable(String)', 'Float64', 'Nullable(Decimal(10, 2))', 'DateTime64(6)', 'Bool'];
  const postgres = [['1', 'a\tb', '0.1', '1.50', '2026-01-01 00:00:00', 't'], [null, '', 'NaN', null, '2026-01-01 00:00:00.5', 'f']];
  const same = [[null, '', 'nan', null, '2026-01-01 00:00:00.500000', 'false'], ['1', 'a\tb', '0.1', '1.5', '2026-01-01 00:00:00.000000', 'true']];
  assert_same_rows('equal', postgres, same, types);
  assert_same_rows('empty', [], [], types);
  const changes = { 0: '2', 1: 'a b', 2: '0.1000000001', 3: '1.51', 4: '2026-01-01 00:00:00.000001', 5: 'false' };
  for (const [column, value] of Object.entries(changes))
    assert.throws(() => assert_same_rows('one value', postgres, [same[0], same[1].with(Number(column), value)], types), /1 missing, 1 extra/);
  assert.throws(() => assert_same_rows('a row lost', postgres, [same[0]], types), /1 missing, 0 extra/);
  assert.throws(() => assert_same_rows('a row twice', postgres, [...same, same[0]], types), /0 missing, 1 extra/);
  assert.throws(() => assert_same_rows('NULL is not empty', [[null]], [['']], ['Nullable(String)']), /missing/);
});

test('a private Postgres', { timeout: 60_000 }, async (t) => {
  const directory = make_directory('harness');
  const postgres = await Postgres.start(directory);
  t.after(async () => {
    await postgres.stop();
    remove_directory(directory);
  });
  await postgres.create_database('one');
  await postgres.sql('one', "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, E'tab\\t\\\\'), (NULL, '')");
  assert.deepEqual(await postgres.rows('one', 'SELECT * FROM t ORDER BY a'), [['1', 'tab\t\\'], [null, '']]);
  await assert.rejects(postgres.sql('one', 'SELECT * FROM nothing'), /nothing/);
  assert.ok(processes_in(directory).length > 0);
  await postgres.stop();
  await eventually('no process is left', () => processes_in(directory).length === 0, { deadline_ms: 10_000 });
  assert.equal(await port_taken(postgres.port), false);
});

test('a port that is chosen is nobody else\'s, also while nothing listens on it', async () => {
  const ports = [...(await free_ports(20)), ...(await free_ports(20))];
  assert.equal(new Set(ports).size, 40);
  // Another process draws the very same numbers first.
  const program = `import { free_ports } from '${root}/test/harness/process.mjs';
    const drawn = ${JSON.stringify(ports)}, random = Math.random;
    Math.random = () => (drawn.length ? (drawn.shift() - 12_000 + 0.5) / 20_000 : random());
    console.log(JSON.stringify([await free_ports(5), drawn.length]));`;
  const { code, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program]);
  assert.equal(code, 0, stderr);
  const [others, left] = JSON.parse(stdout);
  assert.equal(left, 0);
  assert.deepEqual(others.filter((port) => ports.includes(port)), []);
});
