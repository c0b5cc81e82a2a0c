// Requests for a fence behind everything the brokers had at a moment.
//
// A source's position is the sum of its offsets, and a sum may be reached with one partition ahead and one
// behind. So each request remembers its places, and status shows a fence past its sum only when the cut that
// had all of them is fenced. Thread-safe.
#pragma once

#include "ingest/kafka_places.h"

#include <mutex>

namespace tidemark::ingest {

class KafkaFences {
 public:
  // The position that `fenced()` will not show before `target` is fenced.
  uint64_t ask(KafkaPlaces target) {
    std::lock_guard lock(mutex_);
    uint64_t sum = target.sum();
    // Whoever asked that long ago has given up: brokers that are away are asked again and again.
    constexpr size_t requests_max = 256;
    if (requests_.size() >= requests_max) requests_.erase(requests_.begin());
    requests_.push_back({std::move(target), sum, 0});
    return sum;
  }
  // Reader: something that is wanted is in the cut being filled.
  bool wanted(const KafkaPlaces& places) {
    std::lock_guard lock(mutex_);
    for (const auto& request : requests_)
      if (request.closed_at == 0 && places.reached(request.target)) return true;
    return false;
  }
  // Reader: a cut up to `places` is on its way to its fence.
  void closed(const KafkaPlaces& places) {
    std::lock_guard lock(mutex_);
    for (auto& request : requests_)
      if (request.closed_at == 0 && places.reached(request.target)) request.closed_at = places.sum() + 1;
  }
  // A new life begins at the fence: cuts that were on their way are read again.
  void begin() {
    std::lock_guard lock(mutex_);
    for (auto& request : requests_) request.closed_at = 0;
  }
  // What the ladder shows when the newest fence is at `fenced`.
  uint64_t shown(uint64_t fenced) {
    std::lock_guard lock(mutex_);
    std::erase_if(requests_,
                  [&](const auto& one) { return one.closed_at != 0 && fenced + 1 >= one.closed_at; });
    uint64_t shown = fenced;
    for (const auto& request : requests_)
      if (request.sum > 0) shown = std::min(shown, request.sum - 1);
    return shown;
  }

 private:
  struct Request {
    KafkaPlaces target;
    uint64_t sum = 0;
    uint64_t closed_at = 0;  // the sum of the cut that has it, plus one; 0: none yet
  };
  std::mutex mutex_;
  std::vector<Request> requests_;
};

}  // namespace tidemark::ingest
