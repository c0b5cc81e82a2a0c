// The adtech pack's truth: every mirrored table and every model compared by value with what Postgres computes from its
// own tables (test/sql/adtech_expected.sql).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './process.mjs';

export const tables = ['advertiser', 'campaign', 'impressions', 'clicks'];
export const kpis = ['mv_campaign_ctr', 'mv_daily_performance', 'mv_campaign_daily_performance', 'mv_campaign_efficiency', 'mv_advertiser_performance'];

export function expected_models() {
  const text = fs.readFileSync(path.join(root, 'test/sql/adtech_expected.sql'), 'utf8');
  const models = text.split(/^-- model: /m).slice(1).map((part) => {
    const end = part.indexOf('\n');
    return { model: part.slice(0, end).trim(), query: part.slice(end + 1).trim() };
  });
  const files = fs.readdirSync(path.join(root, 'packs/adtech/models/analytics')).map((file) => `analytics.${path.basename(file, '.sql')}`);
  assert.deepEqual(models.map(({ model }) => model).sort(), files.sort(), 'every model of the pack has an expected query');
  return models;
}

// Everything, by value; the database must be quiet. Returns the number of rows compared.
export async function assert_adtech_equal(world, phase) {
  const { postgres, project, database } = world;
  await project.caught_up(postgres);
  let rows = 0;
  for (const table of tables)
    rows += await project.assert_equal(`${phase}: bronze.${table}`, postgres, database, `SELECT * FROM ${table}`, `SELECT * FROM bronze.${table}__current`);
  for (const { model, query } of expected_models())
    rows += await project.assert_equal(`${phase}: ${model}`, postgres, database, query, `SELECT * FROM ${model}`);
  return rows;
}

// The statements of the source's own README, as printed there.
export const readme_queries = {
  'Campaign Performance Overview': `SELECT 
    campaign_id,
    campaign_name,
    advertiser_name,
    impressions,
    clicks,
    ctr
FROM analytics.mv_campaign_ctr
ORDER BY ctr DESC;`,
  'Daily Performance Trend': `SELECT 
    event_date,
    impressions,
    clicks,
    daily_ctr
FROM analytics.mv_daily_performance
ORDER BY event_date DESC;`,
  'Cost Per Click Analysis': `SELECT 
    campaign_id,
    campaign_name,
    bid_amount,
    impressions,
    clicks,
    cost_per_click
FROM analytics.mv_campaign_efficiency
ORDER BY cost_per_click ASC;`,
  'Advertiser Summary': `SELECT
    advertiser_id,
    advertiser_name,
    campaign_count,
    total_budget,
    impressions,
    clicks,
    overall_ctr
FROM analytics.mv_advertiser_performance
ORDER BY overall_ctr DESC;`,
};
