// How what people do lands in Postgres: as the rows of an extraction tool, and as GA4's reports of what it
// saw.
#include "cli/commerce_generator.h"
#include "cli/generator_statements.h"

#include <fmt/format.h>
#include <string_view>

namespace tidemark::cli {

namespace {

constexpr int64_t day_micros = 86'400'000'000;
constexpr int64_t live_report_every_micros = 600'000'000;
constexpr int64_t report_days = 3;  // before the day itself: what GA4 still changes
constexpr size_t recent_max = 5'000;
constexpr size_t deletable_max = 2'000;

// GA4's visits of some days, from the events as far as they have landed.
constexpr const char* visits_view = R"(
CREATE OR REPLACE TEMP VIEW ga4_visits AS
SELECT property_id, date, person, session, (max(at) - min(at)) / 1000000.0 AS seconds, bool_or(engaged) AS engaged,
       count(*) FILTER (WHERE event_name = 'page_view') AS views, bool_or(event_name = 'first_visit') AS is_new,
       min(category) AS category, min(system) AS system, min(browser) AS browser, min(country) AS country, min(city) AS city,
       coalesce(min(source), '(direct)') AS source, coalesce(min(medium), '(none)') AS medium
FROM (SELECT DISTINCT stream_id AS property_id, event_date AS date, user_pseudo_id AS person, event_name, event_timestamp AS at,
        device->>'category' AS category, device->>'operating_system' AS system, device->'web_info'->>'browser' AS browser,
        geo->>'country' AS country, geo->>'city' AS city, collected_traffic_source->>'manual_source' AS source,
        collected_traffic_source->>'manual_medium' AS medium,
        (SELECT one->'value'->>'int_value' FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'ga_session_id') AS session,
        EXISTS (SELECT FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'session_engaged') AS engaged
      FROM raw_ga4.events) AS seen
GROUP BY property_id, date, person, session)";

// $1: when they are extracted; $2, $3: the days, both included; $4: 27 days before the first.
constexpr const char* reports[] = {
    R"(INSERT INTO raw_ga4.website_overview SELECT md5(concat_ws('|', 'website_overview', property_id, date, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         property_id, date, count(DISTINCT person), count(*) FILTER (WHERE is_new), count(*), round(count(*)::numeric / greatest(1, count(DISTINCT person)), 6),
         round(avg(seconds), 6), sum(views)::bigint, round(sum(views)::numeric / count(*), 6), round(1 - avg(engaged::int), 6)
       FROM ga4_visits WHERE date BETWEEN $2 AND $3 GROUP BY property_id, date)",
    R"(INSERT INTO raw_ga4.devices SELECT md5(concat_ws('|', 'devices', property_id, date, category, system, browser, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         property_id, date, category, system, browser, count(DISTINCT person), count(*) FILTER (WHERE is_new), count(*), sum(views)::bigint, round(1 - avg(engaged::int), 6)
       FROM ga4_visits WHERE date BETWEEN $2 AND $3 GROUP BY property_id, date, category, system, browser)",
    R"(INSERT INTO raw_ga4.locations SELECT md5(concat_ws('|', 'locations', property_id, date, country, city, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         property_id, date, country, '(not set)', city, count(DISTINCT person), count(*) FILTER (WHERE is_new), count(*), sum(views)::bigint, round(1 - avg(engaged::int), 6)
       FROM ga4_visits WHERE date BETWEEN $2 AND $3 GROUP BY property_id, date, country, city)",
    R"(INSERT INTO raw_ga4.traffic_sources SELECT md5(concat_ws('|', 'traffic_sources', property_id, date, source, medium, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         property_id, date, source, medium, count(DISTINCT person), count(*) FILTER (WHERE is_new), count(*), sum(views)::bigint, round(1 - avg(engaged::int), 6)
       FROM ga4_visits WHERE date BETWEEN $2 AND $3 GROUP BY property_id, date, source, medium)",
    R"(INSERT INTO raw_ga4.pages SELECT md5(concat_ws('|', 'pages', stream_id, event_date, host, path, $1::text)), $1::text::timestamptz, '{"changes": []}', 1, stream_id, event_date, host, path,
         count(*), CASE WHEN count(*) < 3 THEN 'NaN' ELSE round(1 - avg(engaged::int), 6) END
       FROM (SELECT stream_id, event_date, split_part(page, '/', 3) AS host, '/' || split_part(page, '/', 4) || coalesce('/' || nullif(split_part(page, '/', 5), ''), '') AS path,
               event_params @> '[{"key": "session_engaged"}]' AS engaged
             FROM (SELECT DISTINCT stream_id, event_date, event_timestamp, user_pseudo_id, event_params, event_params->0->'value'->>'string_value' AS page FROM raw_ga4.events
                   WHERE event_name = 'page_view' AND event_date BETWEEN $2 AND $3) AS views) AS pages
       GROUP BY stream_id, event_date, host, path)",
    R"(INSERT INTO raw_ga4.daily_active_users SELECT md5(concat_ws('|', 'daily_active_users', stream_id, event_date, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         stream_id, event_date, count(DISTINCT user_pseudo_id) FROM raw_ga4.events
       WHERE event_date BETWEEN $2 AND $3 AND event_params @> '[{"key": "session_engaged"}]' GROUP BY stream_id, event_date)",
    R"(INSERT INTO raw_ga4.weekly_active_users SELECT md5(concat_ws('|', 'weekly_active_users', stream_id, day.date, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         stream_id, day.date, count(DISTINCT user_pseudo_id) FROM (SELECT DISTINCT event_date AS date FROM raw_ga4.events WHERE event_date BETWEEN $2 AND $3) AS day
       JOIN raw_ga4.events AS one ON one.event_date <= day.date AND one.event_date > to_char(to_date(day.date, 'YYYYMMDD') - 7, 'YYYYMMDD')
       WHERE event_date BETWEEN $4 AND $3 AND event_params @> '[{"key": "session_engaged"}]' GROUP BY stream_id, day.date)",
    R"(INSERT INTO raw_ga4.four_weekly_active_users SELECT md5(concat_ws('|', 'four_weekly_active_users', stream_id, day.date, $1::text)), $1::text::timestamptz, '{"changes": []}', 1,
         stream_id, day.date, count(DISTINCT user_pseudo_id) FROM (SELECT DISTINCT event_date AS date FROM raw_ga4.events WHERE event_date BETWEEN $2 AND $3) AS day
       JOIN raw_ga4.events AS one ON one.event_date <= day.date AND one.event_date > to_char(to_date(day.date, 'YYYYMMDD') - 28, 'YYYYMMDD')
       WHERE event_date BETWEEN $4 AND $3 AND event_params @> '[{"key": "session_engaged"}]' GROUP BY stream_id, day.date)"};

}  // namespace

