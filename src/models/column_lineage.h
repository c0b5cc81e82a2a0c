// Which columns an output column of a model is made of: of what the model reads directly (models and mirrored
// tables), and, through all models, of the mirrored tables. Read from the query tree of the running server
// (query_tree.h), so aliases, `*`, joins, CTEs, subqueries, unions and USING are resolved as the server
// resolves them.
//
// Lineage of values: what an expression names, with scalar subqueries and IN sets, not what filters or joins
// rows. count() is made of no column. Stateless.
#pragma once

#include "models/compiled_model.h"

#include <compare>
#include <string>
#include <vector>

namespace tidemark::models {

struct SourceColumn {
  std::string table;  // "analytics.x", "bronze.impressions"
  std::string column;

  auto operator<=>(const SourceColumn&) const = default;
};

struct ColumnLineage {
  std::string column;
  std::string type;
  std::vector<SourceColumn> direct;  // sorted, each once
  std::vector<SourceColumn> bronze;
};

// In the order of the model's columns. Needs the mirrored tables, not the models. Errors: the warehouse's.
Result<std::vector<ColumnLineage>> column_lineage(clickhouse::Client& client, const CompiledModels& models,
                                                  const CompiledModel& model);

}  // namespace tidemark::models
