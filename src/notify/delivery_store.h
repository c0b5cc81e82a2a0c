// What became of notifications, in the warehouse: tidemark.deliveries has the last outcome of each
// (destination, seq), tidemark.delivery_positions how far each destination is, and whether it is disabled.
//
// Position: everything up to it that is for the destination is settled (delivered, dead or dropped), but for
// what tidemark.deliveries has as `retrying` or `replaying`. So after a crash nothing behind it is looked at
// but those, and in front of it what has an outcome is left out. Outcomes are written before the position
// that builds on them. Rows are written again and again; the largest `version` of a key counts.
//
// One writer: the process that delivers. Threads: any (each call takes a connection of the pool).
#pragma once

#include "clickhouse/client_pool.h"
#include "notify/delivery_queue.h"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::notify {

struct SavedPosition {
  uint64_t position = 0;
  bool disabled = false;
  std::string reason;        // why it is disabled
  uint64_t outcomes_to = 0;  // the largest seq with an outcome
};

struct SavedHead {
  std::string entity;
  uint64_t seq = 0;
  uint32_t attempts = 0;
  int64_t wait_us = 0;  // from now; 0: due
};

struct DeadLetter {
  std::string destination;
  uint64_t seq = 0;
  std::string kind, subject, entity;
  uint32_t attempts = 0;
  int64_t at_ms = 0;
  int status = 0;
  std::string answer;
};

struct DeliveryCounts {
  uint64_t pending = 0;  // not settled
  uint64_t dead = 0;
};

// A range of seq, or dead letters.
struct Selection {
  uint64_t from = 0, to = UINT64_MAX;
  bool dead_only = false;
};

class DeliveryStore {
 public:
  explicit DeliveryStore(clickhouse::ClientPool& pool) : pool_(pool) {}

  // The tables, IF NOT EXISTS; and the versions begin above those that are there.
  Status prepare();

  Result<SavedPosition> position(const std::string& destination);
  Status save_position(const std::string& destination, const SavedPosition& position);
  // Of each entity the first notification that waits for another try or a replay, by seq.
  Result<std::vector<SavedHead>> heads(const std::string& destination, size_t most);
  Status write(const std::string& destination, const std::vector<DeliveryRecord>& records);

  // Marks settled notifications of the outbox to be sent again; how many.
  Result<uint64_t> mark_replay(const std::string& destination, const Selection& selection, uint64_t position,
                               uint64_t cursor);
  // Dead letters that nobody wants any more; how many.
  Result<uint64_t> drop(const std::string& destination, const Selection& selection);

  // Newest first. `destination` may be empty: all.
  Result<std::vector<DeadLetter>> dead_letters(const std::string& destination, size_t most);
  Result<DeliveryCounts> counts(const std::string& destination, uint64_t position);

  // Deletes old outcomes behind the position.
  Status expire(const std::string& destination, uint64_t position);

 private:
  uint64_t next_version();
  clickhouse::ClientPool& pool_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace tidemark::notify
