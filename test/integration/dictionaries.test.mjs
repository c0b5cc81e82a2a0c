// Dictionaries over mirrored tables follow every cut; live tables and dictionaries read Postgres, and are said to be live.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { binary, eventually, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('dictionaries and live tables', { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'dictionaries');
  const { project, postgres } = world;
  const sql = (text) => postgres.sql(world.database, text);
  assert.equal((await run(binary, ['generate', 'adtech', '--url', world.url, '--rows', '1000'])).code, 0);
  await sql("CREATE TABLE rates (currency text PRIMARY KEY, rate numeric(12,6) NOT NULL); INSERT INTO rates VALUES ('USD', 1.1), ('GBP', 0.9)");
  project.write('dictionaries/campaigns.yaml', 'dictionary: lookup.campaigns\nover: bronze.campaign\nkey: id\nattributes: [name, bid]\n');
  project.write('dictionaries/rates.yaml', 'dictionary: lookup.rates\npostgres: { source: ads, table: rates }\nkey: currency\nlifetime: 1s\n');
  const source = project.read('sources/ads.yaml');
  project.write('sources/ads.yaml', source.replace(/^( +)tables:/m, '$1live: [rates]\n$1tables:'));
  project.write('models/lookup/named.sql', "SELECT campaign_id, any(dictGetOrNull('lookup.campaigns', 'name', campaign_id)) AS name, count() AS impressions FROM bronze.impressions GROUP BY campaign_id\n");
  project.write('models/lookup/converted.sql', "SELECT c.id AS id, r.currency AS currency, c.bid * r.rate AS bid, dictGetOrNull('lookup.rates', 'rate', r.currency) AS again FROM bronze.campaign AS c CROSS JOIN live.rates AS r\n");
  const names = (what) =>
    project.assert_equal(what, postgres, world.database,
      'SELECT campaign_id, c.name, count(*) FROM impressions i LEFT JOIN campaign c ON c.id = i.campaign_id GROUP BY 1, 2',
      'SELECT campaign_id, name, impressions FROM lookup.named');

  await t.test('a look-up is as of the fence', async () => {
    await project.up();
    await project.caught_up(postgres);
    assert.ok((await names('after the copy')) > 0);
    for (let round = 0; round < 5; ++round) {
      await sql(`UPDATE campaign SET name = name || '-${round}' WHERE id % 3 = ${round % 3}`);
      await project.caught_up(postgres);
      await names(`after rename ${round}`); // at once: the dictionary was reloaded before the fence
    }
  });

  await t.test('live tables are read at once, and are left out of verify', async () => {
    await sql("UPDATE rates SET rate = 2 WHERE currency = 'USD'");
    assert.equal(await project.clickhouse("SELECT DISTINCT bid / c.bid FROM lookup.converted AS v JOIN bronze.campaign__current AS c ON c.id = v.id WHERE currency = 'USD'"), '2\n');
    await eventually('the live dictionary is read again', async () => (await project.clickhouse("SELECT DISTINCT again FROM lookup.converted WHERE currency = 'USD'")) === '2\n');
    const verified = await project.assert_verified();
    const converted = verified.models.find((model) => model.model === 'lookup.converted');
    assert.deepEqual(converted.live, ['live.rates', 'lookup.rates']);
    assert.deepEqual(verified.dictionaries.map(({ dictionary, different }) => ({ dictionary, different })), [{ dictionary: 'lookup.campaigns', different: 0 }]);
    assert.match(fs.readFileSync(path.join(project.directory, 'up.log'), 'utf8'), /live: rates of source ads/);
  });

  await t.test('no password is shown to the reader', async () => {
    const passwords = [project.password('tidemark'), new URL(world.url).password].filter((text) => text.length > 3);
    for (const query of ['SHOW CREATE TABLE live.rates', 'SHOW CREATE DICTIONARY lookup.rates', 'SHOW CREATE DICTIONARY lookup.campaigns', 'SELECT * FROM system.named_collections']) {
      const shown = await project.clickhouse(query).catch((error) => error.message);
      for (const password of passwords) assert.ok(!shown.includes(password), query);
    }
    assert.equal((await project.run('plan')).code, 0);
  });

  await t.test('a restart and a kill change nothing; what leaves the project goes', async () => {
    await project.up_child.end({ signal: 'SIGKILL' });
    await sql("UPDATE campaign SET name = 'after the kill' WHERE id % 2 = 0");
    await project.up();
    await project.caught_up(postgres);
    await names('after a kill');
    await project.kill_clickhouse();
    await sql("UPDATE campaign SET name = 'after another' WHERE id % 2 = 1");
    await project.caught_up(postgres);
    await names('after the death of ClickHouse');
    await project.assert_verified();
    await project.down();
    fs.rmSync(path.join(project.directory, 'dictionaries/rates.yaml'));
    fs.rmSync(path.join(project.directory, 'models/lookup/converted.sql'));
    project.write('sources/ads.yaml', source);
    await project.up();
    assert.equal(await project.clickhouse("SELECT database || '.' || name FROM system.tables WHERE database IN ('live', 'lookup') AND engine IN ('Dictionary', 'PostgreSQL') ORDER BY 1", { account: 'admin' }), 'lookup.campaigns\n');
  });
});
