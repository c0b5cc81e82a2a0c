// A few threads that send parts: the parts of one table by one thread and in order, different tables side by
// side. Lives for one cut. A part that fails ends all: the rest is not sent, finish() returns the error.
// Threads: submit and finish from one thread. Queues are bounded by the cut they come from (Cut::push) and
// limits::lane_parts_max.
#pragma once

#include "base/error.h"
#include "ingest/part.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tidemark::ingest {

class LaneWorkers {
 public:
  LaneWorkers(size_t workers, std::function<Status(Part&)> send);
  ~LaneWorkers();
  LaneWorkers(const LaneWorkers&) = delete;
  LaneWorkers& operator=(const LaneWorkers&) = delete;

  // False when a part has failed already. Waits while the part's worker has limits::lane_parts_max waiting.
  bool submit(std::unique_ptr<Part> part);
  // All sent, or the first error.
  Status finish();

 private:
  struct Worker {
    std::deque<std::unique_ptr<Part>> parts;
    std::thread thread;
  };
  void run(Worker& worker);
  Status send(Part& part);

  std::function<Status(Part&)> send_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<const CapturedTable*, Worker*> lanes_;
  size_t next_worker_ = 0;
  bool finishing_ = false;
  std::optional<Error> error_;
};

}  // namespace tidemark::ingest
