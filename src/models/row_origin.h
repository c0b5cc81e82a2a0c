// Which mirrored rows an output row of a model came from.
//
// The condition on the output row ("campaign_id = 7") is pushed down through the query tree of the model over
// the mirrored tables: an output column is replaced by its expression, over and over, until only columns of
// one mirrored table are left; the WHERE of every SELECT on the way goes along; equalities of joins carry a
// condition from one side to the other (a.id = b.campaign_id and a.id = 7 say b.campaign_id = 7). What cannot
// be pushed - a condition over an aggregate, over columns of two tables, with a subquery - is left out and
// named, so the rows found are then more than those the row came from, never fewer.
//
// Stateless.
#pragma once

#include "models/compiled_model.h"

#include <string>
#include <utility>
#include <vector>

namespace tidemark::models {

struct OriginRows {
  std::string table;      // "bronze.impressions"
  std::string condition;  // over its columns; empty: every row
  bool narrowed = false;  // by the output row; otherwise any row that passes may be one, and none is shown
  uint64_t total = 0;     // rows that are there now
  std::string
      rows;  // at most `limit`, newest first: JSON objects, one a line, with _version, _cut, _committed_at
};

struct RowOrigin {
  std::string condition;  // on the output row
  std::string row;        // the output rows it picks: JSON objects, one a line, at most `limit`
  uint64_t rows = 0;      // how many it picks
  std::vector<OriginRows> tables;
  std::vector<std::string> left_out;  // conditions that could not be pushed down
};

// "column=value" -> a condition on the model's output; the value NULL is SQL's. Errors: usage, naming the
// nearest column.
Result<std::string> condition_of_row(const CompiledModel& model,
                                     const std::vector<std::pair<std::string, std::string>>& values);

// `condition`: SQL over the model's columns. Errors: refused, when it does not compile.
Result<RowOrigin> row_origin(clickhouse::Client& client, const CompiledModels& models,
                             const CompiledModel& model, const std::string& condition, size_t limit);

}  // namespace tidemark::models
