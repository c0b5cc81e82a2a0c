#include "experiments/stats_power.h"

#include "experiments/stats_distributions.h"
#include "experiments/stats_sequential.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

constexpr double scaling_factor_max = 134'217'728;  // 2^27: no experiment gets that many times its units

// The Bayesian power's slope by the effect is below 0.8, so between two points of the coarse grid it cannot
// rise by more than 0.4 of their distance; the fine grid is what the answer is rounded to.
constexpr double effect_max = 5;
constexpr int coarse_steps = 5000;
constexpr int fine_steps = 100;
constexpr double slope_bound = 0.4;

double two_sided(double effect, double error, double half_width) {
  return normal_survival((half_width - effect) / error) + normal_cumulative((-half_width - effect) / error);
}

double bayesian_power(double effect, double error_squared, double z, const Prior& prior) {
  double error = std::sqrt(error_squared);
  double needed = error_squared * std::sqrt(1 / prior.variance + 1 / error_squared) * z;
  double given = error_squared * prior.mean / prior.variance;
  return normal_survival((needed - given - effect) / error) +
         normal_cumulative((-needed - given - effect) / error);
}

double variance_factor(const Plan& plan, double z) {
  if (!plan.tuning) return 1;
  double wider = sequential_multiplier(2 * plan.units_per_arm, plan.alpha, *plan.tuning) / z;
  return wider * wider;
}

double planned_variance(const Plan& plan, double relative_effect) {
  PlannedArm control{plan.mean, plan.variance, plan.units_per_arm};
  PlannedArm treatment = control;
  treatment.mean += relative_effect * std::abs(plan.mean);
  return effect_variance(control, treatment, Difference::relative);
}

std::optional<double> smallest_bayesian_effect(const Plan& plan, double wished_power) {
  constexpr double coarse = effect_max / coarse_steps;
  constexpr double fine = coarse / fine_steps;
  for (int step = 0; step <= coarse_steps; ++step) {
    if (power(plan, step * coarse) < wished_power - slope_bound * coarse) continue;
    for (int part = step == 0 ? 0 : 1 - fine_steps; part <= 0; ++part) {
      double effect = step * coarse + part * fine;
      if (power(plan, effect) >= wished_power) return effect;
    }
  }
  return std::nullopt;
}

double power_after(const Effect& effect, const Target& target, double factor) {
  double alpha = target.alpha / target.tests;
  double z = -normal_quantile(alpha / 2);
  double error_squared = effect.standard_error * effect.standard_error / (1 + factor);
  double wished = std::abs(target.effect);
  if (target.prior) return bayesian_power(wished, error_squared, z, *target.prior);
  double error = std::sqrt(error_squared);
  double multiplier = target.tuning ? sequential_multiplier(static_cast<double>(effect.units) * (1 + factor),
                                                            alpha, *target.tuning)
                                    : z;
  return two_sided(wished, error, multiplier * error);
}

}  // namespace

double power(const Plan& plan, double relative_effect) {
  double z = -normal_quantile(plan.alpha / 2);
  double error_squared = planned_variance(plan, relative_effect);
  if (plan.prior) return bayesian_power(relative_effect, error_squared, z, *plan.prior);
  double error = std::sqrt(error_squared * variance_factor(plan, z));
  return two_sided(relative_effect, error, z * error);
}

std::optional<double> smallest_effect(const Plan& plan, double wished_power) {
  if (plan.prior) return smallest_bayesian_effect(plan, wished_power);
  double z = -normal_quantile(plan.alpha / 2);
  double reach = z + normal_quantile(wished_power);
  // k^2 s^2 / m^2, the square of the wished distance in units of the mean
  double squared =
      reach * reach * plan.variance * variance_factor(plan, z) / (plan.units_per_arm * plan.mean * plan.mean);
  if (squared >= 1) return std::nullopt;
  // Towards zero, where a negative baseline's gain leads, the standard error shrinks.
  double towards = plan.mean > 0 ? squared : -squared;
  return (towards + std::sqrt(squared * (2 - squared))) / (1 - squared);
}

double sample_size_mean(double absolute_effect, double variance, double alpha, double wished_power,
                        int arms) {
  double reach = normal_quantile(wished_power) - normal_quantile(alpha / 2);
  return std::ceil(2 * variance * reach * reach / (absolute_effect * absolute_effect)) * arms;
}

double sample_size_proportion(double baseline, double absolute_effect, double alpha, double wished_power,
                              int arms) {
  double other = baseline + absolute_effect;
  double middle = (baseline + other) / 2;
  double root = -normal_quantile(alpha / 2) * std::sqrt(2 * middle * (1 - middle)) +
                normal_quantile(wished_power) * std::sqrt(baseline * (1 - baseline) + other * (1 - other));
  return std::ceil(root * root / (absolute_effect * absolute_effect)) * arms;
}

Remaining remaining(const Effect& effect, const Target& target) {
  double wished = std::pow(target.power, 1.0 / target.goals);
  auto missing = [&](double factor) { return power_after(effect, target, factor) - wished; };
  Remaining result;
  result.power_now = result.power_then = power_after(effect, target, 0);
  if (result.power_now >= wished) {
    result.scaling_factor = 0;
    return result;
  }
  double high = 1;
  while (high < scaling_factor_max && missing(high) < 0) high *= 2;
  result.scaling_factor = root_between(missing, 0, high);
  if (result.scaling_factor) result.power_then = power_after(effect, target, *result.scaling_factor);
  return result;
}

std::optional<double> days_left(const Remaining& remaining, int64_t units, double units_per_day) {
  if (!remaining.scaling_factor) return std::nullopt;
  if (*remaining.scaling_factor == 0) return 0;
  if (!(units_per_day > 0)) return std::nullopt;
  return *remaining.scaling_factor * static_cast<double>(units) / units_per_day;
}

}  // namespace tidemark::experiments
