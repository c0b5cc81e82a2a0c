#include "segments/profile_entities.h"

#include "clickhouse/schema.h"
#include "segments/membership_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace tidemark::segments {

void know_profiles(Definition& definition, const profiles::ProfileFiles& profiles) {
  const profiles::Definition* of = profiles.find(definition.entity);
  if (of == nullptr) return;
  if (definition.key.empty()) definition.key = {"profile_id"};
  if (definition.events.empty() && definition.key == std::vector<std::string>{"profile_id"})
    definition.events.push_back({.table = "bronze." + of->slug() + "_events",
                                 .key = {"profile_id"},
                                 .name = "event",
                                 .constant_name = {},
                                 .time = "timestamp",
                                 .properties = "properties",
                                 .id = "message_id",
                                 .where = definition.where});
}

Result<std::string> plans_of_profiles(clickhouse::Client& client, const std::string& entity) {
  std::string table = "profile_plans_" + entity;
  std::replace(table.begin(), table.end(), '.', '_');
  bool there = TRY(clickhouse::table_exists(client, "tidemark", table));
  return there ? clickhouse::quote_table("tidemark", table) : "";
}

Status mark_absorbed(clickhouse::ClientPool& pool, const std::string& plans, std::vector<Flip>& flips) {
  if (plans.empty()) return {};
  std::set<std::string> gone;
  for (const Flip& flip : flips)
    if (!flip.there) gone.insert(flip.entity);
  std::set<std::string> absorbed;
  for (auto entity = gone.begin(); entity != gone.end();) {
    std::vector<std::string> page;
    for (; entity != gone.end() && page.size() < limits::entities_a_slice; ++entity) page.push_back(*entity);
    // In the last step that took ids from it: did any go to another profile?
    Block block = TRY(pool.query(
        fmt::format("SELECT old_profile FROM (SELECT old_profile, step, countIf(profile != '') AS moved FROM "
                    "{} WHERE what = 'id' AND old_profile IN {{gone:Array(String)}} AND profile != "
                    "old_profile GROUP BY old_profile, step ORDER BY step DESC LIMIT 1 BY old_profile) WHERE "
                    "moved > 0",
                    plans),
        {.raw_parameters = {{"gone", clickhouse::array_parameter(page)}}, .describe_empty = false}));
    for (size_t row = 0; row < block.rows(); ++row) absorbed.emplace(block.columns[0].text(row));
  }
  for (Flip& flip : flips) flip.absorbed = !flip.there && absorbed.contains(flip.entity);
  return {};
}

}  // namespace tidemark::segments
