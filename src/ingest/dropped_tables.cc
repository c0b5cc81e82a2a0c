#include "ingest/dropped_tables.h"

#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "ingest/state_store.h"

#include <algorithm>

namespace tidemark::ingest {
namespace {

bool is_pattern(const std::string& name) {
  return name.find_first_of("*?") != std::string::npos;
}

struct Name {
  std::string schema, table;
  std::string in_bronze() const { return schema == "public" ? table : schema + "_" + table; }
};

Name name_of(const std::string& text) {
  size_t dot = text.find('.');
  return dot == std::string::npos ? Name{"public", text} : Name{text.substr(0, dot), text.substr(dot + 1)};
}

Result<bool> is_there(postgres::Connection& connection, const Name& name) {
  auto rows = TRY(connection.query(fmt::format(
      "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
      "n.nspname = {} AND c.relname = {}",
      postgres::quote_literal(name.schema), postgres::quote_literal(name.table))));
  return rows.size() > 0;
}

// Names in bronze of what was captured of the source before; empty when nothing was.
Result<std::set<std::string>> captured_before(const std::string& source, clickhouse::ClientPool& pool,
                                              const std::atomic<bool>& stop) {
  for (const char* table : {"sources", "captured_tables"})
    if (!TRY(clickhouse::table_exists(*pool.lease(), "tidemark", table))) return std::set<std::string>();
  auto record = TRY(StateStore(pool, apply_policy("state"), stop).source(source));
  std::set<std::string> names;
  if (!record) return names;
  for (const auto& [oid, table] :
       TRY(TableRecords(pool, apply_policy("state"), stop).load(source, record->epoch)))
    names.insert(table.name);
  return names;
}

}  // namespace

Result<std::vector<postgres::SourceTable>> read_tables_left(postgres::Connection& connection,
                                                            const config::PostgresSource& source,
                                                            clickhouse::ClientPool& pool,
                                                            const std::atomic<bool>& stop) {
  auto selections = postgres::selections_of(source);
  auto tables = postgres::read_tables(connection, source.tables, selections);
  if (tables || tables.error().kind != ErrorKind::config) return tables;
  std::set<std::string> before = TRY(captured_before(source.name, pool, stop));
  std::vector<std::string> left;
  for (const auto& pattern : source.tables) {
    Name name = name_of(pattern);
    bool dropped =
        !is_pattern(pattern) && before.contains(name.in_bronze()) && !TRY(is_there(connection, name));
    if (!dropped) left.push_back(pattern);
  }
  if (left.empty() || left.size() == source.tables.size()) return tables;
  return postgres::read_tables(connection, left, selections);
}

bool names_table(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return is_pattern(pattern) || name_of(pattern).in_bronze() == name;
  });
}

}  // namespace tidemark::ingest
