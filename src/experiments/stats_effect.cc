#include "experiments/stats_effect.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

constexpr double sure_base_errors = 4;

double of_mean(const ArmMoments& arm) {
  return arm.variance / static_cast<double>(arm.units);
}

double welch_degrees(const PairMoments& pair) {
  double treatment = of_mean(pair.treatment);
  double control = of_mean(pair.control);
  // As shares of their sum: squares of tiny variances would vanish.
  double share = treatment / (treatment + control);
  return 1 / (share * share / static_cast<double>(pair.treatment.units - 1) +
              (1 - share) * (1 - share) / static_cast<double>(pair.control.units - 1));
}

}  // namespace

Effect effect_of(const PairMoments& pair, Difference difference) {
  Effect effect;
  effect.difference = difference;
  effect.reason = pair.reason;
  effect.units = pair.control.units + pair.treatment.units;
  effect.control_mean = pair.control.unadjusted_mean;
  double base = pair.control.unadjusted_mean;
  if (effect.reason == Reason::none && difference == Difference::relative && base == 0)
    effect.reason = Reason::control_mean_zero;
  if (effect.reason != Reason::none) return effect;
  double change = pair.treatment.mean - pair.control.mean;
  double squared = 0;
  if (difference == Difference::absolute) {
    effect.estimate = change;
    squared = of_mean(pair.treatment) + of_mean(pair.control);
  } else {
    effect.estimate = change / std::abs(base);
    squared = of_mean(pair.treatment) / (base * base) +
              pair.control_relative_variance / (static_cast<double>(pair.control.units) * base * base);
    effect.base_is_unsure = std::abs(base) < sure_base_errors * std::sqrt(of_mean(pair.control));
  }
  effect.standard_error = std::sqrt(squared);
  effect.degrees_of_freedom = welch_degrees(pair);
  bool finite = std::isfinite(effect.estimate) && std::isfinite(effect.standard_error);
  if (!finite || !(squared > 0)) {
    effect.reason = finite ? Reason::zero_or_negative_variance : Reason::out_of_range;
    effect.estimate = effect.standard_error = effect.degrees_of_freedom = 0;
  }
  return effect;
}

double effect_variance(const PlannedArm& control, const PlannedArm& treatment, Difference difference) {
  double of_control = control.variance / control.units;
  double of_treatment = treatment.variance / treatment.units;
  if (difference == Difference::absolute) return of_treatment + of_control;
  double base = control.mean * control.mean;
  return of_treatment / base + of_control * treatment.mean * treatment.mean / (base * base);
}

}  // namespace tidemark::experiments
