// The changes of AdtechGenerator: what happens to rows after they were written. Each is something a real
// platform does, and each breaks a way of computing numbers that only looks at inserts.
#include "cli/adtech_generator.h"
#include "cli/generator_statements.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

// Corrections hit mostly what was written lately.
constexpr int64_t recent_window_rows = 200'000;
// Below this no campaign is removed: traffic needs somewhere to go.
constexpr size_t campaigns_min = 8;

}  // namespace

// Distinct, so that the order in which Postgres visits them cannot matter.
std::vector<int64_t> AdtechGenerator::recent_ids(int64_t newest, int64_t count) {
  int64_t oldest = std::max<int64_t>(1, newest - recent_window_rows);
  std::vector<int64_t> ids;
  if (newest < 1) return ids;
  for (int64_t index = 0; index < count; ++index) ids.push_back(random_.between(oldest, newest));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Status AdtechGenerator::change_facts(const std::string& table, int64_t updates, int64_t deletes) {
  int64_t& newest = table == "clicks" ? newest_click_ : newest_impression_;
  if (updates > 0) {
    // Attributed to another campaign, moved in time (to another minute, day or month), or both.
    std::vector<int64_t> ids = recent_ids(newest, updates);
    std::vector<int32_t> campaigns;
    std::vector<int64_t> shifts;
    for (size_t index = 0; index < ids.size(); ++index) {
      bool reattributed = random_.chance(0.6);
      campaigns.push_back(reattributed ? campaigns_[random_.below(campaigns_.size())].id : 0);
      shifts.push_back(!reattributed || random_.chance(0.3) ? random_.between(-172'800, 0) : 0);
    }
    counts_.updates += TRY(
        affected_rows(connection_,
                      fmt::format("UPDATE {} AS fact SET campaign_id = CASE WHEN change.campaign_id = 0 THEN "
                                  "fact.campaign_id ELSE change.campaign_id END,"
                                  " created_at = fact.created_at + change.seconds * interval '1 second'"
                                  " FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS change (id, "
                                  "campaign_id, seconds) WHERE fact.id = change.id",
                                  table),
                      {array_text(ids), array_text(campaigns), array_text(shifts)}));
    // One in twenty also gets another primary key.
    std::vector<int64_t> renumbered = recent_ids(newest, random_.share_of(updates, 0.05));
    if (!renumbered.empty()) {
      postgres::Rows range = TRY(connection_.query(
          "SELECT nextval(pg_get_serial_sequence($1, 'id')) FROM generate_series(1, $2::int)",
          {table, std::to_string(renumbered.size())}));
      std::vector<int64_t> fresh;
      for (size_t row = 0; row < range.size(); ++row) fresh.push_back(range.integer(row, 0));
      counts_.updates +=
          TRY(affected_rows(connection_,
                            fmt::format("UPDATE {} AS fact SET id = change.fresh FROM "
                                        "unnest($1::bigint[], $2::bigint[]) AS change (id, fresh)"
                                        " WHERE fact.id = change.id",
                                        table),
                            {array_text(renumbered), array_text(fresh)}));
      newest = std::max(newest, fresh.back());
    }
  }
  if (deletes > 0)
    counts_.deletes +=
        TRY(affected_rows(connection_, fmt::format("DELETE FROM {} WHERE id = ANY ($1::bigint[])", table),
                          {array_text(recent_ids(newest, deletes))}));
  return {};
}

Status AdtechGenerator::change_campaigns(int64_t now_micros, bool may_delete) {
  // Foreign keys matter for what follows; large transactions switched their checks off.
  if (may_skip_triggers_) TRY_VOID(connection_.execute("SET LOCAL session_replication_role = origin"));
  double kind = random_.unit();
  if (kind < 0.90 || (kind < 0.97 && !may_delete)) return rename_something(now_micros);
  if (kind < 0.97) return replace_campaign(now_micros);
  return renumber_campaign();
}

Status AdtechGenerator::rename_something(int64_t now_micros) {
  int32_t id = campaigns_[random_.below(campaigns_.size())].id;
  std::string updated =
      fmt::format("updated_at = to_timestamp({}) AT TIME ZONE 'UTC'", static_cast<double>(now_micros) / 1e6);
  std::string change;
  switch (random_.below(5)) {
    case 0:
      change = fmt::format("UPDATE campaign SET name = 'Renamed {} ' || id, {} WHERE id = {}",
                           random_.below(1000), updated, id);
      break;
    case 1:
      change = fmt::format("UPDATE campaign SET bid = {}.{:02}, {} WHERE id = {}", 0, random_.between(1, 9),
                           updated, id);
      break;
    case 2:
      change =
          fmt::format("UPDATE campaign SET budget = budget + {}, end_date = end_date + {}, {} WHERE id = {}",
                      random_.between(10, 500), random_.between(0, 14), updated, id);
      break;
    case 3:
      change = fmt::format(
          "UPDATE campaign SET advertiser_id = (SELECT id FROM advertiser ORDER BY id OFFSET {}"
          " % (SELECT count(*) FROM advertiser) LIMIT 1), {} WHERE id = {}",
          random_.below(1000), updated, id);
      break;
    default:
      change = fmt::format(
          "UPDATE advertiser SET name = '{}', {} WHERE id = (SELECT advertiser_id FROM campaign WHERE id = "
          "{})",
          advertiser_name(random_.next()), updated, id);
  }
  counts_.updates += TRY(affected_rows(connection_, change, {}));
  return {};
}

int32_t AdtechGenerator::quiet_campaign() {
  return campaigns_.back().id;
}

// A campaign ends with all its facts (a client who asks for deletion), another begins.
Status AdtechGenerator::replace_campaign(int64_t now_micros) {
  if (campaigns_.size() > campaigns_min) {
    std::string id = std::to_string(quiet_campaign());
    // Whoever adds facts to it meanwhile is waited for, so that these are seen and go, too.
    TRY(connection_.query("SELECT 1 FROM campaign WHERE id = $1::int FOR UPDATE", {id}));
    for (const char* statement :
         {"DELETE FROM clicks WHERE campaign_id = $1::int",
          "DELETE FROM impressions WHERE campaign_id = $1::int", "DELETE FROM campaign WHERE id = $1::int"})
      counts_.deletes += TRY(affected_rows(connection_, statement, {id}));
  }
  postgres::Rows advertisers = TRY(connection_.query("SELECT id FROM advertiser ORDER BY id"));
  if (advertisers.size() == 0) return {};
  auto advertiser = static_cast<int32_t>(advertisers.integer(random_.below(advertisers.size()), 0));
  --counts_.transactions;  // add_campaigns counts one, and here it is part of ours
  return add_campaigns(advertiser, 1, now_micros);
}

// A campaign's own id changes, and with it the rows that point to it.
Status AdtechGenerator::renumber_campaign() {
  if (!campaign_ids_cascade_) return {};
  counts_.updates += TRY(affected_rows(
      connection_,
      "UPDATE campaign SET id = nextval(pg_get_serial_sequence('campaign', 'id')) WHERE id = $1::int",
      {std::to_string(quiet_campaign())}));
  return read_campaigns();
}

}  // namespace tidemark::cli