Status CommerceGenerator::insert(const std::string& table, const std::string& rows) {
  counts_.rows += TRY(affected_rows(
      connection_,
      fmt::format("INSERT INTO {0} SELECT * FROM jsonb_populate_recordset(NULL::{0}, $1::jsonb)", table),
      {"[" + rows + "]"}));
  return {};
}

std::vector<CommerceGenerator::Landing> CommerceGenerator::send_again(int64_t count) {
  std::vector<Landing> rows;
  while (count-- > 0 && !recent_.empty()) rows.push_back(recent_[random_.below(recent_.size())]);
  counts_.updates += static_cast<int64_t>(rows.size());
  return rows;
}

// The tool appends; a redaction changes what is there.
Status CommerceGenerator::redact(int64_t count) {
  while (count-- > 0 && !deletable_.empty()) {
    size_t place = random_.below(deletable_.size());
    int64_t customer = deletable_[place].first;
    deletable_.erase(deletable_.begin() + static_cast<std::ptrdiff_t>(place));
    if (customer == 0) continue;
    std::string id = std::to_string(customer);
    counts_.deletes +=
        TRY(affected_rows(connection_, "DELETE FROM raw_shopify.customers WHERE id = $1::bigint", {id}));
    TRY(affected_rows(
        connection_,
        "UPDATE raw_shopify.orders SET email = NULL, customer = jsonb_set(customer, '{email}', 'null') "
        "WHERE (customer->>'id')::bigint = $1::bigint",
        {id}));
    TRY(affected_rows(connection_,
                      "UPDATE raw_shopify.abandoned_checkouts SET email = NULL WHERE "
                      "(customer->>'id')::bigint = $1::bigint",
                      {id}));
  }
  return {};
}

