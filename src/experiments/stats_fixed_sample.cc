#include "experiments/stats_fixed_sample.h"

#include "experiments/stats_distributions.h"

#include <cmath>
#include <limits>

namespace tidemark::experiments {

constexpr double infinity = std::numeric_limits<double>::infinity();

TestResult welch_test(const Effect& effect, double alpha, Side side) {
  TestResult result;
  result.reason = effect.reason;
  if (effect.reason != Reason::none) return result;
  double degrees = effect.degrees_of_freedom;
  double t = effect.estimate / effect.standard_error;
  double tail = side == Side::two ? alpha / 2 : alpha;
  double half = -student_quantile(tail, degrees) * effect.standard_error;
  result.estimate = effect.estimate;
  result.standard_error = effect.standard_error;
  result.lower = side == Side::less ? -infinity : effect.estimate - half;
  result.upper = side == Side::greater ? infinity : effect.estimate + half;
  switch (side) {
    case Side::two:
      result.p_value = std::min(1.0, 2 * student_survival(std::abs(t), degrees));
      break;
    case Side::greater:
      result.p_value = student_survival(t, degrees);
      break;
    case Side::less:
      result.p_value = student_cumulative(t, degrees);
      break;
  }
  return result;
}

TestResult two_proportion_test(const ArmSums& control, const ArmSums& treatment, double alpha) {
  TestResult result;
  Effect effect = effect_of(pair_moments(control, treatment, MetricShape::proportion), Difference::absolute);
  result.reason = effect.reason;
  if (effect.reason != Reason::none) return result;
  double share = (control.sum[value] + treatment.sum[value]) / static_cast<double>(effect.units);
  double pooled =
      std::sqrt(share * (1 - share) *
                (1 / static_cast<double>(control.units) + 1 / static_cast<double>(treatment.units)));
  double half = -normal_quantile(alpha / 2) * effect.standard_error;
  result.estimate = effect.estimate;
  result.standard_error = effect.standard_error;
  result.lower = effect.estimate - half;
  result.upper = effect.estimate + half;
  result.p_value = std::min(1.0, 2 * normal_survival(std::abs(effect.estimate) / pooled));
  return result;
}

}  // namespace tidemark::experiments
