// tidemark explain model: the whole of a model, and the mirrored rows behind one of its rows.
import assert from 'node:assert/strict';
import test from 'node:test';
import { binary, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

test('explain model', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'explain');
  const { project, postgres, database } = world;
  assert.equal((await run(binary, ['generate', 'adtech', '--url', world.url, '--rows', '3000'])).code, 0);
  await project.up();
  await project.caught_up(postgres, { database });

  await t.test('every model of the pack is explained', async () => {
    for (const { model, kind } of (await project.status()).models) {
      const { code, data } = await project.json('explain', 'model', model);
      assert.equal(code, 0, model);
      assert.equal(data.kind, kind);
      assert.ok(data.columns.length > 0 && data.why_exact && data.statements.length > 0, model);
      assert.equal(data.status.state, 'live');
    }
    const { data } = await project.json('explain', 'model', 'analytics.mv_campaign_ctr');
    assert.deepEqual(data.columns.find((column) => column.column === 'advertiser_name').bronze, [{ table: 'bronze.advertiser', column: 'name' }]);
    assert.ok(data.reads.reduce((sum, table) => sum + table.rows, 0) > 0);
    const text = (await project.run('explain', 'model', 'analytics.campaign_traffic_daily')).stdout;
    for (const part of [/exact because/, /CREATE MATERIALIZED VIEW/, /read by/, /live, \d+ ms behind/, /keeps\n  analytics\.campaign_traffic_daily__/]) assert.match(text, part);
  });

  await t.test('the rows behind a row are those Postgres has', async () => {
    const campaign = await postgres.sql(database, 'SELECT campaign_id FROM clicks GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1');
    const { code, data } = await project.json('explain', 'model', 'analytics.mv_campaign_ctr', '--row', `campaign_id=${campaign}`, '--limit', '5');
    assert.equal(code, 0);
    assert.equal(data.total, 1);
    for (const table of ['impressions', 'clicks']) {
      const found = data.tables.find((entry) => entry.table === `bronze.${table}`);
      assert.equal(String(found.total), await postgres.sql(database, `SELECT count(*) FROM ${table} WHERE campaign_id = ${campaign}`));
      assert.equal(String(found.total), String(data.rows[0][table]));
      for (const row of found.rows) {
        assert.equal(String(row.campaign_id), campaign);
        assert.ok(row._version && row._committed_at && '_cut' in row, JSON.stringify(row));
        assert.equal(await postgres.sql(database, `SELECT campaign_id FROM ${table} WHERE id = ${row.id}`), campaign);
      }
    }
    const text = (await project.run('explain', 'model', 'analytics.mv_campaign_ctr', '--row', `campaign_id=${campaign}`)).stdout;
    assert.match(text, /bronze\.impressions where .*campaign_id.*: [\d,]+ rows/);
  });

  await t.test('mistakes say what was meant', async () => {
    const unknown = await project.run('explain', 'model', 'analytics.mv_campaign_ct');
    assert.equal(unknown.code, 78);
    assert.match(unknown.stderr, /did you mean `analytics\.mv_campaign_ctr`/);
    const column = await project.run('explain', 'model', 'analytics.mv_campaign_ctr', '--row', 'campain_id=1');
    assert.equal(column.code, 2);
    assert.match(column.stderr, /did you mean `campaign_id`/);
    const where = await project.run('explain', 'model', 'analytics.mv_campaign_ctr', '--where', 'nonsense = 1');
    assert.equal(where.code, 1);
    assert.match(where.stderr, /nonsense/);
  });

  await project.down();
  await t.test('it works without a running project', async () => {
    const { code, data } = await project.json('explain', 'model', 'analytics.mv_campaign_ctr');
    assert.equal(code, 0);
    assert.equal(data.status, null);
  });
});
