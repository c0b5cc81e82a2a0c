// Fills one store with what was there before it was fed, while cuts go on.
//
// Two kinds of stores, and for each the way that is exact:
//   versioned  (ReplacingMergeTree: rows of incremental models, keyed models) The newest version of a row
//              wins, so it does not matter when it is written nor how often. The fill reads the live tables
//              and writes into the store itself: whatever changed after the barrier was written with a higher
//              version, whatever did not is still the same.
//   additive   (everything else: sums, states, logs) A row counts as often as it is written. The fill reads
//              the snapshot taken at the barrier and writes into <store>__fill, which nobody else writes to,
//              under a token a chunk; so the one chunk that may be in doubt after a kill is among the last
//              blocks of that table and its token is remembered. join() then moves the parts over.
//
// Chunks are ranges of the first column of the mirrored table's sorting key, newest first; a query that reads
// something else as well, or several tables, is one chunk. What is to do and done is in tidemark.backfills,
// so a killed fill goes on where it was. A chunk's memory is bounded by limits::backfill_chunk_rows and
// spilling.
#pragma once

#include "clickhouse/client.h"
#include "models/compiled_model.h"
#include "models/snapshot.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tidemark::models {

struct BackfillChunk {
  uint32_t number = 0;
  std::string condition;  // over the mirrored table; empty: all of it
  uint64_t rows = 0;      // that it reads, about
  bool done = false;
};

struct BackfillProgress {
  size_t chunk = 0, chunks = 0;  // done, of
  uint64_t rows = 0, rows_total = 0;
};

struct BackfillHooks {
  std::function<bool()> stopping;  // asked between chunks
  std::function<void()> breathe;   // between chunks: waits while the cuts are behind
  std::function<void(const BackfillProgress&)> progress;
};

class Backfill {
 public:
  // `partitions`: only rows of these, as system.parts names them; empty: all. Whoever goes on with a fill
  // does as was written down when it began.
  Backfill(const CompiledModel& model, std::string deployment, bool additive, uint64_t chunk_rows,
           std::vector<std::string> partitions = {});

  // Makes the table that an additive store is filled through. Before the barrier.
  Status make_fill_table(clickhouse::Client& client) const;
  // The mirrored tables that must be snapshots ("bronze.x"); empty for a versioned store.
  const std::set<std::string>& tables() const { return tables_; }
  // "`analytics`.`x__0123abcd__fill`"; empty for a versioned store.
  const std::string& fill_table() const { return fill_table_; }

  // After the barrier. Errors: cancelled when told to stop; everything done so far stays done.
  Status run(clickhouse::Client& client, const BackfillHooks& hooks);
  // Additive: what was gathered goes into the store. Not repeatable: a store whose join was cut short is
  // built again.
  Status join(clickhouse::Client& client) const;

 private:
  Status plan(clickhouse::Client& client);
  std::string statement() const;
  Status record(clickhouse::Client& client, const std::vector<BackfillChunk>& chunks, const char* state);
  Status fill(clickhouse::Client& client, const BackfillChunk& chunk, const BackfillHooks& hooks);

  const CompiledModel& model_;
  std::string deployment_;
  bool additive_;
  uint64_t chunk_rows_;
  std::set<std::string> tables_;
  Snapshots snapshots_;
  std::string fill_table_;
  std::string into_, select_;  // the two halves of the statement
  std::vector<std::string> partitions_;
  // The one table that chunks are ranges of: database, table; empty: no chunks.
  std::pair<std::string, std::string> ranged_;
  std::vector<BackfillChunk> chunks_;
};

// Mirrored tables of `model` that `sql` names.
std::set<std::string> mirrored_tables_in(const CompiledModel& model, const std::string& sql);

// Ends the statements of fills that run in the warehouse now, from another connection.
Status cancel_backfills(clickhouse::Client& client);

}  // namespace tidemark::models
