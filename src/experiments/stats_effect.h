// The effect of a treatment against the control, and its standard error: what every kind of interval starts
// from.
//
//   absolute  D = m_T - m_C                se^2 = s_T^2/n_T + s_C^2/n_C
//   relative  D = (m_T - m_C) / |u_C|      se^2 = s_T^2/(n_T u_C^2) + s_C^2 u_T^2/(n_C u_C^4)     (delta
//   method)
//
// m: mean, adjusted where CUPED is on; u: unadjusted mean. The relative effect divides by the magnitude, so
// that -10 to -5 is +0.5 and its sign is that of the absolute effect. With CUPED the control's part after
// exposure alone is scaled by u_T/u_C: [s_Y^2 (u_T/u_C)^2 - 2 theta c_XY u_T/u_C + theta^2 s_X^2] / (n_C
// u_C^2).
//
// Degrees of freedom: Welch and Satterthwaite, from the absolute s^2/n of both arms, for relative effects
// too:
//   (a + b)^2 / (a^2/(n_T-1) + b^2/(n_C-1)),  a = s_T^2/n_T, b = s_C^2/n_C.
//
// Assumptions: arms independent, units independent of each other, means near normal (n in the hundreds; more
// for heavy tails), control mean away from zero for relative effects: when |u_C| is below some four of its
// own standard errors the delta method's interval is too narrow, and `base_is_unsure` says so.
//
// Sources: Welch 1947; delta method as in Deng, Knoblich, Lu 2018 "Applying the Delta Method in Metric
// Analytics".
#pragma once

#include "experiments/stats_sums.h"

namespace tidemark::experiments {

enum class Difference { absolute, relative };

struct Effect {
  Reason reason = Reason::none;  // otherwise all numbers are 0
  Difference difference = Difference::relative;
  double estimate = 0;
  double standard_error = 0;
  double degrees_of_freedom = 0;
  int64_t units = 0;        // of both arms
  double control_mean = 0;  // unadjusted
  bool base_is_unsure = false;
};

Effect effect_of(const PairMoments& pair, Difference difference);

// An arm as it is planned or summed up elsewhere: units may be a fraction (a third of a week's users).
struct PlannedArm {
  double mean = 0;
  double variance = 0;  // of one unit
  double units = 0;
};

// The standard error squared of such a pair, without CUPED. control.mean must not be 0 for relative
// differences.
double effect_variance(const PlannedArm& control, const PlannedArm& treatment, Difference difference);

}  // namespace tidemark::experiments
