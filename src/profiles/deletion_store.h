// What people asked to have deleted, and how far that is: tidemark.deletions. A deletion is written down
// before anything is touched (that is its intent), and again after each of its stages, so that whoever starts
// after a kill goes on where it was; each stage may be done again from its beginning. While it is under way
// the row says whose data it is in plain; the last write has only keyed hashes (suppressions.h) and what was
// done, and forget_intents() takes the earlier ones off the disk.
//
// One writer: the process that runs the project. Thread-safe as the pool is.
#pragma once

#include "clickhouse/client_pool.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::profiles {

// In this order.
enum class DeletionStage : uint8_t {
  asked,       // written down
  resolved,    // ids are known and suppressed
  aside,       // the rows are copied into tables of the deletion
  removed,     // and gone from where they came from
  correcting,  // what was derived from them is being corrected, and no cut is under way
  corrected,   // it is
  done,        // no trace is left, and there is a receipt
};
const char* name(DeletionStage stage);

struct Deletion {
  uint64_t number = 0;
  DeletionStage stage = DeletionStage::asked;
  std::string profiles;  // "cdp.profiles"
  std::string reason, asked_by;
  int64_t asked_at = 0, done_at = 0;  // microseconds
  // In plain, until it is done.
  std::string asked;                // what the caller called the person
  std::vector<std::string> ids;     // "kind:value"
  std::vector<std::string> people;  // profile ids
  // Afterwards: a JSON object, see docs/PROFILES.md.
  std::string receipt;
};

class DeletionStore {
 public:
  explicit DeletionStore(clickhouse::ClientPool& pool) : pool_(pool) {}

  Status prepare();
  // All of them, the newest last.
  Result<std::vector<Deletion>> all();
  Status save(const Deletion& deletion);
  // What save() wrote of it before the last time is taken off the disk.
  Status forget_intents(uint64_t number);

 private:
  clickhouse::ClientPool& pool_;
};

}  // namespace tidemark::profiles
