// Entities and criteria that people INSERT with plain SQL: memberships follow within a second, receivers are told, kills lose nothing, and the
// table is the truth. The example is that of a lead list: who fits well, who is interested, and who loses interest.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { eventually } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const lead = (id, properties) => `('acme', '${id}', '${JSON.stringify(properties)}')`;

test('entities and criteria by plain SQL', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'cdp-tables', { pack: null, database: 'shop' });
  const { project } = world;
  const admin = (query) => project.clickhouse(query, { account: 'admin' });
  project.environment = { SHOP_DATABASE_URL: world.url, CRM_TOKEN: 'crm-token-0123456789', LOOK_TOKEN: 'look-token-0123456789' };
  const settings = fs.readFileSync(path.join(project.directory, 'tidemark.yaml'), 'utf8');
  project.write('tidemark.yaml', `${settings}tokens:
  - { name: crm, value: "\${env:CRM_TOKEN}", scopes: [read, "segments:write"] }
  - { name: look, value: "\${env:LOOK_TOKEN}", scopes: [read] }
`);
  project.write('sources/cdp.yaml', 'source: cdp\ninserts:\n  tables: [entities, criteria]\n  segments: { notify: [told] }\n');
  project.write('destinations/told.yaml', 'destination: told\nfile: { path: told.ndjson }\n');
  project.write('segments/high_fit.yaml', 'segment: high_fit\nentity: cdp.entities\nnotify: [told]\nwhere:\n  - { property: industry, eq: Marketing }\n  - { property: company_size, gte: 50 }\n');
  project.write('segments/high_interest.yaml', 'segment: high_interest\nentity: cdp.entities\nnotify: [told]\nproperties: [website_activity]\nwhere: { property: website_activity, gte: 50 }\n');
  // The same leads in a table of Postgres, and posted over HTTP.
  await world.postgres.sql(world.database, 'CREATE SCHEMA crm; CREATE TABLE crm.entities (tenant_id text, entity_id text, properties jsonb, PRIMARY KEY (tenant_id, entity_id))');
  project.write('sources/shop.yaml', 'source: shop\npostgres:\n  url: ${env:SHOP_DATABASE_URL}\n  mode: cdc\n  tables: [crm.entities]\n');
  project.write('sources/app.yaml', 'source: app\nevents:\n  write_keys: a-write-key\n  tables:\n    - { table: entities, columns: { tenant_id: String, entity_id: String, properties: String }, key: [tenant_id, entity_id] }\n');
  for (const [way, entity] of [['cdc', 'bronze.crm_entities'], ['http', 'bronze.entities']])
    project.write(`segments/interest_${way}.yaml`, `segment: interest_${way}\nentity: ${entity}\nkey: [tenant_id, entity_id]\nnotify: [told]\nwhere: { property: website_activity, gte: 50 }\n`);
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
    await are('high_interest', 'lead_002');
    t.diagnostic(`INSERT to membership: ${Date.now() - began} ms`);
    const left = await eventually('the exit is told', () => told().find((one) => one.type === 'segment.exited'), { every_ms: 25 });
    assert.deepEqual([left.data.segment, left.data.ids, left.data.cause], ['high_interest', { tenant_id: 'acme', entity_id: 'lead_003' }, 'event']);
    // What is late by its version changes nothing.
    await admin(`INSERT INTO cdp.entities (tenant_id, entity_id, properties, version) VALUES ('acme', 'lead_003', '{"website_activity": 99}', 5)`);
    await project.assert_verified();
    assert.equal(await members('high_interest'), 'lead_002');
    await assert.rejects(project.clickhouse("INSERT INTO cdp.entities (entity_id) VALUES ('x')"), /Not enough privileges|ACCESS_DENIED|readonly/i, 'a reader writes nothing');
  });

  await t.test('the same by CDC and over HTTP', async () => {
    const in_postgres = (id, activity) => world.postgres.sql(world.database, `INSERT INTO crm.entities VALUES ('acme', '${id}', '{"website_activity": ${activity}}') ON CONFLICT (tenant_id, entity_id) DO UPDATE SET properties = excluded.properties`);
    const over_http = async (id, activity) => {
      const answer = await project.fetch('/v1/ingest/entities', { method: 'POST', headers: { authorization: 'Bearer a-write-key' }, body: JSON.stringify({ tenant_id: 'acme', entity_id: id, properties: JSON.stringify({ website_activity: activity }) }) });
      assert.equal(answer.status, 200, await answer.text());
    };
    for (const [way, put] of [['cdc', in_postgres], ['http', over_http]]) {
      for (const [id, activity] of [['lead_001', 20], ['lead_002', 70], ['lead_003', 90]]) await put(id, activity);
      await are(`interest_${way}`, 'lead_002 lead_003');
      await put('lead_003', 10);
      await are(`interest_${way}`, 'lead_002');
      await eventually('the exit is told', () => told().find((one) => one.type === 'segment.exited' && one.data.segment === `interest_${way}` && one.data.ids.entity_id === 'lead_003'), { every_ms: 25 });
    }
  });

  const criteria = (segment, filters, more = '') =>
    admin(`INSERT INTO cdp.criteria (tenant_id, segment_id, filters, definition) VALUES ('acme', '${segment}', '${JSON.stringify(filters).replaceAll('\\', '\\\\')}', '${more}')`);
  await t.test('segments are rows, too', async () => {
    await criteria('fits', [['industry', '=', 'Marketing', 'string'], ['company_size', '>=', '50', 'number']]);
    await are('acme.fits', 'lead_001');
    const before = told().length;
    await criteria('fits', [['industry', 'in', '["Marketing","Retail"]', 'string'], ['company_size', '>=', '50', 'number']]);
    await are('acme.fits', 'lead_001 lead_003');
    const entered = await eventually('who enters by an edit is told', () => told().slice(before).find((one) => one.data.segment === 'acme.fits'));
    assert.deepEqual([entered.type, entered.data.ids.entity_id, entered.data.cause], ['segment.entered', 'lead_003', 'edit']);
    // YAML and JSON, conditions and whole definitions, other tenants; wrong ones beside them.
    await criteria('yaml', [], 'any:\n  - { property: company_size, lt: 20 }\n  - { member: acme.fits }\n');
    await criteria('json', [], '{"where": {"property": "website_activity", "gte": 70}, "notify": [], "properties": ["industry"]}');
    await admin(`INSERT INTO cdp.criteria (tenant_id, segment_id, filters) VALUES ('other', 'fits', '[["company_size", ">", "0", "number"]]')`);
    await criteria('broken', [['company_size', 'about', '50', 'number']]);
    await criteria('pattern', [], '{"property": "industry", "matches": "("}');
    await criteria('round', [], '{"member": "acme.about"}');
    await criteria('about', [], '{"member": "acme.round"}');
    await criteria('lost', [], '{"where": {"property": "industry", "eq": "x"}, "notify": ["nobody"]}');
    await are('acme.yaml', 'lead_001 lead_002 lead_003');
    await are('acme.json', 'lead_002');
    await eventually('what is wrong is in quarantine', async (seen) => {
      const rows = (await admin("SELECT bytes, reason FROM tidemark.quarantine FINAL WHERE source = 'cdp.criteria' ORDER BY bytes, reason")).trim();
      seen(rows);
      return /acme\.broken\t.*there is no operator `about`/.test(rows) && /acme\.pattern\t.*RE2/.test(rows) && /acme\.round\t.*circle/.test(rows) && /acme\.lost\t.*no such destination/.test(rows);
    });
    assert.equal(await members('other.fits'), '');
    await admin(`INSERT INTO cdp.entities (tenant_id, entity_id, properties) VALUES ('other', 'lead_900', '{"company_size": 7}')`);
    await are('other.fits', 'lead_900');
    assert.equal(await members('acme.yaml'), 'lead_001 lead_002 lead_003', 'tenants do not mix');
    // Readable by everybody, under the names of the seed.
    const rows = await project.clickhouse("SELECT tenant_id, segment_id, entity_id, is_member, exited_at IS NULL FROM cdp.segment_membership WHERE segment_id = 'high_interest' ORDER BY entity_id");
    assert.equal(rows, 'acme\thigh_interest\tlead_002\t1\t1\nacme\thigh_interest\tlead_003\t0\t0\n');
    assert.equal((await project.clickhouse("SELECT count() FROM cdp.notifications WHERE segment_id = 'fits' AND tenant_id = 'acme'")).trim(), '1');
    await admin("INSERT INTO cdp.criteria (tenant_id, segment_id, is_deleted) VALUES ('acme', 'json', 1)");
    await are('acme.json', '');
    const verified = await project.assert_verified();
    assert.deepEqual(verified.segments.map((one) => one.segment).sort(), ['acme.fits', 'acme.yaml', 'high_fit', 'high_interest', 'interest_cdc', 'interest_http', 'other.fits']);
  });

  await t.test('segments and lists over HTTP, with tokens', async () => {
    const api = async (method, address, body, token = 'crm-token-0123456789') => {
      const answer = await project.fetch(address, { method, body, headers: token ? { authorization: `Bearer ${token}` } : {} });
      const text = await answer.text();
      return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
    };
    const small = { entity: 'cdp.entities', where: [['company_size', '<', '20', 'number'], { property: 'tenant_id', eq: 'acme' }], notify: ['told'] };
    assert.equal((await api('PUT', '/api/segments/small', JSON.stringify(small), '')).status, 401);
    assert.equal((await api('PUT', '/api/segments/small', JSON.stringify(small), 'crm-token-0123456788')).status, 401);
    assert.equal((await api('PUT', '/api/segments/small', JSON.stringify(small), 'look-token-0123456789')).status, 403);
    assert.equal((await api('POST', '/api/destinations/told/resume', '')).status, 403, 'another scope');
    const preview = await api('POST', '/api/segments/small/preview', JSON.stringify(small));
    assert.deepEqual([preview.status, preview.body.members, preview.body.sample], [200, 1, ['["acme","lead_002"]']]);
    assert.equal((await api('GET', '/api/segments/small')).status, 404, 'a preview saves nothing');
    const saved = await api('PUT', '/api/segments/small', JSON.stringify(small));
    assert.deepEqual([saved.status, saved.body.members], [200, 1], JSON.stringify(saved.body));
    // Every mistake with its place, and nothing changes.
    const bad = async (definition, where, message) => {
      const answer = await api('PUT', '/api/segments/small', typeof definition === 'string' ? definition : JSON.stringify(definition));
      assert.equal(answer.status, 400, JSON.stringify(answer.body));
      assert.ok(answer.body.errors.some((error) => error.where.includes(where) && message.test(error.message)), JSON.stringify(answer.body.errors));
    };
    await bad({ ...small, where: { all: [{ property: 'a', eqq: 1 }, { event: 'x', count: 'many' }] } }, '#/where/all/0', /eqq/);
    await bad({ ...small, where: { property: 'industry', matches: '(' } }, '#/where', /RE2/);
    await bad({ ...small, where: { member: 'small' } }, '#/where', /circle: small -> small/);
    await bad({ ...small, where: ['company_size', '<', '20', 'sum'] }, '#/where', /no data type `sum`/);
    await bad({ ...small, entity: 'cdp.people' }, '#', /cdp\.people/);
    await bad({ ...small, notify: ['nobody'] }, '#', /no such destination/);
    await bad('{"entity": ', '#', /not valid JSON/);
    await are('small', 'lead_002');
    assert.equal((await api('PUT', '/api/segments/high_fit', JSON.stringify(small))).status, 409, 'files win');
    assert.equal((await api('DELETE', '/api/segments/acme.fits')).status, 409);
    const listed = (await api('GET', '/api/segments', undefined, '')).body.segments;
    assert.deepEqual(['small', 'high_fit', 'acme.fits', 'acme.broken'].map((name) => listed.find((one) => one.segment === name)).map((one) => [one.state, one.origin]), [['live', 'api'], ['live', 'segments/high_fit.yaml'], ['live', 'cdp.criteria'], ['refused', 'cdp.criteria']]);
    // A list that is kept by hand moves people at once.
    await api('PUT', '/api/segments/vip', JSON.stringify({ entity: 'cdp.entities', where: { list: 'vip' } }));
    const appended = await api('POST', '/api/lists/vip/append?columns=2', 'acme,lead_001\nacme,lead_003\n');
    assert.deepEqual([appended.status, appended.body.keys], [200, 2]);
    await are('vip', 'lead_001 lead_003');
    await api('POST', '/api/lists/vip/remove?columns=2', 'acme,lead_001\n');
    await are('vip', 'lead_003');
    await api('POST', '/api/lists/vip/replace?columns=2', 'acme,lead_002\n');
    await are('vip', 'lead_002');
    await api('POST', '/api/lists/vip/clear', '');
    await are('vip', '');
    // Why, who, when.
    const why = (await api('GET', `/api/segments/high_fit/explain?entity=${encodeURIComponent('["acme","lead_002"]')}`)).body;
    assert.deepEqual([why.there, why.member, why.leaves.map((leaf) => [leaf.holds, String(leaf.value)]).sort()], [true, false, [[false, '10'], [true, 'Marketing']]]);
    const verb = async (...args) => JSON.parse((await project.run('segment', ...args, '--json')).stdout);
    assert.equal((await verb('explain', 'high_fit', 'acme,lead_001')).member, true);
    assert.equal((await verb('explain', 'high_fit', 'acme,nobody')).there, false);
    const changes = (await verb('history', 'high_interest', '["acme","lead_003"]')).changes;
    assert.deepEqual(changes.map((one) => one.change), ['exited', 'entered']);
    const between = new Date((new Date(changes[0].happened_at) - 0 + (new Date(changes[1].happened_at) - 0)) / 2).toISOString();
    assert.equal((await verb('members', 'high_interest', '--at', between)).members.length, 2);
    assert.match((await project.run('segment', 'members', 'high_interest', '--csv')).stdout, /^entity,entered_at,cause\n"\[""acme"",""lead_002""\]",/);
    assert.equal((await (await project.fetch('/api/segments/high_interest/members?format=csv')).text()).split('\n').length, 3);
    project.write('draft.yaml', 'entity: cdp.entities\nwhere: { property: company_size, gt: 400 }\n');
    assert.equal((await verb('save', 'large', '--file', path.join(project.directory, 'draft.yaml'))).members, 1);
    assert.equal((await verb('list')).segments.find((one) => one.segment === 'large').members, 1);
    assert.equal((await project.run('segment', 'delete', 'large')).code, 0);
    assert.equal((await api('DELETE', '/api/segments/vip')).status, 200);
    await project.assert_verified();
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
      await project.kill_clickhouse();
    }
    await writing;
    await eventually('all are members', async () => (await members('high_interest')).split(' ').length === 41, { deadline_ms: 30_000 });
    const verified = await project.assert_verified();
    assert.ok(verified.tables.some((table) => table.table === 'bronze.cdp_entities' && table.rows === 44));
  });

  await t.test('DELETE FROM is followed', async () => {
    await admin("DELETE FROM cdp.entities WHERE entity_id LIKE 'kill_%'");
    await are('high_interest', 'lead_002', 15_000);
    await project.assert_verified();
  });
  await project.down();
});
