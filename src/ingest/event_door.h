// A source's way in, whoever knocks: bodies that were taken apart (event_record.h) go to its spool, and the
// answer is given when they are on disk. What a request must look like is not known here, so every shape that
// can be turned into a record uses the same door.
//
// A door outlives the lives of its source: events are taken while the warehouse is away, until the spool is
// full. Counters are those of this process. Thread-safe.
#pragma once

#include "config/event_source.h"
#include "ingest/event_record.h"
#include "ingest/pipeline_status.h"
#include "ingest/spool.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string_view>

namespace tidemark::ingest {

class EventDoor {
 public:
  EventDoor(config::EventSource source, std::shared_ptr<Spool> spool);

  const config::EventSource& source() const { return source_; }
  // The key of which this is the text, compared in constant time; null: there is none.
  const config::WriteKey* find_key(std::string_view text) const;

  // `done` is called when the record is on disk, on another thread, and not at all when an error is returned.
  // Errors: see Spool::append.
  Status take(EventRecordWriter record, const config::WriteKey& key, std::function<void(const Status&)> done);
  // Before the server starts.
  void set_filter(IntakeFilter filter) { filter_ = std::move(filter); }
  const IntakeFilter& filter() const { return filter_; }
  // To be held from when something is looked at by the filter until it was given to take().
  std::shared_lock<std::shared_mutex> enter() { return std::shared_lock(looking_); }
  // `change` of what the filter leaves out: what is given to the spool afterwards was looked at afterwards.
  Status between(const std::function<Status()>& change) {
    std::unique_lock lock(looking_);
    return change();
  }
  void leave_out(uint64_t rows) { left_out_ += rows; }

  void reject(const config::WriteKey& key, std::string_view reason, uint64_t count = 1);
  // Of nobody that is known.
  void reject(std::string_view reason, uint64_t count = 1);
  // Differs from call to call, and from process to process.
  uint64_t next_place() { return place_.fetch_add(1); }

  Spool& spool() { return *spool_; }
  // Without what only the source knows (duplicates, age).
  IntakeStatus status() const;

 private:
  const config::EventSource source_;
  const std::shared_ptr<Spool> spool_;
  IntakeFilter filter_;
  std::shared_mutex looking_;
  std::atomic<uint64_t> left_out_{0};
  std::atomic<uint64_t> place_;
  struct KeyCounters {
    std::atomic<uint64_t> accepted{0};
    std::atomic<uint64_t> rejected{0};
  };
  KeyCounters& counters_of(const config::WriteKey& key) const;
  std::vector<std::unique_ptr<KeyCounters>> keys_;  // as in source_
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t, std::less<>> rejected_;
};

}  // namespace tidemark::ingest
