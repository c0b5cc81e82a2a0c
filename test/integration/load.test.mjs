// `tidemark load`: files of every kind into tables that people write to, what does not fit into quarantine, once however often and
// however rudely it is done; mirrored and modelled like everything else.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { Child, binary, eventually, make_directory, processes_in, remove_directory } from '../harness/process.mjs';
import { Project } from '../harness/project.mjs';

test('load', { timeout: 300_000 }, async (t) => {
  const directory = make_directory('load');
  let project;
  t.after(async () => {
    const [ending] = await Promise.allSettled([project?.up_child?.end({ signal: 'SIGKILL' })]);
    await eventually('the processes of the test are gone', () => processes_in(directory).length === 0, { deadline_ms: 15_000 });
    remove_directory(directory);
    if (ending.status === 'rejected') throw ending.reason;
  });
  project = await Project.create(directory, { pack: null });
  project.write('sources/shop.yaml', `source: shop
inserts:
  tables:
    - { table: prices, columns: { sku: String, price: "Nullable(Decimal(12, 2))", big: "Nullable(Int64)", at: "Nullable(DateTime64(3, 'UTC'))" }, key: [sku] }
    - { table: documents, columns: { id: String, kind: String, document: String, at: "DateTime64(6, 'UTC')" }, key: [id], defaults: { at: now64(6) } }
    - { table: lines, columns: { text: String } }
`);
  project.write('models/analytics/totals.sql', '-- kind: incremental\nSELECT 1 AS one, count() AS prices, sum(price) AS total FROM bronze.shop_prices GROUP BY one\n');
  const file = (name, bytes) => {
    fs.writeFileSync(path.join(directory, name), bytes);
    return path.join(directory, name);
  };
  const load = async (...args) => {
    const { code, data, stderr } = await project.json('load', ...args);
    assert.equal(code, 0, stderr);
    return data.files.map(({ file: _, ...rest }) => rest);
  };
  const fails = async (message, ...args) => {
    const { code, stderr } = await project.run('load', ...args);
    assert.notEqual(code, 0);
    assert.match(stderr, message);
  };
  const one = async (query) => (await project.clickhouse(query, { account: 'tidemark' })).trim();
  const fresh = { into: 'shop.prices', resumed_at: 0, was_done: false };

  await project.up({ deadline_ms: 300_000 });

  await t.test('CSV with all its troubles', async () => {
    const csv = file('prices.csv', '\ufeffsku,price,big,at\r\na,1.10,9223372036854775807,2026-01-01T00:00:00Z\r\n"b, ""c""",,,\r\nd,NaN,1,\r\ne,1.234,1,\r\nf,1\r\n"g\nh",2.20,-9007199254740993,2026-01-01 10:00:00\r\n');
    assert.deepEqual(await load(csv, '--into', 'shop.prices'), [{ ...fresh, rows: 3, quarantined: 3 }]);
    assert.deepEqual((await one('SELECT sku, price, big, at FROM shop.prices FINAL ORDER BY sku')).split('\n'), ['a\t1.1\t9223372036854775807\t2026-01-01 00:00:00.000', 'b, "c"\t\\N\t\\N\t\\N', 'g\\nh\t2.2\t-9007199254740993\t2026-01-01 10:00:00.000']);
    const refused = (await one("SELECT reason, bytes FROM tidemark.quarantine FINAL WHERE source = 'shop' ORDER BY ordinal")).split('\n').map((row) => row.split('\t'));
    assert.deepEqual(refused.map(([reason]) => reason.slice(0, 20)), ['prices.csv, record 3', 'prices.csv, record 4', 'prices.csv, record 5'].map((reason) => reason.slice(0, 20)));
    assert.match(refused[2][0], /record 5: 2 fields instead of 4/);
    assert.deepEqual(refused.map(([, bytes]) => bytes), ['d,NaN,1,', 'e,1.234,1,', 'f,1']);
    assert.deepEqual(await load(csv, '--into', 'shop.prices', '--null', 'NaN'), [{ ...fresh, rows: 4, quarantined: 2 }]);
    assert.equal(await one("SELECT count(), countIf(isNull(price)) FROM shop.prices FINAL WHERE sku IN ('d')"), '1\t1');
  });

  await t.test('once, under every name, unless it is wanted again', async () => {
    const text = gzipSync('{"sku":"z1","price":"3.30"}\n\n{"sku":"z2","price":4}\nnonsense\n{"sku":"z3","more":1}\n');
    assert.deepEqual(await load(file('a.ndjson.gz', text), '--into', 'shop.prices'), [{ ...fresh, rows: 2, quarantined: 2 }]);
    const again = [{ ...fresh, rows: 2, quarantined: 2, resumed_at: 4, was_done: true }];
    assert.deepEqual(await load(file('b.ndjson.gz', text), '--into', 'shop.prices'), again);
    assert.deepEqual(await load(path.join(directory, 'a.ndjson.gz'), '--into', 'shop.prices', '--again'), [{ ...fresh, rows: 2, quarantined: 2 }]);
    assert.deepEqual(await load(path.join(directory, 'a.ndjson.gz'), '--into', 'shop.prices', '--ignore-unknown'), [{ ...fresh, rows: 3, quarantined: 1 }]);
  });

  await t.test('documents of an API', async () => {
    const answer = file('orders.json', JSON.stringify({ orders: [{ id: 1, lines: [{ price: '1.10' }] }, { id: 2 }] }, null, 2));
    const options = ['--into', 'shop.documents', '--document', 'document', '--id', 'id', '--set', 'kind=order'];
    assert.deepEqual(await load(answer, file('order.json', '{"order": {"id": 3}}'), ...options), [2, 1].map((rows) => ({ ...fresh, into: 'shop.documents', rows, quarantined: 0 })));
    assert.deepEqual(await load(file('lines.ndjson', '{"id": 4}\n{"id": 5\n'), '--into', 'shop.documents', '--document', 'document', '--id', 'id', '--set', 'kind=line'), [{ ...fresh, into: 'shop.documents', rows: 1, quarantined: 1 }]);
    assert.equal(await one("SELECT groupArray(number) FROM (SELECT JSONExtractInt(document, 'id') AS number FROM shop.documents FINAL WHERE kind = 'order' AND at > now() - 600 ORDER BY number)"), '[1,2,3]');
  });

  await t.test('Parquet', async () => {
    const url = `http://127.0.0.1:${project.clickhouse_port}/?output_format_parquet_string_as_string=1`;
    const query = "SELECT concat('p', toString(number)) AS sku, toDecimal64(number, 2) / 4 AS price, toInt64(9007199254740993 + number) AS big, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number AS at FROM numbers(3000) FORMAT Parquet";
    const made = await fetch(url, { method: 'POST', body: query, headers: { 'X-ClickHouse-User': 'reader', 'X-ClickHouse-Key': project.password('reader') } });
    const parquet = file('p.parquet', Buffer.from(await made.arrayBuffer()));
    assert.deepEqual(await load(parquet, '--into', 'shop.prices'), [{ ...fresh, rows: 3000, quarantined: 0 }]);
    assert.equal(await one("SELECT count(), sum(price), max(big), max(at) FROM shop.prices FINAL WHERE sku LIKE 'p%'"), '3000\t1124625\t9007199254743992\t2026-01-01 00:49:59.000');
  });

  await t.test('kill -9 in the middle', async () => {
    const rows = 200_000;
    const large = file('large.ndjson', Array.from({ length: rows }, (_, n) => (n % 1000 === 999 ? '{"sku":7' : `{"sku":"k${n}","price":"1.25","big":${n}}`)).join('\n'));
    const child = new Child(binary, ['load', large, '--into', 'shop.prices'], { cwd: project.directory });
    await eventually('a part of it is in', async () => Number(await one("SELECT max(records) FROM tidemark.loads WHERE file = 'large.ndjson'")) > 0, { every_ms: 5 });
    child.kill('SIGKILL');
    await child.ended;
    // What it had sent is done by the server all the same.
    await eventually('nothing of it is under way', async () => (await one("SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND (position(query, 'tidemark.loads') > 0 OR position(query, 'shop.prices') > 0)")) === '0');
    const before = Number(await one("SELECT max(records) FROM tidemark.loads WHERE file = 'large.ndjson'"));
    const [result] = await load(large, '--into', 'shop.prices');
    assert.equal(result.resumed_at, before);
    assert.deepEqual([result.rows, result.quarantined], [rows - rows / 1000, rows / 1000]);
    assert.equal(await one("SELECT count(), uniqExact(big) FROM shop.prices FINAL WHERE sku LIKE 'k%'"), `${result.rows}\t${result.rows}`);
    assert.equal(await one("SELECT count() FROM tidemark.quarantine FINAL WHERE reason LIKE 'large.ndjson%'"), String(rows / 1000));
  });

  await t.test('it is mirrored, modelled, and proven', async () => {
    const wanted = await one('SELECT count(), sum(price) FROM shop.prices FINAL');
    await eventually('the model has it all', async (seen) => {
      const found = await one('SELECT prices, total FROM analytics.totals');
      seen(`${found} instead of ${wanted}`);
      return found === wanted;
    }, { deadline_ms: 180_000 });
    await project.assert_verified();
  });

  await t.test('what cannot be', async () => {
    const csv = file('x.csv', 'sku\nx\n');
    await fails(/no table shop.nothing/, csv, '--into', 'shop.nothing');
    await fails(/has no key/, csv, '--into', 'shop.lines');
    await fails(/no column nothing/, csv, '--into', 'shop.prices', '--set', 'nothing=1');
    await fails(/does not show in its name/, file('x.dat', ''), '--into', 'shop.prices');
    await fails(/cannot be read/, path.join(directory, 'missing.csv'), '--into', 'shop.prices');
    await fails(/UTF-16/, file('u.csv', Buffer.from('\ufeffsku\n', 'utf16le')), '--into', 'shop.prices');
    await fails(/is damaged/, file('half.csv.gz', gzipSync('sku\n'.repeat(10_000)).subarray(0, 60)), '--into', 'shop.prices');
    const { code } = await project.run('load', file('bad.csv', 'nonsense\n1\n'), '--into', 'shop.prices');
    assert.equal(code, 1);
  });
  await project.down();
});
