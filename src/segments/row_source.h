// The values of one table's rows as SQL expressions. Every value has a text form, which is NULL when it is
// missing or null: texts as they are, numbers in their digits, booleans as true and false, lists and objects
// as JSON, moments in UTC with a Z. Numeric, date and list operators read that text, so "10" in a text column
// and 10 in a number are the same number.
//
// JSON is parsed once per row: all paths asked for become one JSONExtract into a tuple, computed in the
// innermost SELECT (computed()), and the expressions handed out are its elements.
#pragma once

#include "segments/catalog.h"
#include "segments/definition.h"
#include "segments/query_text.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::segments {

struct Operand {
  std::string text;     // Nullable(String)
  std::string instant;  // Nullable(Int64) microseconds, for columns of dates and times; else empty
  std::string list;     // Array(...) of texts, for columns of arrays; else empty
};

class RowSource {
 public:
  // `properties`: the column whose keys are properties of the row; empty: `properties`, `traits` or `data`
  // when the table has it.
  RowSource(TableShape shape, std::string properties, const Zone& zone);

  const TableShape& shape() const { return shape_; }
  // Nothing: the table has no such column and no properties.
  std::optional<Operand> find(const Path& path);
  // A column, as it is. Precondition: the table has it.
  std::string column(const std::string& name);

  // What the innermost SELECT must give: the columns used, and parsed JSON under names of their own.
  // `wanted`: an expression that says of which rows JSON is looked at, because parsing costs more than all
  // else; empty: of all.
  std::vector<std::string> computed(const std::string& wanted = {}) const;
  // The table's columns that computed() reads.
  std::set<std::string> columns_read() const;

 private:
  struct Step;
  struct Parsed {
    std::string column;
    std::unique_ptr<Step> root;
  };
  std::string json_element(const std::string& column, const Path& path, size_t from);

  TableShape shape_;
  std::string properties_;
  const Zone& zone_;
  std::set<std::string> used_;
  std::vector<std::shared_ptr<Parsed>> parsed_;
};

// Nullable(Decimal(38, 10)) and Nullable(Int64) microseconds of a text; NULL when it is none.
std::string number_of(const std::string& text);
std::string instant_of(const std::string& text, const Zone& zone);

}  // namespace tidemark::segments
