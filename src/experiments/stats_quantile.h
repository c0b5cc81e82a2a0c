// Quantile metrics (median basket, 90th percentile of latency). They are not sums: the warehouse gives three
// sample quantiles per arm, at the level and at two levels around it whose distance is the order-statistic
// interval.
//
//   levels  nu -+ z sqrt(nu (1 - nu) / n*)        z = 1.96 whatever alpha is: it cancels
//   variance of one observation  (n*/n) (n - 1) ((q_upper - q_lower) / (2 z))^2
//
// n* is the number of observations the levels were made for. It may be smaller than n: the levels must be in
// the query before n is known, so they are prepared for n* = 100, 200, 400 ... and the largest n* <= n is
// used; a quantile's variance goes with 1/n, which the factor n*/n corrects.
//
// When many observations come from one user (latency of events), they are not independent: `clusters`
// corrects by the ratio of the variance of the share below the quantile, with users as clusters, to nu (1 -
// nu) / n.
//
// Assumptions: n above z^2 nu/(1-nu) and its mirror (else the levels leave the sample: reason
// too_few_for_quantile); a density around the quantile. Heavy ties (a median of zeros) give no variance; from
// 100 observations on it is taken to be at least variance_min, below 1,000 such an arm is not judged at all.
//
// Source: order-statistic interval, e.g. Deng, Knoblich, Lu 2018, section 4; floors as gbstats.
#pragma once

#include "experiments/stats_sums.h"

#include <optional>

namespace tidemark::experiments {

// Sums over users: how many of a user's observations are below the quantile, and how many observations there
// are.
struct QuantileClusters {
  int64_t users = 0;
  double below_sum = 0;
  double below_sum_squares = 0;
  double count_sum = 0;
  double count_sum_squares = 0;
  double below_count_sum_products = 0;
};

struct QuantileArm {
  int64_t observations = 0;
  int64_t levels_for = 0;  // n*
  double level = 0.5;      // nu, in (0, 1)
  double quantile = 0;
  double lower = 0;
  double upper = 0;
  std::optional<QuantileClusters> clusters;
};

struct QuantileLevels {
  double lower = 0;
  double upper = 0;
};
// What to ask the warehouse for. Nothing when they would leave (0, 1).
std::optional<QuantileLevels> quantile_levels(double level, int64_t observations);

PairMoments quantile_moments(const QuantileArm& control, const QuantileArm& treatment);

}  // namespace tidemark::experiments
