// Watches what a source's replication slot makes the server keep, and how long it may go on so: also, and
// above all, while nothing is read from it because the warehouse is away. Each threshold that is passed, and
// each that is not any more, is logged once.
//
// Threads: start() and stop() belong to one, health() may be asked by anyone. A server that does not answer
// is asked again; what was known last stays.
#pragma once

#include "base/clock.h"
#include "config/postgres_source.h"
#include "ingest/pipeline_status.h"
#include "postgres/replication_setup.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace tidemark::ingest {

// Which threshold is passed, and what that means: "slot_invalid_soon: ..."; empty: none.
std::string slot_warning(const SlotHealth& health);

class SlotWatch {
 public:
  SlotWatch(const config::PostgresSource& source, const Clock& clock) : source_(source), clock_(clock) {}
  ~SlotWatch() { stop(); }
  SlotWatch(const SlotWatch&) = delete;
  SlotWatch& operator=(const SlotWatch&) = delete;

  void start();
  void stop();
  // Nothing: it was not seen yet, or there is none.
  std::optional<SlotHealth> health() const;

 private:
  void run();
  void note(const std::optional<postgres::SlotInfo>& slot);

  const config::PostgresSource& source_;
  const Clock& clock_;
  // Of run(): where the log ended when, oldest first, and where the slot was and since when.
  std::deque<std::pair<int64_t, postgres::Lsn>> ends_;
  postgres::Lsn confirmed_ = 0;
  int64_t confirmed_at_ = 0;
  std::string warned_;  // name of the threshold

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::optional<SlotHealth> health_;
  std::thread thread_;
};

}  // namespace tidemark::ingest
