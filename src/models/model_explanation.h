// All that is known of one model, gathered from what it compiled to and from the warehouse: what `tidemark
// explain model` prints. Reads only.
#pragma once

#include "models/column_lineage.h"
#include "models/compiled_model.h"
#include "models/compiler.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

struct StoredTable {
  std::string table;
  uint64_t rows = 0, bytes = 0, parts = 0;
};

struct ModelExplanation {
  std::string model, kind, description, fingerprint, file;
  std::string why_exact;
  std::string sql;  // as written
  std::string recompute;
  std::string store;                    // its name; empty: none
  std::vector<std::string> statements;  // that make it, in order, the public view last
  std::string backfill;                 // that fills a new store; empty: none
  std::string per_run;                  // of a refresh model
  std::vector<std::string> per_cut;     // run after every cut that touches it (keyed)
  std::vector<std::string> tables, models, tables_in_depth, downstream;
  std::vector<ColumnLineage> columns;
  std::vector<StoredTable> stored;  // what it keeps, from the active parts
  // Rows and parts a query of the whole view reads, by table, as the server estimates; a FINAL reads them
  // all.
  std::vector<StoredTable> reads;
  int64_t freshness_seconds = 0;
  std::vector<std::pair<std::string, std::string>> audits;  // as written, severity
};

// One model of `files` and those it reads, compiled: of a hundred models this one needs few. Who reads it is
// seen in the texts of the others, whatever is wrong with them.
struct OneModel {
  Compilation compilation;
  std::vector<std::string> downstream;  // directly or through others
};
Result<OneModel> compile_one(clickhouse::Client& client, const std::vector<config::ModelFile>& files,
                             const std::string& model);

Result<ModelExplanation> explain_model(clickhouse::Client& client, const OneModel& one,
                                       const CompiledModel& model);

}  // namespace tidemark::models
