// What the statistics know of one arm: sums over its units. Everything else - means, variances, effects,
// intervals - is made of these, so that ClickHouse adds up and not one row of a unit comes here.
//
// An arm has up to four variables per unit: the metric's value, the denominator of a ratio metric, and both
// of them in the time before the experiment (for CUPED). Kept are the number of units, each variable's sum,
// and the sum of each product of two. These are additive: the sums of two shards, added, are the sums of both
// (operator+=).
//
// A unit's value is its total over the window. The variance needs each unit's total squared, so it cannot
// come from hourly sums.
//
// Numerics. The centred sum Q - S^2/n loses digits when the mean is large against the spread: with values
// around 1e6 +- 1 it keeps 4 of 16. Shift such a metric by a constant in the query (absolute effects do not
// change). What is left below rounding_floor of the uncentred sum is taken for rounding and counts as no
// variance: a metric that is the same for every unit must not become "significant" through the 17th digit.
//
// Sources: sample moments as in every textbook; which denominator (n - 1, or n for proportions) follows
// GrowthBook's gbstats, whose published test vectors are the acceptance test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace tidemark::experiments {

// Of the uncentred sum. n roundings of 1.1e-16 each grow like their square root: 1e-12 is reached past 10^8
// units.
constexpr double rounding_floor = 1e-12;

enum Variable : int { value = 0, denominator = 1, value_before = 2, denominator_before = 3 };
constexpr int variables = 4;

struct ArmSums {
  int64_t units = 0;
  std::array<double, variables> sum{};
  std::array<std::array<double, variables>, variables>
      products{};  // symmetric; the diagonal: sums of squares

  ArmSums& operator+=(const ArmSums& other);
  // For tests and small inputs: one more unit with these values.
  void add_unit(const std::array<double, variables>& values);

  // 0 without units.
  double mean(Variable variable) const;
};

ArmSums operator+(ArmSums left, const ArmSums& right);

enum class MetricShape {
  mean,                 // value; counts and revenue per unit too
  proportion,           // value is 0 or 1: variance m(1-m), without n-1
  ratio,                // sum of values / sum of denominators
  mean_adjusted,        // mean with CUPED
  proportion_adjusted,  // both times 0 or 1
  ratio_adjusted,       // ratio with CUPED
};

bool is_ratio(MetricShape shape);
bool is_adjusted(MetricShape shape);

// Sample covariance of two variables of an arm: denominator n-1, or n when both are 0 or 1. 0 for fewer than
// two units.
double covariance(const ArmSums& arm, Variable left, Variable right, bool binary);

// Why a result is neutral (estimate 0, p 1, chance 1/2) instead of a number. In the order they are looked
// for.
enum class Reason {
  none,
  no_units,                   // an arm is empty
  too_few_units,              // one unit has no variance
  denominator_zero,           // of a ratio
  zero_or_negative_variance,  // all units alike; or the sums contradict each other (sum_squares < sum^2/n)
  control_mean_zero,          // a relative effect has no base
  too_few_for_quantile,       // the interval of the quantile would leave the sample
  out_of_range,               // the sums are so large that squares overflow
};
const char* name(Reason reason);

// One arm, ready to be compared.
struct ArmMoments {
  int64_t units = 0;
  double mean = 0;             // adjusted by CUPED where that is on
  double unadjusted_mean = 0;  // what people see, and what relative effects are relative to
  double variance = 0;         // of one unit's (adjusted, linearised) value; the mean's is variance / units
};

struct PairMoments {
  Reason reason = Reason::none;
  ArmMoments control;
  ArmMoments treatment;
  double theta = 0;  // CUPED's coefficient; 0: not adjusted
  // The control's variance per unit inside a relative effect, times control mean^2: see stats_effect.h.
  double control_relative_variance = 0;
};

// CUPED's coefficient (Deng, Xu, Kohavi, Walker 2013), estimated over both arms of the pair together.
//   mean:  theta = cov(Y, X) / var(X) of the joint sample; 0 when either has no variance
//   ratio: theta minimises the variance of R_after - theta R_before with both linearised (delta method):
//          sum over arms of the covariance of the two / sum over arms of the variance of the latter; below
//          1e-8: 0
// Assumption: X is from before the exposure, so the treatment cannot have moved it.
double cuped_theta(const ArmSums& control, const ArmSums& treatment, MetricShape shape);

// Means and variances of a pair, CUPED with the theta above (or the one given).
//   ratio R = sum M / sum D, variance by the delta method: s_M^2/d^2 + s_D^2 m^2/d^4 - 2 c_MD m/d^3
//   CUPED: m_adjusted = y - theta x, variance s_Y^2 + theta^2 s_X^2 - 2 theta c_XY
// Assumption of ratios: units are the unit of randomisation, and there are enough of them (some hundred) for
// the linearisation.
PairMoments pair_moments(const ArmSums& control, const ArmSums& treatment, MetricShape shape,
                         std::optional<double> theta = std::nullopt);

}  // namespace tidemark::experiments
