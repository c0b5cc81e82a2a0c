// The half of the keeper that writes what a plan says. Everything here may be done again: change rows have
// tokens and go before the rows they are about; rows have versions made of the step, so that the same row
// written twice is one row. See profile_keeper.h.
#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "profiles/id_sql.h"
#include "profiles/profile_keeper.h"
#include "profiles/profile_limits.h"
#include "profiles/profile_statements.h"

#include <fmt/ranges.h>

namespace tidemark::profiles {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

Status Keeper::apply(const Plan& plan) {
  std::string token = fmt::format("{}:{}", definition_.slug(), plan.step);
  auto insert = [&](const std::string& table, const Block& block, const std::string& what) -> Status {
    TRY_VOID(reached(what));
    return clickhouse::insert_exactly_once(pool_, table, block, token + ":" + what, {}, policy_, stop_);
  };
  if (!plan.ids.empty()) {
    int64_t now = system_clock().wall_micros();
    TRY_VOID(insert(tables_.ids.target("__changes"), map_block(tables_, plan.ids, plan.step, now, true),
                    "ids:changes"));
    TRY_VOID(insert(tables_.ids.target(), map_block(tables_, plan.ids, plan.step, now, false), "ids"));
  }
  TRY_VOID(apply_events(plan));
  for (const auto& mirrored : mirrored_) TRY_VOID(apply_rows(plan, mirrored));
  // Last: as long as an edge is missing here, a replay looks at its ids again.
  if (!plan.edges.empty()) TRY_VOID(insert(tables_.edges, edge_block(plan.edges, plan.step), "edges"));
  return {};
}

namespace {

// Somebody's events may have to go elsewhere.
bool moves(const Plan& plan) {
  for (const auto& change : plan.ids)
    if (!change.old_profile.empty() && change.old_profile != change.profile) return true;
  return false;
}

}  // namespace

Status Keeper::apply_events(const Plan& plan) {
  std::vector<std::string> selects;
  for (const auto& cut : plan.cuts)
    // A step without a table only has its place in the order.
    if (!cut.table.empty() && !reads_rows(cut.table))
      selects.push_back(
          events_by_person(definition_, tables_, cut.table,
                           fmt::format("_cut = {} AND _version >= toUInt128('{}')", cut.cut, cut.floor)));
  for (const auto& erased : plan.erased) selects.push_back(erased_events(definition_, tables_, erased));
  if (moves(plan)) selects.push_back(moved_rows(tables_, tables_.events, plan.step, ""));
  if (selects.empty()) return {};
  return copy_in(tables_.events, fmt::format("{}", fmt::join(selects, " UNION ALL ")), plan.step,
                 "message_id, source, _sign");
}

Status Keeper::apply_rows(const Plan& plan, const Mirrored& mirrored) {
  const std::string& name = mirrored.table.table;
  std::vector<std::string> selects;
  std::string touched = fmt::format("FROM {} WHERE step = {} AND what = 'row' AND origin = {}", tables_.plans,
                                    plan.step, quote_string(name));
  for (const auto& cut : plan.cuts) {
    if (cut.table != name) continue;
    std::string key = clickhouse::quote_list(mirrored.key);
    std::string brought =
        cut.cut == 0
            ? fmt::format("{} IN (SELECT id {})", mirrored.row_key, touched)
            : fmt::format(
                  "({0}) IN (SELECT {0} FROM bronze.{1} WHERE _cut = {2} AND _version >= toUInt128('{3}'))",
                  key, quote_identifier(name), cut.cut, cut.floor);
    selects.push_back(
        gone_rows(mirrored.copy, "(profile_id, row_key) IN (SELECT old_profile, id " + touched + ")"));
    selects.push_back(rows_of_table(mirrored, tables_, brought));
  }
  if (moves(plan))
    selects.push_back(
        moved_rows(tables_, mirrored.copy, plan.step, " AND row_key NOT IN (SELECT id " + touched + ")"));
  if (selects.empty()) return {};
  return copy_in(mirrored.copy, fmt::format("{}", fmt::join(selects, " UNION ALL ")), plan.step,
                 "row_key, _sign");
}

Status Keeper::copy_in(const ingest::CapturedTable& table, const std::string& selected, uint64_t step,
                       const std::string& order) {
  std::vector<std::string> names;
  for (const auto& column : table.source.columns) names.push_back(column.name);
  std::string columns = clickhouse::quote_list(names);
  std::string version = fmt::format("toUInt128({}) * 2 + (_sign = 1)", step);
  // Blocks of change rows must be cut off at the same places whenever they are made again.
  auto settings = clickhouse::exactly_once_settings(fmt::format("{}:{}:changes", table.name, step));
  settings["max_threads"] = "1";
  settings["optimize_read_in_order"] = "0";
  TRY_VOID(reached(table.name + ":changes"));
  TRY_VOID(execute(
      fmt::format("INSERT INTO {0} ({1}, _sign, _op, _version, _committed_at, _cut) SELECT {1}, _sign, "
                  "if(_sign = 1, 'insert', 'delete'), {2}, _committed_at, {3} FROM ({4}) ORDER BY {5}",
                  table.target("__changes"), columns, version, step, selected, order),
      settings));
  TRY_VOID(reached(table.name));
  return execute(
      fmt::format("INSERT INTO {0} ({1}, _version, _deleted, _committed_at, _cut) SELECT {1}, {2}, _sign "
                  "= -1, _committed_at, {3} FROM ({4})",
                  table.target(), columns, version, step, selected),
      {{"insert_deduplicate", "0"}});
}

}  // namespace tidemark::profiles
