#include "postgres/table_selection.h"

#include "postgres/catalog.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::postgres {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view trimmed(std::string_view text) {
  constexpr const char* blanks = " \t\r\n";
  size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// Of "(a) AND (b)" the first parenthesis is not closed by the last one.
bool is_in_parentheses(std::string_view text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return false;
  int depth = 0;
  char quote = '\0';
  for (size_t index = 0; index + 1 < text.size(); ++index) {
    char character = text[index];
    if (quote != '\0') {
      if (character == quote) quote = '\0';
    } else if (character == '\'' || character == '"') {
      quote = character;
    } else if (character == '(') {
      ++depth;
    } else if (character == ')' && --depth == 0) {
      return false;
    }
  }
  return true;
}

std::string in_parentheses(const std::string& where) {
  return "(" + where + "\n)";  // it may end in a comment
}

std::string from(const SourceTable& table) {
  return (table.kind == 'p' ? "" : "ONLY ") + table.quoted();
}

Status no_column(const SourceTable& table, const std::string& column) {
  std::vector<std::string> names;
  for (const auto& one : table.columns) names.push_back(one.name);
  return fail(ErrorKind::config,
              fmt::format("table {} has no column {}, which its options name", table.display(), column),
              fmt::format("correct `exclude` or `columns` of the table; it has: {}", fmt::join(names, ", ")));
}

}  // namespace

bool TableSelection::takes(const std::string& column) const {
  return columns.empty() ? !contains(exclude, column) : contains(columns, column);
}

std::string TableSelection::text() const {
  if (everything()) return {};
  auto sorted = [](std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
  };
  return fmt::format("columns {} exclude {} where {}", sorted(columns), sorted(exclude), where);
}

TableSelections selections_of(const config::PostgresSource& source) {
  TableSelections selections;
  for (const auto& options : source.options) {
    TableSelection selection{
        .columns = options.columns, .exclude = options.exclude, .where = options.row_filter};
    if (!selection.everything()) selections.emplace(options.table, std::move(selection));
  }
  return selections;
}

Status select(SourceTable& table, const TableSelection& selection) {
  for (const auto* names : {&selection.columns, &selection.exclude})
    for (const auto& name : *names)
      if (table.find(name) == nullptr &&
          (names == &selection.columns || !contains(table.omitted_columns, name)))
        return no_column(table, name);
  for (size_t column : table.key)
    if (!selection.takes(table.columns[column].name))
      return fail(ErrorKind::config,
                  fmt::format("column {} is part of the primary key of {} and cannot be left out",
                              table.columns[column].name, table.display()),
                  "without it nobody could tell which row was changed");
  std::vector<SourceColumn> taken;
  std::vector<size_t> place(table.columns.size());
  for (size_t index = 0; index < table.columns.size(); ++index) {
    SourceColumn& column = table.columns[index];
    if (!selection.takes(column.name)) {
      table.left_out_of_identity = table.left_out_of_identity || column.in_replica_identity;
      continue;
    }
    place[index] = taken.size();
    taken.push_back(std::move(column));
  }
  table.columns = std::move(taken);
  for (size_t& column : table.key) column = place[column];
  // Other columns may come and go.
  if (!selection.columns.empty()) table.last_number = table.columns.back().attribute_number;
  table.selection = selection;
  return {};
}

Status check_column_list(const SourceTable& table) {
  if (!table.selection.leaves_out_columns()) return {};
  if (table.identity != ReplicaIdentity::full && !table.left_out_of_identity) return {};
  return fail(ErrorKind::unsupported,
              fmt::format("table {} leaves out columns that its REPLICA IDENTITY ({}) has: Postgres would "
                          "refuse every UPDATE and DELETE of it",
                          table.display(), name(table.identity)),
              fmt::format("run: ALTER TABLE {} REPLICA IDENTITY DEFAULT (it needs a primary key), or take "
                          "`exclude` and `columns` out of the table's options",
                          table.quoted()));
}

Status check_row_filter(Connection& connection, const SourceTable& table) {
  if (table.selection.where.empty()) return {};
  std::string condition = in_parentheses(table.selection.where);
  auto read = connection.query(fmt::format("SELECT 1 FROM {} WHERE {} LIMIT 0", from(table), condition));
  if (!read && read.error().kind == ErrorKind::dependency_down) return fail(std::move(read.error()));
  if (!read)
    return fail(ErrorKind::config,
                fmt::format("`where` of table {}: {}", table.display(), read.error().message),
                "write an expression over the table's columns, as behind WHERE in Postgres");
  if (table.identity == ReplicaIdentity::full || !table.identifies_rows()) return {};
  // With nothing but the identity in sight.
  std::vector<std::string> names;
  for (const auto& column : table.columns)
    if (column.in_replica_identity) names.push_back(quote_identifier(column.name));
  std::string identity = fmt::format("{}", fmt::join(names, ", "));
  auto covered =
      connection.query(fmt::format("SELECT 1 FROM (SELECT {} FROM {}) AS {} WHERE {} LIMIT 0", identity,
                                   from(table), quote_identifier(table.name), condition));
  if (covered) return {};
  if (covered.error().kind == ErrorKind::dependency_down) return fail(std::move(covered.error()));
  std::string remedy = fmt::format("run: ALTER TABLE {} REPLICA IDENTITY FULL", table.quoted());
  if (table.selection.leaves_out_columns())
    remedy = "take `exclude` and `columns` out of the table's options, and " + remedy;
  return fail(
      ErrorKind::unsupported,
      fmt::format("`where` of table {} names other columns than those of its REPLICA IDENTITY ({}: {}): "
                  "Postgres would refuse every UPDATE and DELETE of it",
                  table.display(), name(table.identity), identity),
      remedy);
}

std::string where_clause(const SourceTable& table, const std::string& condition) {
  if (table.selection.where.empty()) return condition.empty() ? "" : " WHERE " + condition;
  return " WHERE " + in_parentheses(table.selection.where) + (condition.empty() ? "" : " AND " + condition);
}

std::string published_as(const SourceTable& table) {
  // Without ONLY a publication also takes inheritance children, whose rows are not rows of this table for us.
  std::string text = from(table);
  if (table.selection.leaves_out_columns()) {
    std::vector<std::string> names;
    for (const auto& column : table.columns) names.push_back(quote_identifier(column.name));
    text += fmt::format(" ({})", fmt::join(names, ", "));
  }
  if (!table.selection.where.empty()) text += " WHERE " + in_parentheses(table.selection.where);
  return text;
}

std::string column_numbers(const SourceTable& table) {
  if (!table.selection.leaves_out_columns()) return {};
  std::vector<int> numbers;
  for (const auto& column : table.columns) numbers.push_back(column.attribute_number);
  return fmt::format("{}", fmt::join(numbers, " "));
}

bool same_condition(std::string_view left, std::string_view right) {
  for (auto* text : {&left, &right}) {
    *text = trimmed(*text);
    while (is_in_parentheses(*text)) *text = trimmed(text->substr(1, text->size() - 2));
  }
  return left == right;
}

}  // namespace tidemark::postgres
