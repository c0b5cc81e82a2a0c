#include "segments/catalog.h"

#include "clickhouse/schema.h"

#include <algorithm>

namespace tidemark::segments {
namespace {

constexpr const char* ingest_columns[] = {"_version", "_deleted", "_committed_at", "_cut", "_sign", "_op"};

// "a, `b c`", or that in parentheses, as names; nothing when there is more to it than names.
std::vector<std::string> plain_columns(std::string_view key, const TableShape& shape) {
  if (key.starts_with('(') && key.ends_with(')')) key = key.substr(1, key.size() - 2);  // newer servers
  std::vector<std::string> names;
  std::string name;
  bool in_quotes = false;
  auto end = [&] {
    names.push_back(name);
    name.clear();
  };
  for (char character : key) {
    if (character == '`')
      in_quotes = !in_quotes;
    else if (character == ',' && !in_quotes)
      end();
    else if (character != ' ' || in_quotes)
      name.push_back(character);
  }
  if (!name.empty()) end();
  for (const auto& one : names)
    if (shape.type(one) == nullptr) return {};
  return names;
}

}  // namespace

Result<TableShape> Catalog::table(const std::string& name) {
  if (auto known = tables_.find(name); known != tables_.end()) return known->second;
  TableShape shape;
  shape.name = name;
  size_t dot = name.find('.');
  std::string database = name.substr(0, dot), table = dot == std::string::npos ? "" : name.substr(dot + 1);
  for (const auto& column : TRY(clickhouse::table_columns(client_, database, table))) {
    shape.exists = true;
    if (std::find(std::begin(ingest_columns), std::end(ingest_columns), column.name) !=
        std::end(ingest_columns))
      continue;
    shape.columns.push_back(column.name);
    shape.types[column.name] = column.type;
  }
  if (shape.exists) {
    clickhouse::QueryOptions options;
    options.parameters = {{"database", database}, {"table", table}};
    Block found = TRY(client_.query(
        "SELECT name, engine, sorting_key FROM system.tables WHERE database = {database:String} AND name IN "
        "({table:String}, concat({table:String}, '__current'), concat({table:String}, '__history'))",
        options));
    shape.read = clickhouse::quote_table(database, table);
    bool log =
        false;  // every row is current, and planning a view takes as long as reading one person's events
    for (size_t row = 0; row < found.rows(); ++row)
      log |= found.columns[0].text(row) == table && found.columns[1].text(row) == "MergeTree";
    for (size_t row = 0; row < found.rows(); ++row) {
      std::string_view one = found.columns[0].text(row);
      if (one == table) shape.key = plain_columns(found.columns[2].text(row), shape);
      if (one == table + "__current" && !log)
        shape.read = clickhouse::quote_table(database, table + "__current");
      if (one == table + "__history") shape.changes = clickhouse::quote_table(database, table + "__history");
    }
  }
  if (shape.exists && shape.key.empty()) shape.key = plain_columns(TRY(key_of_model(name)), shape);
  return tables_.emplace(name, std::move(shape)).first->second;
}

// A keyed model is a view over a store that has its key.
Result<std::string> Catalog::key_of_model(const std::string& name) {
  if (!TRY(clickhouse::table_exists(client_, "tidemark", "models"))) return "";
  clickhouse::QueryOptions options;
  options.parameters = {{"model", name}};
  Block found =
      TRY(client_.query("SELECT sorting_key FROM system.tables WHERE engine LIKE '%ReplacingMergeTree' AND "
                        "concat('`', database, "
                        "'`.`', name, '`') IN (SELECT arrayJoin(physical) FROM (SELECT physical, kind, state "
                        "FROM tidemark.models "
                        "WHERE model = {model:String} ORDER BY version DESC LIMIT 1 BY model, fingerprint, "
                        "generation) WHERE state = "
                        "'active' AND kind = 'keyed') LIMIT 1",
                        options));
  return found.rows() == 0 ? std::string() : std::string(found.columns[0].text(0));
}

Result<std::vector<std::string>> Catalog::names() {
  Block found =
      TRY(client_.query("SELECT concat(database, '.', name) FROM system.tables WHERE database NOT IN "
                        "('system', 'information_schema', "
                        "'INFORMATION_SCHEMA', 'tidemark') AND NOT endsWith(name, '__current') AND NOT "
                        "endsWith(name, '__changes') AND NOT match(name, '__history(_of_changes)?$') "
                        "ORDER BY 1 LIMIT 10000"));
  std::vector<std::string> names;
  for (size_t row = 0; row < found.rows(); ++row) names.emplace_back(found.columns[0].text(row));
  return names;
}

}  // namespace tidemark::segments
