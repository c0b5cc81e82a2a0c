// What the tests of the adtech pack share.
import { assert_pack_equal, expected_models } from './pack.mjs';

export const tables = ['advertiser', 'campaign', 'impressions', 'clicks'];
export const kpis = ['mv_campaign_ctr', 'mv_daily_performance', 'mv_campaign_daily_performance', 'mv_campaign_efficiency', 'mv_advertiser_performance'];

// Everything, by value; the database must be quiet. Returns the number of rows compared.
export const assert_adtech_equal = (world, phase) => assert_pack_equal(world, phase, tables, expected_models('adtech'));

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
