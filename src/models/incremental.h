// Kind `incremental`: what hangs on the change rows of one table.
//
// A change is at most two rows, -1 with the old image and +1 with the new one. Everything that is a sum over
// rows can be kept by adding signed deltas; nothing else can. So the compiler takes one SELECT over one
// mirrored table and turns count() into sum(_sign), sum(x) into the sum of x or -x, avg into both. NULLs: sum
// and avg of a Nullable column keep the number of values beside the sum, because the sum of no values is
// NULL, not 0. Floats are refused: adding and taking away does not give back the same number.
//
// Without aggregates the model is one row for each source row: the old image's row gets a tombstone under its
// own sorting key and partition, so that changes of either are followed.
#pragma once

#include "models/compiled_model.h"
#include "models/model_source.h"

#include <optional>
#include <string>

namespace tidemark::models {

struct IncrementalModel {
  StoreForm form = StoreForm::none;
  std::string store_columns;  // "`a` UInt32, `_rows` Int64"
  std::string engine;         // ENGINE, PARTITION BY and ORDER BY
  std::string delta_select;   // over change rows
  std::string backfill_select;
  std::string view_select;  // with `store` for the store's name
};

// The stand-in for the store's name in view_select.
constexpr std::string_view store_placeholder = "{{store}}";

// nullopt: complaints say why.
std::optional<IncrementalModel> compile_incremental(
    const ModelSource& source, const SqlText& text,
    const std::vector<clickhouse::ColumnDescription>& columns);

}  // namespace tidemark::models
