#include "cli/generator_random.h"

#include "base/invariant.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tidemark::cli {

namespace {

constexpr int64_t hour_micros = 3'600'000'000;

// Relative traffic by hour of the day, after the shape of consumer web traffic: lowest at 4, highest at 20.
constexpr std::array<double, 24> hour_weights = {0.45, 0.32, 0.24, 0.19, 0.18, 0.22, 0.36, 0.58,
                                                 0.78, 0.90, 0.97, 1.02, 1.08, 1.05, 1.02, 1.04,
                                                 1.10, 1.20, 1.34, 1.48, 1.55, 1.40, 1.08, 0.72};
constexpr double weekend_weight = 0.8;

double weight_at(int64_t micros) {
  int64_t hours = micros / hour_micros;
  int64_t weekday = (hours / 24 + 4) % 7;  // 1970-01-01 was a Thursday; 0 is Sunday
  double weight = hour_weights[static_cast<size_t>(hours % 24)];
  return weekday == 0 || weekday == 6 ? weight * weekend_weight : weight;
}

}  // namespace

uint64_t spread_bits(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

uint64_t GeneratorRandom::next() {
  state_ += 0x9e3779b97f4a7c15U;
  return spread_bits(state_);
}

uint64_t GeneratorRandom::below(uint64_t bound) {
  INVARIANT(bound > 0);
  return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

int64_t GeneratorRandom::between(int64_t low, int64_t high) {
  INVARIANT(low <= high);
  return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
}

double GeneratorRandom::unit() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

int64_t GeneratorRandom::share_of(int64_t count, double probability) {
  double expected = static_cast<double>(count) * probability;
  double whole = std::floor(expected);
  return static_cast<int64_t>(whole) + (chance(expected - whole) ? 1 : 0);
}

Zipf::Zipf(size_t count, double exponent) {
  INVARIANT(count > 0);
  cumulative_.reserve(count);
  double sum = 0;
  for (size_t rank = 1; rank <= count; ++rank) {
    sum += 1.0 / std::pow(static_cast<double>(rank), exponent);
    cumulative_.push_back(sum);
  }
}

size_t Zipf::pick(GeneratorRandom& random) const {
  double point = random.unit() * cumulative_.back();
  auto place = std::upper_bound(cumulative_.begin(), cumulative_.end(), point);
  return std::min(static_cast<size_t>(place - cumulative_.begin()), cumulative_.size() - 1);
}

DayCurve::DayCurve(int64_t from_micros, int64_t until_micros) {
  INVARIANT(from_micros >= 0 && from_micros < until_micros);
  double sum = 0;
  for (int64_t from = from_micros; from < until_micros;) {
    int64_t until = std::min(until_micros, (from / hour_micros + 1) * hour_micros);
    sum += weight_at(from) * static_cast<double>(until - from);
    slices_.push_back({sum, from, until});
    from = until;
  }
}

int64_t DayCurve::moment(double share) const {
  double point = std::clamp(share, 0.0, 1.0) * slices_.back().cumulative;
  auto slice = std::lower_bound(slices_.begin(), slices_.end(), point,
                                [](const Slice& one, double value) { return one.cumulative < value; });
  if (slice == slices_.end()) --slice;
  double before = slice == slices_.begin() ? 0 : std::prev(slice)->cumulative;
  double inside = (point - before) / (slice->cumulative - before);
  int64_t offset = static_cast<int64_t>(inside * static_cast<double>(slice->until - slice->from));
  return std::clamp(slice->from + offset, slice->from, slice->until - 1);
}

}  // namespace tidemark::cli
