// Intervals and p-values that may be looked at as often as one likes: an asymptotic confidence sequence. With
// probability 1 - alpha it covers the true effect at all looks together, so the experiment may be stopped
// whenever the interval leaves zero. The price: wider than a fixed-sample interval, by 55 % at the sample
// size it is tuned for.
//
//   rho^2 = (-2 ln alpha + ln(1 - 2 ln alpha)) / N*
//   half-width = se sqrt(n) sqrt( 2 (n rho^2 + 1) / (n^2 rho^2)  ln( sqrt(n rho^2 + 1) / alpha ) ),   n = n_C
//   + n_T p = min(1, 1/e),  e = exp( rho^2 D^2 n / (2 se^2 (n rho^2 + 1)) ) / sqrt(n rho^2 + 1)
//
// N*, the tuning, is the number of units of the two arms at which the interval is narrowest. It must be fixed
// when the experiment starts: choosing it later is peeking by another name. GrowthBook uses 5,000, Eppo
// 10,000 (its r is 1/rho^2), the mixture SPRT with prior variance tau^2 is the same kernel with rho^2 = tau^2
// / variance of one observation: tuning_of_mixture.
//
// One side: rho^2 from 2 alpha; half-width = se sqrt(n) sqrt( 2 (n rho^2 + 1) / (n rho)^2 ln(1 + sqrt(n rho^2
// + 1) / (2 alpha)) ). Its p has no closed form: the alpha at which the bound reaches zero with rho fixed,
// looked for in [one_sided_p_min, one_sided_p_max] and reported as these ends outside.
//
// Assumptions: those of the effect, and enough units at the first look that the variance is known well (some
// hundred; at tiny n the sequence is not yet asymptotic and errs more often). Units arrive independently of
// their values. Measured by simulation in stats_simulation_test.cc.
//
// Sources: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021 "Time-uniform central limit theory and
// asymptotic confidence sequences"; Johari, Pekelis, Walsh 2015 for the mixture SPRT.
#pragma once

#include "experiments/stats_fixed_sample.h"

namespace tidemark::experiments {

constexpr double default_tuning = 5000;
constexpr double one_sided_p_min = 1e-5;
constexpr double one_sided_p_max = 0.4999;

// alpha in (0, 1), tuning > 0
double sequential_rho_squared(double alpha, double tuning);
// Half-width of the two-sided interval divided by the standard error, after `units` > 0 of both arms.
double sequential_multiplier(double units, double alpha, double tuning);
// The tuning at which this is the mixture SPRT with prior variance `mixture_variance` of the effect, where
// one observation of the difference has variance `observation_variance`.
double tuning_of_mixture(double alpha, double mixture_variance, double observation_variance);

// alpha in (0, 1), for one side in (0, 1/2)
TestResult sequential_test(const Effect& effect, double alpha, double tuning = default_tuning,
                           Side side = Side::two);

// Sequential until `planned_units` of both arms are in, then the fixed test: early stopping for large
// effects, the full power of the plan at its end. The two chances to err add up, so each gets half of alpha.
TestResult hybrid_test(const Effect& effect, double alpha, double tuning, int64_t planned_units);

}  // namespace tidemark::experiments
