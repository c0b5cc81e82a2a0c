#include "profiles/profile_tables.h"

#include "clickhouse/schema.h"
#include "profiles/id_sql.h"
#include "profiles/profile_limits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

// Changes when the same definition would be kept in another way.
constexpr const char* layout = "1";

void add(postgres::SourceTable& table, const std::string& name, ColumnType type, bool key = false) {
  postgres::SourceColumn column;
  column.name = name;
  column.not_null = !type.nullable;
  column.target = std::move(type);
  if (key) {
    column.key_position = static_cast<int>(table.key.size());
    table.key.push_back(table.columns.size());
  }
  table.columns.push_back(std::move(column));
}

}  // namespace

ProfileTables::ProfileTables(const Definition& definition)
    : edges("tidemark." + clickhouse::quote_identifier("profile_edges_" + definition.slug())),
      plans("tidemark." + clickhouse::quote_identifier("profile_plans_" + definition.slug())) {
  ColumnType text = ColumnType::of(TypeKind::string);
  ColumnType word = text;
  word.low_cardinality = true;
  ColumnType time = ColumnType::datetime64(6, "UTC");
  postgres::SourceTable map{.schema = "public", .name = definition.slug() + "_ids"};
  add(map, "id", text, true);
  add(map, "kind", word);
  add(map, "value", text);
  add(map, "profile_id", text);
  add(map, "seen", time);
  ids = ingest::capture(std::move(map), false, true);
  postgres::SourceTable log{.schema = "public", .name = definition.slug() + "_events"};
  add(log, "profile_id", text, true);
  add(log, "timestamp", time, true);
  add(log, "message_id", text, true);
  add(log, "source", word, true);
  add(log, "identity", text);
  add(log, "type", word);
  add(log, "event", word);
  add(log, "properties", text);
  add(log, "traits", text);
  events = ingest::capture(std::move(log), false, true);
}

std::vector<std::string> ProfileTables::create_statements() const {
  std::string settings = " SETTINGS " + clickhouse::merge_tree_settings(true) + ", index_granularity = 256";
  return {"CREATE DATABASE IF NOT EXISTS tidemark",
          fmt::format(
              "CREATE TABLE IF NOT EXISTS {} (id String, edge UInt64, origin String, ids Array(String), at "
              "Int64, message String, _version UInt64, _deleted UInt8) ENGINE = "
              "ReplacingMergeTree(_version, _deleted) ORDER BY (id, edge){}",
              edges, settings),
          fmt::format(
              "CREATE TABLE IF NOT EXISTS {} (step UInt64, what LowCardinality(String), id String, "
              "old_profile String, profile String, old_seen Int64, seen Int64, edge UInt64, origin String, "
              "ids Array(String), at Int64, message String, gone UInt8, cut UInt64, floor UInt128) ENGINE = "
              "MergeTree PARTITION BY intDiv(step, {}) ORDER BY (step, what, id){}",
              plans, limits::steps_a_partition, settings),
          "CREATE TABLE IF NOT EXISTS tidemark.profile_versions (profiles String, fingerprint String, step "
          "UInt64, "
          "at DateTime64(6, 'UTC') DEFAULT now64(6)) ENGINE = ReplacingMergeTree(at) ORDER BY profiles "
          "SETTINGS " +
              clickhouse::merge_tree_settings(true),
          "CREATE TABLE IF NOT EXISTS tidemark.profile_decisions (profiles String, one Array(String), other "
          "Array(String), taken_back UInt8 DEFAULT 0, at DateTime64(6, 'UTC') DEFAULT now64(6)) ENGINE = "
          "ReplacingMergeTree(at) ORDER BY (profiles, one, other) SETTINGS " +
              clickhouse::merge_tree_settings(true)};
}

ingest::CapturedTable rows_by_person(const Definition& definition, const IdTable& table,
                                     const std::vector<std::pair<std::string, ColumnType>>& columns) {
  ColumnType text = ColumnType::of(TypeKind::string);
  postgres::SourceTable rows{.schema = "public", .name = definition.slug() + "_" + table.table};
  add(rows, "profile_id", text, true);
  add(rows, "row_key", text, true);
  add(rows, "identity", text);
  for (const auto& [name, type] : columns) add(rows, name, type);
  return ingest::capture(std::move(rows), false, true);
}

std::string fingerprint(const Definition& definition, const std::vector<std::string>& event_tables) {
  std::vector<std::string> parts{layout, event_ids(definition)};
  parts.insert(parts.end(), event_tables.begin(), event_tables.end());
  for (const auto& kind : definition.kinds) parts.push_back(fmt::format("{} {}", kind.name, kind.limit));
  for (const auto& table : definition.tables)
    parts.push_back(
        fmt::format("{} {} {}", table.table, row_ids(definition, table), fmt::join(table.columns, ",")));
  return fmt::format("{}", fmt::join(parts, "\n"));
}

}  // namespace tidemark::profiles
