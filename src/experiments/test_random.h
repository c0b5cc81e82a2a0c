// Random numbers for the statistics' tests: one seed, printed by the test that fails and taken back from
// TIDEMARK_SEED. The generator and the distributions are spelt out, so that a seed means the same everywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

namespace tidemark::experiments {

class Random {
 public:
  explicit Random(uint64_t stream = 0)
      : trace_(__FILE__, __LINE__, "TIDEMARK_SEED=" + std::to_string(seed())) {
    state_ = seed() * 0x9e3779b97f4a7c15ULL + stream;
  }
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;

  uint64_t bits() {  // splitmix64
    uint64_t mixed = state_ += 0x9e3779b97f4a7c15ULL;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }  // [0, 1)
  bool chance(double probability) { return uniform() < probability; }
  double exponential(double mean) { return -mean * std::log1p(-uniform()); }
  double normal() {  // polar method, one of the two thrown away
    while (true) {
      double x = 2 * uniform() - 1;
      double y = 2 * uniform() - 1;
      double square = x * x + y * y;
      if (square > 0 && square < 1) return x * std::sqrt(-2 * std::log(square) / square);
    }
  }

 private:
  static uint64_t seed() {
    const char* given = std::getenv("TIDEMARK_SEED");
    return given == nullptr ? 20261121 : std::strtoull(given, nullptr, 10);
  }

  uint64_t state_ = 0;
  testing::ScopedTrace trace_;
};

}  // namespace tidemark::experiments
