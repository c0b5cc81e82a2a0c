// Gathers the rows of a batch source into cuts and hands them to the applier, one at a time, each with the
// progress behind it written down first (batch_store.h says in which order and why).
//
// The number of a cut is the position in the versions of its rows: epoch | cut | ordinal. Numbers are never
// used twice, also not after a cut was given up, so a row that is read again has a newer version. A fence's
// end_lsn is the number of the last run that is complete behind it.
//
// While a cut is applied the next is gathered, so at most two are in memory. Threads: one, the applier is the
// other.
#pragma once

#include "ingest/batch_store.h"
#include "ingest/cut.h"

#include <set>

namespace tidemark::ingest {

class BatchCutter {
 public:
  struct Options {
    std::string source;
    uint16_t epoch = 0;
    uint64_t next_cut = 1;
  };
  BatchCutter(Options options, BatchStore& store, CutHandoff& handoff, SourceProgress& progress,
              const std::atomic<bool>& stop)
      : options_(std::move(options)), store_(store), handoff_(handoff), progress_(progress), stop_(stop) {}

  // Rows from now on are as of this moment of the source's clock.
  void begin_run(int64_t taken_micros) { taken_micros_ = taken_micros; }
  // `part` without bookkeeping, as changed_rows() and compare_table() make it.
  void add(std::unique_ptr<Part> part);
  // Enough is gathered for a cut.
  bool full() const;
  // Are rows of the table gathered or under way, not fenced?
  bool holds(const std::string& table) const {
    return gathered_.contains(table) || under_way_.contains(table);
  }
  // Ends the cut here, also an empty one; `progress` is what it is now. Errors: cancelled when told to stop
  // or the applier ended (its own error says why).
  Status close();
  // Waits until everything closed is fenced.
  Status settle();
  // A cut that a kill interrupted, exactly as it was. Before anything else.
  Status replay(const CutRecord& planned, std::vector<std::unique_ptr<Part>> parts);

  // Rows are kept for a replay somewhere: forget them when all is fenced.
  bool staged() const { return staged_; }

 private:
  Status give(const CutRecord& record, Plan plan, std::vector<std::unique_ptr<Part>> parts);

  Options options_;
  BatchStore& store_;
  CutHandoff& handoff_;
  SourceProgress& progress_;
  const std::atomic<bool>& stop_;
  int64_t taken_micros_ = 0;
  uint64_t ordinal_ = 0;
  size_t rows_ = 0;
  size_t bytes_ = 0;
  bool saved_ = false;  // the progress of the cut under way
  bool staged_ = false;
  std::vector<std::unique_ptr<Part>> parts_;
  std::map<std::string, uint32_t> numbers_;
  std::set<std::string> gathered_;
  std::set<std::string> under_way_;
};

}  // namespace tidemark::ingest
