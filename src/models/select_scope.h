// What the names in one SELECT mean: which column of which joined source, or which other item of the SELECT.
// An expression is taken apart into columns and the text between them, so that it can be written again for
// another place: inside a subquery, over a table's change rows, under other aliases.
//
// The rules are ClickHouse's as far as accepted models need them: in the SELECT's own clauses an alias goes
// before a column of that name (except inside its own definition), in ON a column goes before an alias, a
// name that several sources have is the left-most one's, parameters of a lambda are neither.
#pragma once

#include "models/join_shape.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

constexpr size_t no_source = static_cast<size_t>(-1);

struct ExpressionPiece {
  std::string text;  // SQL, or a column's name without quotes
  size_t source = no_source;
  bool bare = false;  // a column written without its table

  bool column() const { return source != no_source; }
};

struct Expression {
  std::vector<ExpressionPiece> pieces;

  static Expression of_column(std::string name, size_t source = 0);
  void add(std::string_view text);
  void add(const Expression& part);  // in brackets where it needs them
  bool plain() const { return pieces.size() == 1 && pieces[0].column(); }
  std::set<size_t> sources() const;
  std::set<std::string> columns_of(size_t source) const;
  bool calls_array_join() const;
  // `column` gives the SQL of a column.
  std::string sql(const std::function<std::string(const ExpressionPiece&)>& column) const;
  std::string sql() const;  // columns by their names, quoted
};

struct SelectScope {
  const SqlText* text;
  SelectShape shape;
  JoinShape joins;
  std::vector<std::set<std::string>> columns;  // of each source
  bool aggregated = false;

  // In SELECT, GROUP BY and WHERE. `inside`: the item it is the definition of.
  Expression resolve(TokenRange range, const SelectItem* inside = nullptr) const;
  Expression resolve_condition(TokenRange range) const;  // in ON

 private:
  Expression resolve(TokenRange range, std::vector<const SelectItem*>& open, bool condition) const;
  size_t source_with(std::string_view column) const;
  size_t source_called(std::string_view alias) const;
};

}  // namespace tidemark::models
