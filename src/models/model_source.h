// What the per-kind compilers share: the model's text with the means to complain about a place in it, and the
// mirrored table it reads.
#pragma once

#include "clickhouse/schema.h"
#include "config/diagnostic.h"
#include "config/model_file.h"
#include "models/function_catalog.h"
#include "models/select_shape.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

// bronze.<name> as the warehouse has it.
struct MirroredTable {
  std::string name;                                    // "impressions"
  bool log = false;                                    // rows are only ever added; no key
  std::vector<std::string> key;                        // columns of the sorting key; empty for a log
  std::vector<clickhouse::ColumnDescription> columns;  // of the source, without bookkeeping

  bool has_column(std::string_view column) const;
  // "`bronze`.`impressions__changes`"
  std::string changes() const;
  std::string current() const;
  // What current() is made of, as a subquery.
  std::string current_rows() const;
  // Rows that exist now, with their bookkeeping columns: "(SELECT * FROM bronze.x FINAL WHERE _deleted = 0)".
  // `condition` narrows them.
  std::string rows(const std::string& condition = {}) const;
  // The same as change rows of sign +1: what fills a new store.
  std::string rows_as_changes() const;
};

using MirroredTables = std::map<std::string, MirroredTable, std::less<>>;  // by "bronze.x"

// Diagnostics of one model file.
class Complaints {
 public:
  Complaints(const config::ModelFile& file, std::vector<config::Diagnostic>& out) : file_(file), out_(out) {}

  // `offset` in file.sql.
  void at(size_t offset, std::string message, std::string remedy);
  // A line and column of file.sql, as ClickHouse counts them.
  void at_line(int line, int column, std::string message, std::string remedy);
  // At a key of the header, or at the SQL when the header does not have it.
  void in_header(const std::string& key, std::string message, std::string remedy);
  // A server's refusal of a text made from this model, whose first line is the model's `lines_before + 1`th:
  // the position in the message, or the first mention of the name it complains about, leads back to the file.
  void refused(const Error& error, std::string_view what, int lines_before = 1);

  bool any() const { return count_ > 0; }

 private:
  const config::ModelFile& file_;
  std::vector<config::Diagnostic>& out_;
  size_t count_ = 0;
};

struct CompiledModels;

struct ModelSource {
  const config::ModelFile& file;
  const FunctionCatalog& functions;
  const MirroredTables& tables;
  clickhouse::Client& client;
  Complaints& complaints;
  const CompiledModels& models;                              // those compiled before
  const std::map<std::string, std::string>& inlined_models;  // their SQL over bronze.<table>, one line each
};

// "`analytics`.`x__0123abcd<suffix>`"
std::string physical_name(const config::ModelFile& file, std::string_view fingerprint,
                          std::string_view suffix = {});

// 16 hexadecimal digits of a 64-bit hash of `text`.
std::string fingerprint_of(std::string_view text);

// "a, b"
std::string joined(const std::vector<std::string>& parts, std::string_view separator = ", ");

}  // namespace tidemark::models
