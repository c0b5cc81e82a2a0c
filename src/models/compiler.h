// From model files to statements. The running ClickHouse is the parser and type checker (EXPLAIN AST,
// DESCRIBE); what it says is brought back to file:line:col. What it would accept and what would be wrong
// under updates and deletes is refused here, naming the trap and the kind to use instead.
//
//   view         CREATE VIEW over bronze.<table>__current
//   incremental  with aggregates: a materialized view turns change rows into signed deltas (count() becomes
//                sum(_sign), sum(x) the sum of x or -x) in a SummingMergeTree; the public view adds them up,
//                hides groups without rows and gives every column the type of the plain query. Without
//                aggregates: the old image of a change is a tombstone for its row, the new image a row
//                (ReplacingMergeTree).
//   keyed        materialized views note which keys a cut touched; runtime.h recomputes the model for them
//
// All errors of all models are reported at once. A model whose dependency failed is left out silently.
#pragma once

#include "clickhouse/client.h"
#include "config/diagnostic.h"
#include "config/model_file.h"
#include "models/compiled_model.h"

#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

struct Compilation {
  CompiledModels models;
  std::vector<config::Diagnostic> errors;

  bool ok() const { return errors.empty(); }
};

// Needs bronze.<table> and bronze.<table>__current of every table that models name (ingest makes them first).
// Errors of the call itself: the warehouse cannot be reached. Mistakes in models are Compilation::errors.
Result<Compilation> compile(clickhouse::Client& client, const std::vector<config::ModelFile>& files);

}  // namespace tidemark::models
