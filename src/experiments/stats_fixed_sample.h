// Fixed-sample tests of an effect: the answer of one look at a planned moment.
//
//   two-sided     p = 2 (1 - F_t(|D/se|, v)),  interval D -+ t(1 - alpha/2, v) se
//   greater       p = 1 - F_t(D/se, v),        interval [D - t(1 - alpha, v) se, infinity)
//   less          p = F_t(D/se, v),            interval (-infinity, D + t(1 - alpha, v) se]
//
// with Welch's degrees of freedom v (stats_effect.h). Assumption that is broken most often: one look. Who
// looks daily and stops when p < alpha is wrong far more often than alpha; stats_sequential.h is for that.
//
// A neutral result (reason set) has estimate 0, interval 0..0 and p 1.
//
// Sources: Welch 1947. The pooled test of two proportions is Pearson's chi-square without continuity
// correction.
#pragma once

#include "experiments/stats_effect.h"

namespace tidemark::experiments {

enum class Side { two, greater, less };

struct TestResult {
  Reason reason = Reason::none;
  double estimate = 0;
  double standard_error = 0;
  double lower = 0;  // -infinity for Side::less
  double upper = 0;  // +infinity for Side::greater
  double p_value = 1;
};

// alpha in (0, 1)
TestResult welch_test(const Effect& effect, double alpha, Side side = Side::two);

// Absolute difference of two proportions: p from the pooled standard error (the hypothesis says they are
// one), interval from the unpooled one and the normal quantile. At odds with each other right at the border;
// offered because many expect it. Arms as ArmSums with 0/1 values.
TestResult two_proportion_test(const ArmSums& control, const ArmSums& treatment, double alpha);

}  // namespace tidemark::experiments
