// How fast a copy may read its source: rows a second, over everybody who takes part. Whoever has read rows
// waits until their time has passed, so the first ones are never held up. Thread-safe.
#pragma once

#include "base/clock.h"
#include "base/limits.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace tidemark::ingest {

class CopyPace {
 public:
  // 0: no bound.
  explicit CopyPace(uint64_t rows_per_second_max) : rate_(rows_per_second_max) {}

  void wait_for(uint64_t rows, const std::atomic<bool>& stop) {
    if (rate_ == 0) return;
    int64_t until = 0;
    {
      std::lock_guard lock(mutex_);
      until_ = std::max(until_, begun_) + static_cast<int64_t>(rows * 1'000'000 / rate_);
      until = until_;
    }
    while (!stop && system_clock().monotonic_micros() < until)
      std::this_thread::sleep_for(std::min<std::chrono::microseconds>(
          limits::fence_poll_every, std::chrono::microseconds(until - system_clock().monotonic_micros())));
  }

 private:
  const uint64_t rate_;
  const int64_t begun_ = system_clock().monotonic_micros();
  std::mutex mutex_;
  int64_t until_ = 0;
};

}  // namespace tidemark::ingest
