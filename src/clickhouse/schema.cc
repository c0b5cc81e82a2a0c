#include "clickhouse/schema.h"

#include "base/limits.h"

#include <fmt/format.h>

namespace tidemark::clickhouse {
namespace {

std::string quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  quoted.reserve(text.size() + 2);
  for (char character : text) {
    if (character == mark || character == '\\') quoted.push_back('\\');
    if (character == '\0')
      quoted += "\\0";
    else
      quoted.push_back(character);
  }
  quoted.push_back(mark);
  return quoted;
}

Result<bool> any_rows(Client& client, std::string_view sql, std::map<std::string, std::string> parameters) {
  QueryOptions options;
  options.parameters = std::move(parameters);
  return TRY(client.query(sql, options)).rows() > 0;
}

std::vector<ColumnDescription> descriptions(const Block& block) {
  std::vector<ColumnDescription> columns;
  for (size_t row = 0; row < block.rows(); ++row)
    columns.push_back({std::string(block.columns[0].text(row)), std::string(block.columns[1].text(row)),
                       std::string(block.columns[2].text(row)), std::string(block.columns[3].text(row)),
                       std::string(block.columns[4].text(row))});
  return columns;
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  return quote(name, '`');
}

std::string quote_table(std::string_view database, std::string_view table) {
  return quote_identifier(database) + "." + quote_identifier(table);
}

std::string quote_string(std::string_view text) {
  return quote(text, '\'');
}

std::string quote_list(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) {
    if (!list.empty()) list += ", ";
    list += quote_identifier(name);
  }
  return list;
}

std::string merge_tree_settings(bool durable) {
  return fmt::format("non_replicated_deduplication_window = {}{}", limits::deduplication_window_blocks,
                     durable ? ", fsync_after_insert = 1, fsync_part_directory = 1" : "");
}

Result<bool> database_exists(Client& client, std::string_view database) {
  return any_rows(client, "SELECT 1 FROM system.databases WHERE name = {database:String}",
                  {{"database", std::string(database)}});
}

Result<bool> table_exists(Client& client, std::string_view database, std::string_view table) {
  return any_rows(client,
                  "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}",
                  {{"database", std::string(database)}, {"table", std::string(table)}});
}

Result<std::vector<ColumnDescription>> table_columns(Client& client, std::string_view database,
                                                     std::string_view table) {
  QueryOptions options;
  options.parameters = {{"database", std::string(database)}, {"table", std::string(table)}};
  return descriptions(TRY(client.query(
      "SELECT name, type, toString(default_kind), default_expression, comment FROM system.columns "
      "WHERE database = {database:String} AND table = {table:String} ORDER BY position",
      options)));
}

Result<std::vector<ColumnDescription>> describe_select(Client& client, std::string_view select) {
  return descriptions(TRY(client.query(fmt::format("DESCRIBE ({})", select))));
}

std::string select_of_types(const std::vector<ColumnDescription>& columns) {
  std::string select;
  for (const auto& column : columns)
    select +=
        fmt::format("{}materialize(defaultValueOfTypeName({})) AS {}", select.empty() ? "SELECT " : ", ",
                    quote_string(column.type), quote_identifier(column.name));
  return select;
}

Result<std::string> server_version(Client& client) {
  Block block = TRY(client.query("SELECT version()"));
  return std::string(block.columns[0].text(0));
}

}  // namespace tidemark::clickhouse
