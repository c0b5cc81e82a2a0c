// Bayesian reading of an effect: a normal posterior, the chance that the treatment wins, and what a wrong
// choice costs.
//
//   precision = 1/se^2 + 1/s0^2, mean = (D/se^2 + m0/s0^2) / precision     (flat prior: s0 infinite, the
//   default) chance to win = P(effect > 0), its complement where lower is better expected loss of choosing
//   the treatment E[max(-effect, 0)] = s phi(m/s) - m Phi(-m/s) expected loss of choosing the control E[max(
//   effect, 0)] = s phi(m/s) + m Phi( m/s)    (swapped where lower is better)
//
// The prior is stated on the relative scale; for an absolute effect it is rescaled with the control's
// unadjusted mean: m0 |u_C|, s0^2 u_C^2. The prior "on" of the product is N(0, 0.3^2): most effects are
// within +-30 %.
//
// Assumptions: those of the effect (its sampling distribution is normal with known se; there is no t here).
// With a flat prior interval and chance to win are the fixed-sample ones with normal quantiles, so looking
// daily and stopping when the chance passes 95 % errs as often as any peeking; a Bayesian number does not
// protect from that.
//
// Source: conjugate normal model, any textbook; conventions as gbstats.
#pragma once

#include "experiments/stats_effect.h"

#include <optional>

namespace tidemark::experiments {

struct Prior {
  double mean = 0;
  double variance = 0.09;  // 0.3^2; above 0
};

struct Loss {
  double of_control = 0;    // expected loss of choosing the control
  double of_treatment = 0;  // expected loss of choosing the treatment
};

struct Posterior {
  Reason reason = Reason::none;  // otherwise chance 1/2 and zeros
  double mean = 0;
  double deviation = 0;
  double lower = 0;  // of the equal-tailed credible interval
  double upper = 0;
  double chance_to_win = 0.5;
  Loss loss;
};

// alpha in (0, 1). Nothing as prior: flat.
Posterior bayesian_reading(const Effect& effect, double alpha, const std::optional<Prior>& prior,
                           bool lower_is_better = false);

// Of a normal posterior. Where the mean is more than 37 deviations from zero the rarer loss is exactly 0.
Loss expected_loss(double mean, double deviation, bool lower_is_better = false);

}  // namespace tidemark::experiments
