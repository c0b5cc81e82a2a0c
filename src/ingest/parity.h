// Proof that the warehouse holds what the source holds, row by row and by value, at one place in the source's
// log, while writes go on.
//
// How. A temporary slot exports a snapshot of the source and says at which LSN it stands. A transactional
// message makes the running pipeline fence past it. Then both sides are read once, in full: Postgres inside
// the snapshot, through the same COPY BINARY decoders as everything else, ClickHouse through FINAL. Each row
// becomes a 128-bit hash that is added to one of limits::parity_buckets sums chosen by its key, so memory
// does not grow with the table. Buckets that differ, and buckets of rows that changed after the snapshot, are
// read again row by row; keys that changed since are left out of the comparison and counted as `moving`.
// A batch source has no slot and no fence of its own: a run is asked for, the snapshot is one of ours, and
// only when something differs another run tells what moved in between.
// Append-only logs have no key: rows newer than the snapshot are simply not read, and whole rows are compared
// as a multiset.
#pragma once

#include "config/postgres_source.h"
#include "ingest/captured_table.h"
#include "ingest/state_store.h"
#include "postgres/connection.h"

namespace tidemark::ingest {

struct TableParity {
  std::string table;       // "bronze.impressions"
  uint64_t rows = 0;       // in the source
  uint64_t missing = 0;    // in the source, not in the warehouse
  uint64_t extra = 0;      // the other way round
  uint64_t different = 0;  // same key, other values
  uint64_t moving = 0;     // changed after the snapshot: not compared
  // Over Kafka: rows that only messages could explain that the brokers do not keep any more.
  uint64_t not_judged = 0;
  uint64_t refused = 0;               // over Kafka: messages that are in quarantine
  std::vector<std::string> examples;  // "missing: 42", at most limits::parity_examples_max
  std::vector<std::string> notes;     // what the proof does not cover

  bool equal() const { return missing + extra + different == 0; }
};

struct ParityReport {
  postgres::Lsn as_of = 0;
  std::vector<TableParity> tables;
};

struct ParityOptions {
  std::vector<std::string> only;  // names in bronze or as in the source; empty: all
  std::chrono::milliseconds fence_timeout{60'000};
  std::function<void(const std::string& table, uint64_t rows)> progress;  // rows read so far, of both sides
};

// Errors: dependency_down when the pipeline does not reach the snapshot in time. No tables when `only` names
// none of this source.
Result<ParityReport> verify_tables(const config::PostgresSource& source, clickhouse::ClientPool& pool,
                                   const ParityOptions& options, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
