// Files into a table that people INSERT into (config/insert_source.h), so that they are mirrored and counted
// like everything else.
//
// Exactly once. The table has a key, so a row that is inserted again is the row that is there. A load is
// known by its file (file_bytes.h), its table and how it is read; tidemark.loads remembers, behind each
// INSERT, how many records of it are in. A load that was killed goes on behind them: at most one INSERT is
// made again, of the same rows. A file that was loaded is not loaded again.
//
// Records that do not fit go to tidemark.quarantine under the file's hash and their number, so once, too.
//
// One thread. Errors: config (the file, or how it is to be read), dependency_down, those of the server.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/insert_source.h"
#include "ingest/file_records.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>

namespace tidemark::ingest {

struct LoadRequest {
  std::filesystem::path file;
  const config::InsertTable* table = nullptr;
  RecordOptions records;
  // Columns with the same value in every row.
  std::map<std::string, std::string> constants;
  std::string document_column;         // gets the whole record as its JSON; then its fields are no columns
  std::string identity_column;         // gets "<hash of the file>-<number of the record>"
  bool ignore_unknown_fields = false;  // else a field that is no column is a reason for quarantine
  bool again = false;                  // although it was loaded before
  bool server_reads_files = false;     // the embedded one does: Parquet is read by it
};

struct LoadResult {
  uint64_t rows = 0, quarantined = 0;  // of all of the load, those of an interrupted one included
  uint64_t resumed_at = 0;             // records that were in already
  bool was_done = false;               // nothing was to be done
};

class FileLoad {
 public:
  // All must outlive it.
  FileLoad(clickhouse::ClientPool& pool, const std::atomic<bool>& stop) : pool_(pool), stop_(stop) {}

  // `progress` gets the bytes of the file that were read.
  Result<LoadResult> run(const LoadRequest& request, const std::function<void(uint64_t)>& progress);

 private:
  clickhouse::ClientPool& pool_;
  const std::atomic<bool>& stop_;
};

}  // namespace tidemark::ingest
