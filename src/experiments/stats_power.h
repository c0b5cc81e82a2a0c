// How many units an experiment needs, what it can find, and how far it has come.
//
//   power(d) = Phi(d/se - z) + Phi(-d/se - z),  z = z(1 - alpha/2), se of the effect d with the plan's units
//   smallest effect found with the wished power (relative): with k = z(1 - alpha/2) + z(power), s^2 = v/n per
//   arm, solve
//     (1 - k^2 s^2/m^2) x^2 - 2 m x + (m^2 - k^2 s^2) = 0 for the treatment's mean x, which is
//     (q + sqrt(q (2 - q))) / (1 - q) with q = k^2 s^2/m^2; none when q >= 1. It leaves out the tail on the
//     wrong side
//   sequential: the plan's v times (multiplier(n of both arms) / z)^2, multiplier as in stats_sequential.h:
//   as if the
//     sequence's width came from noisier units. One look is assumed. Against that look's exact chance
//     Phi(d/se - multiplier) this is too careful where it matters (above one half) and too bold below; an
//     experiment that is looked at many times finds more. While it runs (`remaining`) the exact form is used
//   Bayesian: the chance that the credible interval leaves out zero when the true effect is d,
//     1 - Phi((A - B - d)/se) + Phi((-A - B - d)/se),  A = se^2 sqrt(1/s0^2 + 1/se^2) z, B = se^2 m0/s0^2.
//     Not monotonous in d (se grows with it), so the smallest effect is looked for from 0 upwards
//
// Assumptions: arms of equal size with equal variance (a proportion's too: that of the baseline), normal
// means, effects relative to a baseline away from zero, no CUPED (which needs fewer units: multiply the
// variance by 1 - correlation^2).
//
// Sources: textbook power of a z-test with the delta method's standard error; conventions as GrowthBook's
// power calculator; sample sizes for absolute differences as in Fleiss 1981 (unequal variances under the
// alternative).
#pragma once

#include "experiments/stats_bayesian.h"

#include <cstdint>

namespace tidemark::experiments {

struct Plan {
  double mean = 0;      // of the baseline, not 0
  double variance = 0;  // of one unit, above 0
  double units_per_arm = 0;
  double alpha = 0.05;
  std::optional<double> tuning;  // sequential
  std::optional<Prior> prior;    // Bayesian; the tuning does not matter then
};

// Chance to find a relative effect.
double power(const Plan& plan, double relative_effect);
// Smallest relative effect that is found with the wished power, or nothing when no effect is. wished > alpha.
std::optional<double> smallest_effect(const Plan& plan, double wished_power);

// Units of all arms for an absolute effect; arms are of equal size, two are compared.
double sample_size_mean(double absolute_effect, double variance, double alpha, double wished_power, int arms);
double sample_size_proportion(double baseline, double absolute_effect, double alpha, double wished_power,
                              int arms);

// While the experiment runs. `goals` goals all have to be found (each needs power^(1/goals)); `tests`
// comparisons share alpha (Bonferroni).
struct Target {
  double power = 0.8;
  double effect = 0.01;  // on the effect's scale; its sign does not matter
  double alpha = 0.05;
  int goals = 1;
  int tests = 1;
  std::optional<double> tuning;
  std::optional<Prior> prior;
};

struct Remaining {
  double power_now = 0;
  // How many times the units there are have to come again; 0: there are enough. Nothing: not within 2^27
  // times.
  std::optional<double> scaling_factor;
  double power_then = 0;
};

// effect.reason must be none.
Remaining remaining(const Effect& effect, const Target& target);

// From the factor above, the units there are and how many come a day. Nothing when none come.
std::optional<double> days_left(const Remaining& remaining, int64_t units, double units_per_day);

}  // namespace tidemark::experiments
