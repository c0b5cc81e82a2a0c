// The tables a SELECT reads, and the same SELECT with some of them replaced.
//
// A reference is `database.table` (quoted or not) after FROM, JOIN, IN or a comma of a FROM list. Columns
// written with their table's full name (bronze.orders.id) are found too, because they must follow when the
// table gets another name. Names without a database are CTEs, aliases or mistakes: ClickHouse tells.
#pragma once

#include "models/sql_tokens.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

struct TableReference {
  std::string database, table;
  size_t offset = 0, end = 0;  // in the SQL: from the database's first to the table's last byte
  size_t token = 0;            // index of the database token
  bool column = false;         // part of database.table.column, not a table position
  bool aliased = false;        // an alias follows
  bool in_set = false;         // x IN database.table: no alias possible
  bool final = false;          // FINAL or SAMPLE follows

  std::string name() const { return database + "." + table; }
};

std::vector<TableReference> find_references(const std::vector<Token>& tokens);

// Distinct database.table in order of appearance. Errors: those of tokenize.
Result<std::vector<std::string>> referenced_tables(std::string_view sql);

// The SQL with each table reference replaced by what `replacement` returns (nothing: left alone). A reference
// without an alias gets its table's name as one, so that columns qualified by it still resolve; columns
// qualified by the full name lose the database.
Result<std::string> replace_references(
    std::string_view sql,
    const std::function<std::optional<std::string>(const TableReference&)>& replacement);

}  // namespace tidemark::models
