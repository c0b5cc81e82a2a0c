#include "profiles/profile_statements.h"

#include "clickhouse/schema.h"
#include "profiles/id_sql.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;

std::string columns_of(const ingest::CapturedTable& copy, bool with_profile) {
  std::vector<std::string> names;
  for (const auto& column : copy.source.columns)
    if (with_profile || column.name != "profile_id") names.push_back(column.name);
  return clickhouse::quote_list(names);
}

// The map, of ids that `wanted` (a SELECT; empty: all) gives.
std::string map_of(const ProfileTables& tables, const std::string& wanted) {
  return fmt::format("(SELECT id, profile_id FROM {} FINAL WHERE _deleted = 0{})", tables.ids.target(),
                     wanted.empty() ? "" : " AND id IN (" + wanted + ")");
}

}  // namespace

std::string events_by_person(const Definition& definition, const ProfileTables& tables,
                             const std::string& table, const std::string& condition) {
  std::string from = "bronze." + quote_identifier(table);
  if (!condition.empty()) from += " WHERE " + condition;
  std::string identity = fmt::format("({})[1]", event_ids(definition));
  return fmt::format(
      "SELECT m.profile_id AS profile_id, e.timestamp AS timestamp, e.message_id AS message_id, {} AS "
      "source, "
      "e.identity AS identity, e.type AS type, e.event AS event, e.properties AS properties, e.traits AS "
      "traits, "
      "e._committed_at AS _committed_at, toInt8(1) AS _sign FROM (SELECT {} AS identity, timestamp, "
      "message_id, "
      "type, event, properties, traits, _committed_at FROM {}) AS e INNER JOIN {} AS m ON m.id = e.identity",
      clickhouse::quote_string(table), identity, from,
      map_of(tables, condition.empty() ? "" : fmt::format("SELECT {} FROM {}", identity, from)));
}

std::string rows_of_table(const MirroredRows& rows, const ProfileTables& tables,
                          const std::string& condition) {
  std::string from = fmt::format("bronze.{} FINAL WHERE _deleted = 0{}", quote_identifier(rows.table.table),
                                 condition.empty() ? "" : " AND " + condition);
  std::string identity = fmt::format("({})[1]", rows.ids);
  std::vector<std::string> inner, outer;
  for (const auto& name : rows.table.columns) {
    inner.push_back(fmt::format(", {} AS {}", quote_identifier(name), quote_identifier("_shown_" + name)));
    outer.push_back(fmt::format(", r.{} AS {}", quote_identifier("_shown_" + name), quote_identifier(name)));
  }
  return fmt::format(
      "SELECT m.profile_id AS profile_id, r._row_key AS row_key, r._identity AS identity{}, r._at AS "
      "_committed_at, toInt8(1) AS _sign FROM (SELECT {} AS _row_key, {} AS _identity, _committed_at AS "
      "_at{} "
      "FROM {}) AS r INNER JOIN {} AS m ON m.id = r._identity",
      fmt::join(outer, ""), rows.row_key, identity, fmt::join(inner, ""), from,
      map_of(tables, condition.empty() ? "" : fmt::format("SELECT {} FROM {}", identity, from)));
}

std::string moved_rows(const ProfileTables& tables, const ingest::CapturedTable& copy, uint64_t step,
                       const std::string& condition) {
  std::string moves =
      fmt::format("FROM {} WHERE step = {} AND what = 'id' AND old_profile != '' AND old_profile != profile",
                  tables.plans, step);
  return fmt::format(
      "SELECT side.2 AS profile_id, {0}, _committed_at, side.1 AS _sign FROM (SELECT {0}, _committed_at, "
      "arrayJoin([(toInt8(-1), old_profile), (toInt8(1), new_profile)]) AS side FROM (SELECT {0}, "
      "_committed_at, "
      "profile_id AS old_profile, identity AS _moved FROM {1} FINAL WHERE _deleted = 0 AND profile_id IN "
      "(SELECT "
      "old_profile {2}) AND (profile_id, identity) IN (SELECT old_profile, id {2}){3}) AS c INNER JOIN "
      "(SELECT "
      "id, profile AS new_profile {2}) AS p ON p.id = c._moved) WHERE side.2 != ''",
      columns_of(copy, false), copy.target(), moves, condition);
}

std::string erased_events(const Definition& definition, const ProfileTables& tables,
                          const ErasedRows& erased) {
  std::string people =
      map_of(tables, fmt::format("SELECT ({})[1] FROM {}", event_ids(definition), erased.aside));
  return gone_rows(
      tables.events,
      fmt::format("profile_id IN (SELECT profile_id FROM {}) AND source = {} AND message_id IN (SELECT "
                  "message_id FROM {})",
                  people, clickhouse::quote_string(erased.table), erased.aside));
}

std::string gone_rows(const ingest::CapturedTable& copy, const std::string& condition) {
  return fmt::format("SELECT {}, _committed_at, toInt8(-1) AS _sign FROM {} FINAL WHERE _deleted = 0 AND {}",
                     columns_of(copy, true), copy.target(), condition);
}

}  // namespace tidemark::profiles
