// The keeper after a deletion: rows of the sources' tables are gone, and no cut brought that news. Two steps:
// first events leave those they belonged to; then sets of ids that nothing says any more go, and who hung
// together by them is looked at again. A third one, empty, makes sure that no start looks at these plans
// again: they name the person, and are deleted (erasure_traces.h).
#include "clickhouse/schema.h"
#include "profiles/id_sql.h"
#include "profiles/profile_keeper.h"

#include <fmt/ranges.h>

namespace tidemark::profiles {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

Status Keeper::forget(const std::vector<ErasedRows>& erased, const Follow& follow) {
  std::lock_guard lock(mutex_);
  // Everything is made anew from what is left.
  if (stale_) return {};
  TRY_VOID(close(follow));
  Change events, sets;
  for (const auto& one : erased) {
    if (!reads(one.table)) continue;
    for (const auto& mirrored : mirrored_) {
      if (mirrored.table.table != one.table) continue;
      std::vector<std::string> keys;
      std::string key = clickhouse::quote_list(mirrored.key);
      TRY_VOID(each(fmt::format("SELECT DISTINCT {} AS row_key FROM {}", mirrored.row_key, one.aside),
                    [&](const Block& block) -> Status {
                      for (size_t row = 0; row < block.rows(); ++row)
                        keys.emplace_back(block.columns[0].text(row));
                      return {};
                    }));
      TRY_VOID(
          compare_rows(mirrored, keys, fmt::format("({0}) IN (SELECT {0} FROM {1})", key, one.aside), sets));
      sets.plan.cuts.push_back({.table = one.table, .cut = 0, .floor = "0"});
    }
    if (reads_rows(one.table)) continue;
    events.plan.erased.push_back(one);
  }
  if (events.plan.empty() && sets.plan.empty()) return {};
  const std::vector<ErasedRows> of_events = events.plan.erased;
  TRY_VOID(write(events, follow));
  for (const auto& one : of_events) TRY_VOID(find_lost_edges(one, sets));
  TRY_VOID(write(sets, follow));
  Change last;
  last.plan.cuts.push_back({.table = "", .cut = 0, .floor = "0"});
  return write(last, follow);
}

// Sets of ids of erased events that no event says any more, or only a later one.
Status Keeper::find_lost_edges(const ErasedRows& erased, Change& change) {
  std::string ids = event_ids(definition_);
  std::string said = fmt::format("SELECT DISTINCT {} AS ids FROM {}", ids, erased.aside);
  std::string strongest = fmt::format("SELECT ids[1] FROM ({}) WHERE notEmpty(ids)", said);
  std::map<std::vector<std::string>, EdgeChange> left;  // that other events say
  for (const auto& table : event_tables_) {
    std::string message = fmt::format(
        "SELECT message_id FROM {0} FINAL WHERE _deleted = 0 AND source = {1} AND profile_id IN (SELECT "
        "profile_id FROM {2} FINAL WHERE _deleted = 0 AND id IN ({3})) AND identity IN ({3})",
        tables_.events.target(), quote_string(table), tables_.ids.target(), strongest);
    TRY_VOID(each(
        fmt::format("SELECT n.said AS ids, n.first.1 AS at, n.first.2 AS message FROM (SELECT ids AS said, "
                    "min((at, message)) AS first FROM (SELECT {} AS ids, toUnixTimestamp64Micro(timestamp) "
                    "AS at, message_id AS "
                    "message FROM bronze.{} WHERE message_id IN ({})) WHERE ids IN ({}) GROUP BY "
                    "ids) AS n",
                    ids, quote_identifier(table), message, said),
        [&](const Block& block) -> Status {
          for (size_t row = 0; row < block.rows(); ++row) {
            EdgeChange edge{.ids = text_list(*block.find("ids"), row),
                            .at = block.find("at")->get<int64_t>(row),
                            .order = std::string(block.find("message")->text(row))};
            auto [found, is_new] = left.try_emplace(edge.ids, edge);
            if (!is_new && std::pair(edge.at, edge.order) < std::pair(found->second.at, found->second.order))
              found->second = edge;
          }
          return {};
        }));
  }
  return each(
      fmt::format("SELECT DISTINCT ids, at, message FROM {} FINAL WHERE _deleted = 0 AND origin = '' AND "
                  "id IN ({}) AND ids IN ({})",
                  tables_.edges, strongest, said),
      [&](const Block& block) -> Status {
        for (size_t row = 0; row < block.rows(); ++row) {
          EdgeChange known{.ids = text_list(block.columns[0], row),
                           .at = block.columns[1].get<int64_t>(row),
                           .order = std::string(block.columns[2].text(row))};
          auto other = left.find(known.ids);
          EdgeChange edge = other != left.end() ? other->second : known;
          edge.gone = other == left.end();
          if (!edge.gone && edge.at == known.at && edge.order == known.order) continue;
          edge.edge = edge_hash("", edge.ids);
          change.gone += edge.gone ? 1 : 0;
          change.ids.insert(edge.ids.begin(), edge.ids.end());
          change.edges[edge.edge] = std::move(edge);
        }
        return {};
      });
}

}  // namespace tidemark::profiles
