// What is in of a copy that reads each range of pages in a transaction of its own (initial_copy.h), across
// restarts: tidemark.copied_ranges.
//
// A row for each range that is in, with the file that held the table then (SourceTable::storage): when the
// server has written the table anew since, its rows are at other places, and none of its ranges counts. And a
// row for the copy itself (oid 0), written when the slot is there and everything that needs the slot's own
// snapshot is in: before it there is nothing to go on from.
//
// Thread-safe.
#pragma once

#include "clickhouse/retry.h"
#include "postgres/catalog.h"

#include <atomic>
#include <mutex>
#include <set>
#include <tuple>

namespace tidemark::ingest {

// Pages of a table; `end` 0: to its end.
struct PageRange {
  uint64_t begin = 0, end = 0;
};

class CopiedRanges {
 public:
  CopiedRanges(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop,
               std::string source)
      : pool_(pool), policy_(std::move(policy)), stop_(stop), source_(std::move(source)) {}

  Status prepare();
  // False: the copy of this epoch has nothing to go on from.
  Result<bool> load(uint16_t epoch);
  // `fingerprint`: of the tables' shapes, which must not change while they are copied.
  Status begin(uint16_t epoch, std::string fingerprint);
  std::string fingerprint() const;

  bool has(const postgres::SourceTable& table, const PageRange& range) const;
  // `seen`: the log up to there is all that the range may show.
  Status add(const postgres::SourceTable& table, const PageRange& range, postgres::Lsn seen, uint64_t rows);
  // Of all ranges: from there on the stream has told everything that any of them showed.
  postgres::Lsn seen() const;
  // Read of the table, as it was by the ranges that are in.
  uint64_t rows_of(uint32_t oid) const;
  // Of how many pages those are.
  uint64_t pages_of(const postgres::SourceTable& table) const;

 private:
  Status write(uint32_t oid, const std::string& text, const PageRange& range, postgres::Lsn seen,
               uint64_t rows);

  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  const std::string source_;
  mutable std::mutex mutex_;
  uint16_t epoch_ = 0;
  std::string fingerprint_;
  std::set<std::tuple<uint32_t, std::string, uint64_t, uint64_t>> in_;
  std::map<uint32_t, uint64_t> rows_;
  postgres::Lsn seen_ = 0;
};

}  // namespace tidemark::ingest