Status CommerceGenerator::write(const Stretch& traffic, std::vector<std::pair<int64_t, Landing>> rows) {
  auto count = static_cast<int64_t>(rows.size());
  int64_t now = rows.back().first;
  for (Landing& again : send_again(random_.share_of(count, traffic.updates)))
    rows.emplace_back(now, std::move(again));
  int64_t gone = random_.share_of(count, traffic.deletes);
  for (int64_t tombs = (gone + 1) / 2; tombs > 0 && !deletable_.empty(); --tombs) {
    size_t place = random_.below(deletable_.size());
    rows.emplace_back(now, deletable_[place].second);
    deletable_.erase(deletable_.begin() + static_cast<std::ptrdiff_t>(place));
    ++counts_.deletes;
  }
  std::map<std::string, std::string> by_table;
  for (const auto& [extracted, row] : rows) {
    std::string& text = by_table[row.table];
    if (!text.empty()) text += ',';
    text += fmt::format(
        R"({{"_airbyte_raw_id":"{:016x}{:016x}","_airbyte_extracted_at":"{}","_airbyte_meta":{{"changes":[]}},"_airbyte_generation_id":1,{}}})",
        random_.next(), random_.next(), iso_moment(extracted), row.document);
  }
  TRY_VOID(connection_.execute("BEGIN"));
  for (const auto& [table, text] : by_table) TRY_VOID(insert(table, text));
  TRY_VOID(redact(gone / 2));
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.commits;
  for (auto& [extracted, row] : rows)
    if (random_.chance(0.2)) recent_.push_back(std::move(row));
  while (recent_.size() > recent_max) recent_.pop_front();
  while (deletable_.size() > deletable_max) deletable_.pop_front();
  if (on_progress) on_progress(counts_);
  return {};
}

// As the tool does it: the newest day and the three before it, again and again.
Status CommerceGenerator::sync_reports(const Stretch& traffic, int64_t until_micros) {
  if (reported_micros_ == 0) reported_micros_ = traffic.from_micros;
  bool history = traffic.until_micros - traffic.from_micros > day_micros;
  bool due = until_micros - reported_micros_ >= (history ? day_micros : live_report_every_micros);
  if (!due && !(history && until_micros == traffic.until_micros)) return {};
  int64_t first = reported_micros_ - report_days * day_micros;
  std::vector<std::string> parameters = {iso_moment(until_micros), ga4_date(first), ga4_date(until_micros),
                                         ga4_date(first - 27 * day_micros)};
  TRY_VOID(connection_.execute("BEGIN"));
  TRY_VOID(connection_.execute(visits_view));
  for (const char* report : reports) {
    bool rolling = std::string_view(report).find("$4") != std::string_view::npos;
    counts_.rows +=
        TRY(affected_rows(connection_, report, {parameters.begin(), parameters.end() - (rolling ? 0 : 1)}));
  }
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.commits;
  reported_micros_ = until_micros;
  return {};
}

Status CommerceGenerator::delete_everything() {
  TRY_VOID(connection_.execute("BEGIN"));
  for (const char* table : {"raw_shopify.orders",
                            "raw_shopify.order_refunds",
                            "raw_shopify.customers",
                            "raw_shopify.abandoned_checkouts",
                            "raw_shopify.locations",
                            "raw_shopify.inventory_items",
                            "raw_shopify.inventory_levels",
                            "raw_shopify.transactions",
                            "raw_shopify.price_rules",
                            "raw_shopify.discount_codes",
                            "raw_shopify.countries",
                            "raw_shopify.shop",
                            "raw_shopify.customer_journey_summary",
                            "raw_shopify.order_agreements",
                            "raw_klaviyo.metrics",
                            "raw_klaviyo.campaigns",
                            "raw_klaviyo.flows",
                            "raw_klaviyo.lists",
                            "raw_klaviyo.profiles",
                            "raw_klaviyo.events",
                            "raw_ga4.website_overview",
                            "raw_ga4.pages",
                            "raw_ga4.devices",
                            "raw_ga4.locations",
                            "raw_ga4.traffic_sources",
                            "raw_ga4.daily_active_users",
                            "raw_ga4.weekly_active_users",
                            "raw_ga4.four_weekly_active_users",
                            "raw_ga4.events"})
    counts_.deletes += TRY(affected_rows(connection_, fmt::format("DELETE FROM {}", table)));
  TRY_VOID(connection_.execute("COMMIT"));
  waiting_.clear();
  recent_.clear();
  deletable_.clear();
  stock_.clear();
  reported_micros_ = 0;
  return prepare();
}

}  // namespace tidemark::cli
