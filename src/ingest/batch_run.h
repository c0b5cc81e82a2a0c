// One run over a batch source: everything that is due, as of one snapshot.
//
// A run that fits into one cut is all or nothing for whoever reads the warehouse; a larger one goes in page
// by page, each fenced, so that a kill costs a page. It then goes on behind the last page with a new
// snapshot: what was committed in between is behind the place the next run begins at (batch_progress.h).
//
// A table that the server refuses (dropped, changed, no right) is left out with its error; the others go on.
// Errors: those of connection and warehouse; cancelled.
#pragma once

#include "ingest/batch_compare.h"
#include "ingest/batch_cutter.h"

namespace tidemark::ingest {

struct DueTable {
  BatchTable* table = nullptr;
  bool read = false;                  // by cursor, or whole when it has none
  std::optional<Comparison> compare;  // for rows that are gone
};

struct BatchRunOptions {
  std::string source;
  std::string application;  // of our sessions
  bool loading = false;     // some table is loaded for the first time
};

struct TableFailure {
  std::string table;  // in bronze
  Error error;
};

class BatchRun {
 public:
  BatchRun(BatchRunOptions options, postgres::Connection& connection, clickhouse::ClientPool& pool,
           StateStore& state, BatchCutter& cutter, SourceProgress& progress, const Clock& clock,
           std::function<void(const BatchTable&, uint64_t rows)> on_rows, const std::atomic<bool>& stop);

  // Leaves everything read and the last cut still open: the caller closes it with the run's end.
  Result<std::vector<TableFailure>> run(const std::vector<DueTable>& due);
  int64_t taken_micros() const { return snapshot_.taken_micros; }

 private:
  Status begin(const std::vector<DueTable>& due);
  Status check_shape(const BatchTable& table);
  Status table(const DueTable& due);
  Status read(BatchTable& table, TableProgress& progress);
  Status walk(BatchTable& table, TableProgress& progress, const postgres::KeyWalk& walk);
  Status compare(BatchTable& table, Comparison what);

  BatchRunOptions options_;
  postgres::Connection& connection_;
  clickhouse::ClientPool& pool_;
  StateStore& state_;
  BatchCutter& cutter_;
  SourceProgress& progress_;
  const Clock& clock_;
  std::function<void(const BatchTable&, uint64_t)> on_rows_;
  const std::atomic<bool>& stop_;
  clickhouse::RetryPolicy policy_;
  postgres::SnapshotFacts snapshot_;
  std::set<std::string> failed_early_;
  std::vector<TableFailure> failures_;
};

}  // namespace tidemark::ingest
