// Which columns and rows of a table are wanted, where not all of them are. It is applied where the catalog's
// answer is taken (select()), and from then on is a part of the table: the warehouse's columns, copies,
// parity and the publication all speak of the same.
//
// Postgres itself leaves the rest out: the publication has the columns and the condition (since 15), so what
// is left out is never sent. Its rules for that are checked before anything is made, because otherwise the
// application would meet them: an UPDATE or DELETE fails whose old key the list or the condition does not
// cover.
#pragma once

#include "base/error.h"
#include "config/postgres_source.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::postgres {

class Connection;
struct SourceTable;

struct TableSelection {
  std::vector<std::string> columns;  // only these; empty: all but `exclude`
  std::vector<std::string> exclude;
  std::string where;  // as Postgres reads it; empty: all rows

  bool leaves_out_columns() const { return !columns.empty() || !exclude.empty(); }
  bool everything() const { return !leaves_out_columns() && where.empty(); }
  bool takes(const std::string& column) const;
  // Of equal selections the same; empty: everything.
  std::string text() const;
};

// The first server whose publications know of it.
constexpr int selection_version_min = 150'000;

// By the name that the project gives the table: "users", "shop.users".
using TableSelections = std::map<std::string, TableSelection>;
TableSelections selections_of(const config::PostgresSource& source);

// Leaves the rest of the table's columns out. Errors: config when a column is named that the table does not
// have (it may have been renamed, and nobody wants it then), or one of the key is left out.
Status select(SourceTable& table, const TableSelection& selection);

// Whether updates and deletes of the table stay possible once its columns are published so. Errors:
// unsupported.
Status check_column_list(const SourceTable& table);
// The same of the condition, and whether it is one. Errors: config, unsupported; those of the connection.
Status check_row_filter(Connection& connection, const SourceTable& table);

// `condition` and the table's own, as one WHERE with the word; empty when there is none. `condition` may go
// on with ORDER BY.
std::string where_clause(const SourceTable& table, const std::string& condition);

// As a publication names the table: "ONLY public.users (id, name) WHERE (...)".
std::string published_as(const SourceTable& table);
// The attribute numbers of its column list as the catalog has it, "1 2 4"; empty: no list.
std::string column_numbers(const SourceTable& table);
// Whether two conditions are the same but for blanks and parentheses around them.
bool same_condition(std::string_view left, std::string_view right);

}  // namespace tidemark::postgres
