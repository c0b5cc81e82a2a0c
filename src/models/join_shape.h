// The FROM clause of one SELECT taken apart: what is joined, how, and by what. Like select_shape.h it reads
// text that ClickHouse has parsed and judges nothing; what it does not know it marks, so that a caller can
// refuse it with a place.
#pragma once

#include "models/select_shape.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

enum class JoinKind {
  first,  // the left-most
  inner,
  left,
  other,  // RIGHT, FULL, PASTE, NATURAL
};

struct JoinedSource {
  TokenRange place;  // database.table, or the subquery with its brackets
  bool subquery = false;
  std::string alias;  // a table without one goes by its own name; a subquery may have none
  JoinKind kind = JoinKind::first;
  std::string strictness;      // "", "ANY", "ASOF", "SEMI", "ANTI"
  TokenRange words;            // "LEFT ANY JOIN"
  std::vector<TokenRange> on;  // what ON joins with AND; the whole condition when it is not that simple
  std::vector<std::string> using_columns;
};

struct JoinShape {
  std::vector<JoinedSource> sources;
  std::optional<size_t> cross;       // token of a comma or of CROSS
  std::optional<size_t> array_join;  // token of ARRAY; what follows is not looked at
  std::optional<size_t> unknown;     // first token that is none of this: a table function, brackets
};

JoinShape joins_of(const SqlText& text, TokenRange from);

}  // namespace tidemark::models
