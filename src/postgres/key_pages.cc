#include "postgres/key_pages.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

std::string column_list(const KeyWalk& walk) {
  std::string list;
  for (size_t column : walk.columns)
    list += (list.empty() ? "" : ", ") + quote_identifier(walk.table->columns[column].name);
  return list;
}

std::string compared(const KeyWalk& walk, const char* comparison, const KeyText& key) {
  std::string values;
  for (size_t index = 0; index < walk.columns.size(); ++index)
    values += (index == 0 ? "" : ", ") + typed_literal(walk.table->columns[walk.columns[index]], key[index]);
  return fmt::format("({}) {} ({})", column_list(walk), comparison, values);
}

}  // namespace

std::string typed_literal(const SourceColumn& column, const std::string& text) {
  return quote_literal(text) + "::" + column.type_name;
}

std::string range_condition(const KeyWalk& walk, const KeyText& after, const KeyText& upto) {
  std::string condition = walk.condition;
  auto add = [&](const std::string& part) { condition += (condition.empty() ? "" : " AND ") + part; };
  if (!after.empty()) add(compared(walk, ">", after));
  if (!upto.empty()) add(compared(walk, "<=", upto));
  return condition;
}

Result<std::optional<KeyText>> page_end(Connection& connection, const KeyWalk& walk, const KeyText& after,
                                        size_t rows) {
  std::string condition = range_condition(walk, after, {});
  std::string columns = column_list(walk);
  Rows found = TRY(connection.query(fmt::format(
      "SELECT {} FROM {}{}{} ORDER BY {} OFFSET {} LIMIT 1", columns, walk.table->kind == 'p' ? "" : "ONLY ",
      walk.table->quoted(), condition.empty() ? "" : " WHERE " + condition, columns, rows - 1)));
  if (found.size() == 0) return std::nullopt;
  KeyText key;
  for (size_t column = 0; column < found.columns(); ++column) key.emplace_back(found.at(0, column));
  return key;
}

}  // namespace tidemark::postgres
