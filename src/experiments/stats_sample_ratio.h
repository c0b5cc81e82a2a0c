// Sample-ratio mismatch: did the arms get the units they should have? If not, assignment or logging is broken
// and no other number of the experiment means anything.
//
//   expected e_i = w_i / sum(w) * N,  chi^2 = sum (o_i - e_i)^2 / e_i,  degrees of freedom = arms kept - 1
//
// Arms with weight 0 are dropped, also from the degrees of freedom; arms with weight and no units stay: that
// is the worst mismatch there is. No units at all, or fewer than two arms: p = 1.
//
// The alarm is at p < 0.001, low because the test is looked at all the time. That still is peeking; the
// second test below may be looked at after every unit:
//   e = [ G(sum a) / G(sum a + N) prod G(a_i + o_i) / G(a_i) ] / prod theta_i^o_i,   p = min(1, 1/e)
// with theta the intended shares and a Dirichlet prior a = theta * strength. P(p ever < alpha) <= alpha.
//
// Assumption: units are assigned independently with fixed weights. Changed the weights midway: test each
// period alone.
//
// Sources: Pearson 1900; Fabijan et al. 2019 "Diagnosing Sample Ratio Mismatch"; Lindon and Malek 2020
// "Anytime-Valid Inference for Multinomial Count Data".
#pragma once

#include <cstdint>
#include <vector>

namespace tidemark::experiments {

constexpr double sample_ratio_alarm = 0.001;

struct SampleRatio {
  double chi_square = 0;
  int degrees_of_freedom = 0;
  double p_value = 1;
  double always_valid_p_value = 1;  // at this look; the smallest of all looks is valid too
  bool alarm() const { return p_value < sample_ratio_alarm; }
};

// `observed` units and intended `weights` (>= 0, any scale) by arm. Weights beyond the observed arms are not
// looked at. weights.size() >= observed.size().
SampleRatio sample_ratio(const std::vector<int64_t>& observed, const std::vector<double>& weights);

// Units that saw two variants. Some are normal (shared devices); many mean the assignment does not stick.
constexpr int64_t multiple_exposure_units_min = 10;
constexpr double multiple_exposure_share_min = 0.01;
bool multiple_exposure_alarm(int64_t multiple_units, int64_t all_units);

}  // namespace tidemark::experiments
