// One SELECT taken apart into its clauses, as ranges of tokens. It reads text that ClickHouse has parsed, so
// it finds clauses by keyword at bracket depth 0 and does not check grammar.
#pragma once

#include "models/sql_tokens.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

struct TokenRange {
  size_t first = 0, last = 0;  // last is one past

  bool empty() const { return first >= last; }
  size_t size() const { return empty() ? 0 : last - first; }
};

// A model's SQL with its tokens; the text must not move while tokens are used.
struct SqlText {
  std::string sql;
  std::vector<Token> tokens;
  std::vector<size_t> partner;  // match_brackets

  static Result<std::unique_ptr<SqlText>> read(std::string sql);
  std::string_view text(TokenRange range) const;                                 // as written
  std::string normalised(TokenRange range) const;                                // one space between tokens
  bool call(size_t index) const;                                                 // a function's name
  std::vector<TokenRange> split(TokenRange range, std::string_view mark) const;  // at depth 0
};

struct SelectItem {
  TokenRange expression;
  std::string alias;   // output name; empty when there is none to see
  bool named = false;  // has AS, or is a plain column
};

struct SelectShape {
  TokenRange with, from, prewhere, where, group_by, having;  // behind their keywords
  std::vector<SelectItem> items;
  std::vector<TokenRange> groups;  // elements of GROUP BY; empty for GROUP BY ALL too
  bool distinct = false;
  bool grouped = false;  // has GROUP BY
  bool group_by_all = false;
  std::optional<size_t> star;  // first token of an item `*` or `t.*`
  // Where a clause starts that not every kind supports: token and what to call it.
  struct Extra {
    size_t token;
    std::string what;  // "ORDER BY"
  };
  std::vector<Extra> extras;  // WITH, ORDER BY, LIMIT, WINDOW, QUALIFY, SETTINGS, FORMAT, INTO, TOTALS, ...

  // Item whose output name is `name`.
  const SelectItem* find(std::string_view name) const;
};

// The branches of UNION, INTERSECT and EXCEPT at depth 0; one when there are none. `set_operation` gets the
// token of the first such keyword.
std::vector<TokenRange> union_branches(const SqlText& text, TokenRange range,
                                       std::optional<size_t>& set_operation);

// `range` is one SELECT without set operations, not in brackets.
SelectShape shape_of(const SqlText& text, TokenRange range);

// Strips brackets that enclose the whole range.
TokenRange without_brackets(const SqlText& text, TokenRange range);
// The same of a value: the brackets of a tuple stay.
TokenRange value_without_brackets(const SqlText& text, TokenRange range);

}  // namespace tidemark::models
