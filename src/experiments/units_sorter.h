// Sorts kept units behind the answers. The first question writes them as they are found, which is quickest
// (kept_units.h); here they are copied part by part into a table that is sorted by the unit, where a next
// question finds those that were touched by their key. The same rows: which of the two a question reads makes
// no difference but in time, so none waits for it, and what cuts touch meanwhile lies in other tables.
//
// One experiment at a time, one thread of the server, and no part is begun while a question about the
// experiment is being answered or waits to be. When the units were made anew meanwhile, or dropped, what is
// there of the copy goes. After a failure, which is logged, they stay as they are until they are made anew.
//
// Threads: one of its own, from the first begin() on; begin() and stop() any. stop() waits for the part that
// is being copied, some tenths of a second; a killed process's tables are dropped at the next start.
#pragma once

#include "clickhouse/client.h"
#include "experiments/kept_units.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace tidemark::experiments {

// Whoever asks for them, or drops them, holds `asking`.
struct AskedUnits {
  AskedUnits(std::set<std::string> watched, uint64_t units_a_slice)
      : units(std::move(watched), units_a_slice) {}
  std::mutex asking;
  KeptUnits units;
  int64_t asked_us = 0;
};

// What the thread does. `go_on` is asked before each part, while nobody is asking. False: it was left, or
// there was nothing to sort.
Result<bool> sort_units(clickhouse::Client& client, AskedUnits& asked, const std::function<bool()>& go_on);

class UnitsSorter {
 public:
  UnitsSorter() = default;
  UnitsSorter(const UnitsSorter&) = delete;
  UnitsSorter& operator=(const UnitsSorter&) = delete;
  ~UnitsSorter();

  // Once for units that wait already. Nothing after stop().
  void begin(const clickhouse::Endpoint& endpoint, const std::string& experiment,
             std::shared_ptr<AskedUnits> asked);
  void stop();

 private:
  struct Waiting {
    clickhouse::Endpoint endpoint;
    std::string experiment;
    std::shared_ptr<AskedUnits> asked;
  };
  void work();
  void sort(const Waiting& one);
  bool stopping();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;  // the first one is under way; as many as experiments are kept
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tidemark::experiments
