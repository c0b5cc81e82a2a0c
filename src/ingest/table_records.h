// What is known of each table of a Postgres source across restarts, in tidemark.captured_tables: what it
// looked like (table_shape.h), and where it is on its way.
//
//   copying   it is to be copied (again); its rows are not followed, `error` says why the last try failed
//   copied    as of `from`; it joins the others at the start of the next life
//   joining   its changes since `from` are being read; from cut `join_cut` on it is in the cuts
//   live      with the others
//   dropped   gone at the source: what was there last stays, in any epoch (dropped_tables.h)
//
// A source that an earlier version copied has no records: its tables are live. Thread-safe.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/table_shape.h"

#include <atomic>

namespace tidemark::ingest {

enum class TablePhase : uint8_t { copying, copied, joining, live, dropped };

struct TableRecord {
  uint32_t oid = 0;
  std::string name;  // in bronze
  uint16_t epoch = 0;
  TablePhase phase = TablePhase::live;
  postgres::Lsn from = 0;  // changes before it are in the copy
  uint64_t join_cut = 0;
  TableShape shape;
  std::string error;
};

class TableRecords {
 public:
  TableRecords(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop)
      : pool_(pool), policy_(std::move(policy)), stop_(stop) {}

  Status prepare();
  // By oid; those of this epoch, and dropped ones.
  Result<std::map<uint32_t, TableRecord>> load(const std::string& source, uint16_t epoch);
  // All of them or none.
  Status save(const std::string& source, const std::vector<TableRecord>& records);

 private:
  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
};

}  // namespace tidemark::ingest
