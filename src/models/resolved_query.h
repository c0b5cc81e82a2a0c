// A model's SELECT as the server understands it: every column written with the table it belongs to
// (__table1.shop), aliases, positions and GROUP BY ALL put in, FILTER and DISTINCT turned into the aggregates
// they are, operators bracketed. The server does that (EXPLAIN QUERY TREE); here is no second resolver of
// names that could disagree with it.
//
// Tables need not exist: each reference is put before the server as null('/*source 7*/ <columns>'), a table
// without rows whose comment survives and says which reference it was. Positions in this text say nothing
// about the file; complaints are placed by whoever knows the original text.
#pragma once

#include "models/model_source.h"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

class ResolvedQuery {
 public:
  // A table reference of the text.
  struct Table {
    std::string read;                         // how a view reads it: "`bronze`.`shops__current`"
    const MirroredTable* mirrored = nullptr;  // nullptr: a model or somebody else's table
    std::vector<clickhouse::ColumnDescription> columns;
  };

  // `inlined`: offsets in `text` of references to models that are to be seen through, down to mirrored
  // tables. `united` not empty: the text is a union, and these are the names of its columns; it becomes the
  // FROM of one SELECT. nullptr: complaints say why.
  static std::unique_ptr<ResolvedQuery> of(const ModelSource& source, const SqlText& text,
                                           const std::set<size_t>& inlined,
                                           const std::vector<clickhouse::ColumnDescription>& united);

  const SqlText& text() const { return *text_; }
  const std::vector<Token>& tokens() const { return text_->tokens; }

  // The table whose null('/*source 7*/ ...') starts at this token.
  const Table* table_at(size_t token) const;
  // __table1.shop starts at this token.
  bool column(size_t token) const;
  // A function or aggregate with its arguments starts at this token; one past its last token, else 0.
  size_t call_end(size_t token) const;

  // Whether a column of the table expression `alias` is in `range`.
  bool mentions(TokenRange range, std::string_view alias) const;
  // Whether something else is: another table's column, a dictionary. Constants are neither.
  bool reads_elsewhere(TokenRange range, std::string_view alias) const;

  // The terms of a condition: a AND (b AND c) -> a, b, c.
  std::vector<TokenRange> conjuncts(TokenRange range) const;
  // Factors of a product; one when it is none.
  std::vector<TokenRange> factors(TokenRange range) const;

  // Replaces the largest parts of an expression for which `replacement` has something, from the outside in.
  // It is asked about whole expressions only, never about a part that ends inside one.
  using Replacement = std::function<std::optional<std::string>(TokenRange)>;
  std::string rewrite(TokenRange range, const Replacement& replacement) const;

  // The text of FROM items with each null(...) replaced by how a view reads the table.
  std::string reading(TokenRange range) const;

 private:
  std::string rewrite_list(TokenRange range, const Replacement& replacement) const;
  std::vector<TokenRange> flattened(TokenRange range, bool conjunction) const;

  std::unique_ptr<SqlText> text_;
  std::vector<Table> tables_;
};

}  // namespace tidemark::models
