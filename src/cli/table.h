// Rows for people: columns as wide as their widest value, numbers to the right, NULL dim, and on a terminal
// never wider than it (the widest columns are cut with an ellipsis). Elsewhere the same rows as tab-separated
// values with a line of names, NULL as \N, tabs and line ends escaped, so that scripts read exactly what was
// there.
//
//   Table table({{"table"}, {"rows", Align::right}});
//   table.add({"bronze.clicks", "1,204"});
//   print_out(table.render(table_style()));
#pragma once

#include "base/column.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::cli {

enum class Align { left, right };

struct TableStyle {
  bool tabular = false;  // tab-separated values; the rest does not matter then
  bool color = false;    // dim NULLs, bold names
  int width = 0;         // of the terminal; 0: no bound
};

// For stdout as it is. Colors only on a terminal, and not with NO_COLOR set.
TableStyle table_style();

class Table {
 public:
  struct ColumnHead {
    std::string name;
    Align align = Align::left;
  };
  using Row = std::vector<std::optional<std::string>>;  // nullopt: NULL

  explicit Table(std::vector<ColumnHead> columns) : columns_(std::move(columns)) {}

  // Missing values at the end are NULL; more than there are columns are dropped.
  void add(Row row);
  size_t rows() const { return rows_.size(); }
  std::string render(const TableStyle& style) const;

 private:
  std::string render_tabular() const;

  std::vector<ColumnHead> columns_;
  std::vector<Row> rows_;
};

// ClickHouse's TabSeparatedWithNamesAndTypes as a table of at most `rows_max` rows; numbers are aligned by
// their type.
Table table_of_tsv(std::string_view text, size_t rows_max);

// Places a text takes on a terminal: code points, wide ones (CJK, emoji) count twice, combining ones not at
// all.
int display_width(std::string_view text);

}  // namespace tidemark::cli
