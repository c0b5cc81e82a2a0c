// The two clocks: wall time for people and records, monotonic time for durations. A seam: production passes
// system_clock(), tests pass a ManualClock. Versions and ordering never come from either.
#pragma once

#include <atomic>
#include <cstdint>

namespace tidemark {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_micros() const = 0;       // since 1970-01-01 UTC
  virtual int64_t monotonic_micros() const = 0;  // since some fixed point
};

const Clock& system_clock();

class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t wall_micros = 0) : now_(wall_micros) {}
  int64_t wall_micros() const override { return now_; }
  int64_t monotonic_micros() const override { return now_; }
  void advance(int64_t micros) { now_ += micros; }

 private:
  std::atomic<int64_t> now_;
};

}  // namespace tidemark
