#include "base/histogram.h"

#include <bit>

namespace tidemark {

size_t Histogram::bucket_of(uint64_t value) {
  if (value < 4) return value;
  int exponent = 63 - std::countl_zero(value);     // >= 2
  size_t quarter = (value >> (exponent - 2)) & 3;  // the two bits below the leading one
  size_t bucket = static_cast<size_t>(exponent - 1) * 4 + quarter;
  return bucket < buckets ? bucket : buckets - 1;
}

uint64_t Histogram::upper_bound(size_t bucket) {
  if (bucket < 4) return bucket;
  size_t exponent = bucket / 4 + 1;
  uint64_t quarter = bucket % 4;
  return ((5 + quarter) << (exponent - 2)) - 1;
}

void Histogram::add(uint64_t value, uint64_t count) {
  counts_[bucket_of(value)].fetch_add(count, std::memory_order_relaxed);
  sum_.fetch_add(value * count, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (const auto& bucket : counts_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

uint64_t Histogram::quantile(double q) const {
  uint64_t total = count();
  if (total == 0) return 0;
  auto rank = static_cast<uint64_t>(q * static_cast<double>(total - 1)) + 1;
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    seen += count_in(bucket);
    if (seen >= rank) return upper_bound(bucket);
  }
  return upper_bound(buckets - 1);
}

void Histogram::reset() {
  for (auto& bucket : counts_) bucket.store(0, std::memory_order_relaxed);
  sum_.store(0, std::memory_order_relaxed);
}

}  // namespace tidemark
