#include "ingest/row_history.h"

#include "clickhouse/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::ingest {

namespace {

std::string names(const std::vector<std::string>& columns) {
  std::vector<std::string> quoted;
  for (const auto& column : columns) quoted.push_back(clickhouse::quote_identifier(column));
  return fmt::format("{}", fmt::join(quoted, ", "));
}

}  // namespace

std::vector<std::string> history_statements(const CapturedTable& table) {
  std::string key = table.source.key.empty() ? "" : names(table.key_names()) + ", ";
  // By name: the change rows may keep columns under names they had (bronze_shape.h).
  std::vector<std::string> columns;
  for (const auto& column : table.source.columns) columns.push_back(column.name);
  return {
      fmt::format("CREATE TABLE IF NOT EXISTS {} AS {} ENGINE = MergeTree ORDER BY ({}_version) SETTINGS {}",
                  table.target("__history"), table.target("__changes"), key, durable_settings()),
      fmt::format("CREATE MATERIALIZED VIEW IF NOT EXISTS {} TO {} AS SELECT {}, _sign, _op, _version, "
                  "_committed_at, _cut FROM {}",
                  table.target("__history_of_changes"), table.target("__history"), names(columns),
                  table.target("__changes"))};
}

Status begin_history(clickhouse::ClientPool& pool, const CapturedTable& table, bool when_empty) {
  std::vector<std::string> columns;
  for (const auto& column : table.source.columns) columns.push_back(column.name);
  return pool.execute(fmt::format(
      "INSERT INTO {0} ({1}, _sign, _op, _version, _committed_at, _cut) SELECT {1}, 1, 'copy', _version, "
      "_committed_at, "
      "_cut FROM {2}{3}{4}",
      table.target("__history"), names(columns), table.target(), table.log ? "" : " FINAL WHERE _deleted = 0",
      when_empty ? fmt::format(" {} (SELECT count() FROM {}) = 0", table.log ? "WHERE" : "AND",
                               table.target("__history"))
                 : ""));
}

}  // namespace tidemark::ingest
