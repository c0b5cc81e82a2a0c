// Kind `incremental`: what hangs on the change rows of one table.
//
// A change is at most two rows, -1 with the old image and +1 with the new one. Everything that is a sum over
// rows can be kept by adding signed deltas; nothing else can. So count() becomes sum(_sign), sum(x) the sum
// of x or -x, avg both. Floats are refused: adding and taking away does not give back the same number. Over
// logs (`append_only: true`, or no key), whose rows are only ever added, every aggregate is kept as a state.
//
// The left-most table of FROM feeds the store; other tables, models and subqueries are joined when the model
// is read, with what they are at that moment (incremental_store.h says why that is exact). A change of a
// joined table shows at once and costs nothing; it does not touch the store.
//
// Without aggregates the model is one row for each source row: the old image's row gets a tombstone under its
// own sorting key and partition, so that changes of either are followed.
#pragma once

#include "models/compiled_model.h"
#include "models/incremental_feed.h"
#include "models/model_source.h"

#include <optional>
#include <string>

namespace tidemark::models {

struct IncrementalModel {
  // A mirrored table that feeds the store; rows_placeholder in `delta_select` stands for its rows with _sign
  // and _version: its change rows, or what is there already with sign +1.
  struct FeedSelect {
    const MirroredTable* table;
    std::string delta_select;
  };

  StoreForm form = StoreForm::none;
  std::vector<clickhouse::ColumnDescription> stored;
  std::string store_columns;  // "`a` UInt32, `_rows` Int64"
  std::string engine;         // ENGINE, PARTITION BY, ORDER BY
  std::vector<FeedSelect> feeds;
  std::string view_select;             // with store_placeholder for the store's name
  std::vector<std::string> read_time;  // what is joined when the model is read, as the text names it
};

// The stand-in for the store's name in view_select.
constexpr std::string_view store_placeholder = "{{store}}";

// `select` with `rows` for rows_placeholder.
std::string over_rows(std::string select, const std::string& rows);

// nullopt: complaints say why.
std::optional<IncrementalModel> compile_incremental(
    const ModelSource& source, const SqlText& text,
    const std::vector<clickhouse::ColumnDescription>& columns);

}  // namespace tidemark::models
