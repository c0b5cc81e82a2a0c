// What is known across restarts of tables that are brought back by parity, in tidemark.parity: what was asked
// for and answered, and which cut of parity (shadow_table.h) was planned. A planned one may be in by half:
// its rows are in a table beside the mirrored one, and it is sent again from there, under the same tokens,
// before anything else of the source.
//
// Every change is in the warehouse before it is here. Thread-safe: requests come from anywhere.
#pragma once

#include "base/version.h"
#include "clickhouse/retry.h"
#include "ingest/pipeline_status.h"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

namespace tidemark::ingest {

struct ParityRecord {
  std::string table;      // in bronze
  uint64_t asked = 0;     // requests so far
  uint64_t answered = 0;  // those before the run that ended last, and it
  uint64_t cut = 0;       // of the newest cut of parity; 0: there was none
  bool planned = false;   // it may be in by half
  Version version = 0;    // its rows', of new images
  int64_t committed_at = 0;
  // Of the run that is on, or was last.
  std::string state;  // copying | comparing | repairing | done | failed; empty: none yet
  uint64_t rows = 0, missing = 0, extra = 0, different = 0;
  std::string error;

  bool wanted() const { return asked > answered; }
};

class ParityBook {
 public:
  ParityBook(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop,
             std::string source)
      : pool_(pool), policy_(std::move(policy)), stop_(stop), source_(std::move(source)) {}

  Status prepare();
  Status load();
  std::optional<ParityRecord> find(const std::string& table) const;
  std::vector<ParityRecord> planned() const;
  // Of a table that there is no record of: a new one.
  Status change(const std::string& table, const std::function<void(ParityRecord&)>& change);
  // Above all that were taken. Cuts of parity have a range of numbers of their own (base/cut_number.h).
  uint64_t next_cut() const;
  // Into the status of a table, while it is brought back.
  void describe(const std::string& table, TableStatus& status) const;

 private:
  Status save(const ParityRecord& record);

  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  const std::string source_;
  std::mutex changing_;       // one change at a time; readers do not wait for the warehouse
  mutable std::mutex mutex_;  // of known_
  std::map<std::string, ParityRecord> known_;
  uint64_t sequence_ = 0;  // of the newest record; under changing_
};

}  // namespace tidemark::ingest
