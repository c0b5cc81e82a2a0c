// Counts of values in buckets that grow by a quarter of a power of two: quantiles within 19 % from 1 to 2^40,
// in 1.3 kB. For latencies in microseconds. Thread-safe, lock-free; quantiles are of all values since the
// last reset.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace tidemark {

class Histogram {
 public:
  void add(uint64_t value, uint64_t count = 1);
  uint64_t count() const;
  uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  // The upper bound of the bucket that holds quantile q (0..1) of the values; 0 when there are none.
  uint64_t quantile(double q) const;
  void reset();

  static constexpr size_t buckets = 164;
  static size_t bucket_of(uint64_t value);
  static uint64_t upper_bound(size_t bucket);
  uint64_t count_in(size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, buckets> counts_{};
  std::atomic<uint64_t> sum_{0};
};

}  // namespace tidemark
