#include "experiments/stats_bayesian.h"

#include "experiments/stats_distributions.h"

#include <cmath>
#include <utility>

namespace tidemark::experiments {
namespace {

// Beyond, the density is below the smallest double.
constexpr double certain_deviations = 37;

}  // namespace

Loss expected_loss(double mean, double deviation, bool lower_is_better) {
  Loss loss;
  double z = mean / deviation;
  if (std::abs(z) > certain_deviations) {
    loss.of_control = std::max(mean, 0.0);
    loss.of_treatment = std::max(-mean, 0.0);
  } else {
    double shared = deviation * normal_density(z);
    loss.of_control = std::max(0.0, shared + mean * normal_cumulative(z));
    loss.of_treatment = std::max(0.0, shared - mean * normal_survival(z));
  }
  if (lower_is_better) std::swap(loss.of_control, loss.of_treatment);
  return loss;
}

Posterior bayesian_reading(const Effect& effect, double alpha, const std::optional<Prior>& prior,
                           bool lower_is_better) {
  Posterior posterior;
  posterior.reason = effect.reason;
  if (effect.reason != Reason::none) return posterior;
  posterior.mean = effect.estimate;
  posterior.deviation = effect.standard_error;
  if (prior) {
    bool absolute = effect.difference == Difference::absolute;
    double scale = absolute ? std::abs(effect.control_mean) : 1;
    if (scale == 0) {
      posterior = {};
      posterior.reason = Reason::control_mean_zero;
      return posterior;
    }
    double prior_precision = 1 / (prior->variance * scale * scale);
    double precision = 1 / (effect.standard_error * effect.standard_error);
    posterior.mean =
        (effect.estimate * precision + prior->mean * scale * prior_precision) / (precision + prior_precision);
    posterior.deviation = 1 / std::sqrt(precision + prior_precision);
  }
  double half = -normal_quantile(alpha / 2) * posterior.deviation;
  posterior.lower = posterior.mean - half;
  posterior.upper = posterior.mean + half;
  double z = posterior.mean / posterior.deviation;
  posterior.chance_to_win = lower_is_better ? normal_survival(z) : normal_cumulative(z);
  posterior.loss = expected_loss(posterior.mean, posterior.deviation, lower_is_better);
  return posterior;
}

}  // namespace tidemark::experiments
