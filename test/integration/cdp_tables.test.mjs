// Entities and criteria that people INSERT with plain SQL: memberships follow within a second, receivers are told, kills lose nothing, and the
// table is the truth. The example is that of a lead list: who fits well, who is interested, and who loses interest.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const lead = (id, properties) => `('acme', '${id}', '${JSON.stringify(properties)}')`;

test('entities by plain SQL', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'cdp-tables', { pack: null, database: 'shop' });
  const { project } = world;
  const admin = (query) => project.clickhouse(query, { account: 'admin' });
  project.write('sources/cdp.yaml', 'source: cdp\ninserts:\n  tables: [entities]\n');
  project.write('destinations/told.yaml', 'destination: told\nfile: { path: told.ndjson }\n');
  project.write('segments/high_fit.yaml', 'segment: high_fit\nentity: cdp.entities\nnotify: [told]\nwhere:\n  - { property: industry, eq: Marketing }\n  - { property: company_size, gte: 50 }\n');
  project.write('segments/high_interest.yaml', 'segment: high_interest\nentity: cdp.entities\nnotify: [told]\nproperties: [website_activity]\nwhere: { property: website_activity, gte: 50 }\n');
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);
  await project.up();

  const members = async (segment) =>
    (await admin(`SELECT JSONExtractString(entity, 2) AS id FROM tidemark.segment_members FINAL WHERE segment = '${segment}' AND member = 1 ORDER BY id`)).trim().split('\n').filter(Boolean).join(' ');
  const are = (segment, expected, deadline_ms = 10_000) =>
    eventually(`${segment}: ${expected}`, async (seen) => {
      const found = await members(segment);
      seen(found);
      return found === expected;
    }, { deadline_ms, every_ms: 25 });
  const told = () => {
    const file = path.join(project.directory, 'told.ndjson');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
  };

  await t.test('three leads, and one that loses interest', async () => {
    await admin(`INSERT INTO cdp.entities (tenant_id, entity_id, properties) VALUES
      ${lead('lead_001', { industry: 'Marketing', company_size: 100, website_activity: 20 })},
      ${lead('lead_002', { industry: 'Marketing', company_size: 10, website_activity: 70 })},
      ${lead('lead_003', { industry: 'Retail', company_size: 500, website_activity: 90 })}`);
    await are('high_fit', 'lead_001');
    await are('high_interest', 'lead_002 lead_003');
    const began = Date.now();
    await admin(`INSERT INTO cdp.entities (tenant_id, entity_id, properties) VALUES ${lead('lead_003', { industry: 'Retail', company_size: 500, website_activity: 10 })}`);
    await are('high_interest', 'lead_002', 3_000);
    t.diagnostic(`INSERT to membership: ${Date.now() - began} ms`);
    const left = await eventually('the exit is told', () => told().find((one) => one.type === 'segment.exited'), { every_ms: 25 });
    assert.deepEqual([left.data.segment, left.data.ids, left.data.cause], ['high_interest', { tenant_id: 'acme', entity_id: 'lead_003' }, 'event']);
    // What is late by its version changes nothing.
    await admin(`INSERT INTO cdp.entities (tenant_id, entity_id, properties, version) VALUES ('acme', 'lead_003', '{"website_activity": 99}', 5)`);
    await project.assert_verified();
    assert.equal(await members('high_interest'), 'lead_002');
    await assert.rejects(project.clickhouse("INSERT INTO cdp.entities (entity_id) VALUES ('x')"), /Not enough privileges|ACCESS_DENIED|readonly/i, 'a reader writes nothing');
  });

  await t.test('kills of tidemark and of ClickHouse', async () => {
    let wanted = 0;
    const writing = (async () => {
      for (let number = 0; number < 150; ++number) {
        // Until it is taken, as a client of a database does.
        await eventually('the row is taken', () => admin(`INSERT INTO cdp.entities (tenant_id, entity_id, properties) VALUES ('acme', 'kill_${number % 40}', '{"website_activity": ${number}}')`).then(() => true, () => false), { deadline_ms: 60_000, every_ms: 50 });
        wanted = number;
      }
    })();
    for (let round = 0; round < 2; ++round) {
      await eventually('rows come in', () => wanted >= round * 40 + 20, { deadline_ms: 60_000, every_ms: 10 });
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.up();
      process.kill(project.clickhouse_pid(), 'SIGKILL');
    }
    await writing;
    await eventually('all are members', async () => (await members('high_interest')).split(' ').length === 41, { deadline_ms: 30_000 });
    const verified = await project.assert_verified();
    assert.ok(verified.tables.some((table) => table.table === 'bronze.cdp_entities' && table.rows === 43));
  });

  await t.test('DELETE FROM is followed', async () => {
    await admin("DELETE FROM cdp.entities WHERE entity_id LIKE 'kill_%'");
    await are('high_interest', 'lead_002', 15_000);
    await project.assert_verified();
  });
  await project.down();
});
