// What people decided about who is not who: tidemark.profile_decisions, which is also the record of who
// decided it, when and why. A decision keeps the ids of `one` and those of `other` apart (stitcher.h); taken
// back, it is as if it had never been. A row is never changed: the newest of a pair of sides counts.
//
// A decision is written down before it is followed (Keeper::restitch) and marked as followed afterwards, so
// that a start after a kill follows what was not. Not thread-safe.
#pragma once

#include "clickhouse/client_pool.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::profiles {

struct DecisionRecord {
  std::string profiles;
  std::vector<std::string> one, other;  // ids
  bool taken_back = false;
  bool followed = false;
  std::string decided_by, reason;
  int64_t at = 0;  // microseconds; of the write
};

class ProfileDecisions {
 public:
  explicit ProfileDecisions(clickhouse::ClientPool& pool) : pool_(pool) {}

  // The table of before there were reasons gets its columns.
  Status prepare();
  // The newest of each pair of sides, the oldest first.
  Result<std::vector<DecisionRecord>> all(const std::string& profiles);
  Status write(const DecisionRecord& record);

 private:
  clickhouse::ClientPool& pool_;
};

}  // namespace tidemark::profiles
