// The records of a source's tables (table_records.h) in memory, for the pipeline and its helpers. Every
// change is in the warehouse before it is here.
//
// Thread-safe. A shape stays where it is: it is changed only while no stream reads it.
#pragma once

#include "ingest/pipeline_status.h"
#include "ingest/table_records.h"

#include <mutex>

namespace tidemark::ingest {

class TableBook {
 public:
  TableBook(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop,
            std::string source)
      : records_(pool, std::move(policy), stop), source_(std::move(source)) {}

  Status prepare() { return records_.prepare(); }
  Status load(uint16_t epoch);
  bool empty() const;
  std::optional<TableRecord> find(uint32_t oid) const;
  const TableShape* shape(uint32_t oid) const;
  std::optional<TablePhase> phase(uint32_t oid) const;
  Status save(TableRecord record);
  Status save(std::vector<TableRecord> records);
  // What is shown of the table beside its record.
  void note(uint32_t oid, std::string note);
  // Into the status of a source that streams.
  void describe(uint32_t oid, TableStatus& status) const;
  std::vector<TableRecord> dropped() const;

 private:
  TableRecords records_;
  const std::string source_;
  mutable std::mutex mutex_;
  std::map<uint32_t, TableRecord> known_;
  std::map<uint32_t, std::string> notes_;
};

}  // namespace tidemark::ingest
