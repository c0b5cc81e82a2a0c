// A mirrored table beside itself: a copy of the source's table as of a snapshot, the keys whose rows differ
// from the mirrored ones, and the rows of a cut that brings these there.
//
//   bronze.<name>__parity       the copy; copy_tables() fills it
//   bronze.<name>__parity_keys  of rows that differ, numbered
//   bronze.<name>__parity_rows  the cut that was planned last: old images (-1) and new ones (+1)
//
// A key that the stream changed after the snapshot is not judged: a version above `bound`, a tombstone's too,
// says so. Rows are compared by a hash of their bytes, in the warehouse and in bounded memory.
//
// Exactly once: plan() reads the mirrored table, send() only what was planned. So it may be repeated, with
// the same tokens, until it is through, as long as nothing else of the table came in. Old images are what the
// mirrored table has, as models have added them up.
//
// Of tables with a key. Not thread-safe; blocks.
#pragma once

#include "base/version.h"
#include "clickhouse/retry.h"
#include "ingest/captured_table.h"

#include <atomic>

namespace tidemark::ingest {

struct ParityCounts {
  uint64_t missing = 0;    // in the source, not in the warehouse
  uint64_t extra = 0;      // the other way round
  uint64_t different = 0;  // same key, other values
  uint64_t total() const { return missing + extra + different; }
};

class ShadowTable {
 public:
  ShadowTable(CapturedTable table, clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy,
              const std::atomic<bool>& stop);

  // Empty, to be filled.
  Status make();
  const CapturedTable& copy() const { return shadow_; }
  const CapturedTable& mirrored() const { return table_; }
  uint64_t rows() const { return rows_; }

  // Finds the keys whose rows differ; returns their number.
  Result<uint64_t> compare(Version bound);
  // The rows that bring keys [begin, end) there, as of now.
  Result<ParityCounts> plan(uint64_t begin, uint64_t end, Version bound);
  struct Cut {
    uint64_t number = 0;
    Version version = 0;  // of new images; odd
    int64_t committed_at = 0;
    std::string token;
  };
  // The rows that were planned last, perhaps by another process. False: the table has another shape now.
  Result<bool> send(const Cut& cut);
  Status drop();

 private:
  Status fill(const std::string& target, const std::string& insert);
  Status run(const std::string& sql, std::map<std::string, std::string> settings = {});

  CapturedTable table_, shadow_;
  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  std::vector<std::string> columns_, key_;
  uint64_t rows_ = 0;
};

}  // namespace tidemark::ingest
