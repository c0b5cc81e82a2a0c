// Randomness for the generators of the packs: the same seed gives the same data on every machine, which the
// distributions of <random> do not promise. Also the two shapes real traffic has: few things get most of it
// (Zipf), and it follows the clock (DayCurve).
//
// Values only, no I/O; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidemark::cli {

// SplitMix64 (Steele, Lea, Flood 2014): passes BigCrush, one multiplication chain a number.
class GeneratorRandom {
 public:
  explicit GeneratorRandom(uint64_t seed) : state_(seed) {}

  uint64_t next();
  uint64_t below(uint64_t bound);              // 0 .. bound - 1; precondition: bound > 0
  int64_t between(int64_t low, int64_t high);  // both included
  double unit();                               // [0, 1)
  bool chance(double probability) { return unit() < probability; }
  // How many of `count` things happen at `probability` each, to the nearest whole with a fair remainder:
  // enough for a realistic number of clicks, without drawing once a row.
  int64_t share_of(int64_t count, double probability);

 private:
  uint64_t state_;
};

// Mixes a number into 64 well spread bits; for properties that belong to an id and not to a moment.
uint64_t spread_bits(uint64_t value);

// Index i of n is drawn with weight 1 / (i + 1)^exponent.
class Zipf {
 public:
  Zipf(size_t count, double exponent);
  size_t pick(GeneratorRandom& random) const;
  size_t size() const { return cumulative_.size(); }

 private:
  std::vector<double> cumulative_;
};

// Maps a share of a period's traffic to the moment by which that share has happened: quiet nights, busy
// evenings, weaker weekends. Hours are UTC.
class DayCurve {
 public:
  // Microseconds since 1970; precondition: from < until.
  DayCurve(int64_t from_micros, int64_t until_micros);
  int64_t moment(double share) const;

 private:
  struct Slice {
    double cumulative;  // traffic up to its end
    int64_t from;
    int64_t until;
  };
  std::vector<Slice> slices_;
};

}  // namespace tidemark::cli
