#include "experiments/stats_stratification.h"

#include <cmath>
#include <limits>

namespace tidemark::experiments {
namespace {

int64_t units_of(const Stratum& stratum) {
  return stratum.control.units + stratum.treatment.units;
}

void merge(Stratum& into, const Stratum& from) {
  into.control += from.control;
  into.treatment += from.treatment;
}

bool is_usable(const Stratum& stratum, MetricShape shape) {
  return pair_moments(stratum.control, stratum.treatment, shape).reason == Reason::none;
}

// Strata with variance in both arms; the others added to the largest of all.
std::vector<Stratum> usable_strata(std::vector<Stratum> strata, MetricShape shape) {
  std::stable_sort(strata.begin(), strata.end(), [](const Stratum& left, const Stratum& right) {
    return units_of(left) > units_of(right);
  });
  std::vector<Stratum> usable;
  for (const Stratum& stratum : strata) {
    if (usable.empty() || is_usable(stratum, shape))
      usable.push_back(stratum);
    else
      merge(usable.front(), stratum);
  }
  // The largest itself may have none, and what was added to it may not have helped.
  while (usable.size() > 1 && !is_usable(usable.front(), shape)) {
    Stratum largest = usable.front();
    usable.erase(usable.begin());
    merge(usable.front(), largest);
  }
  return usable;
}

// (b, d) of a mean; (b of numerator, b of denominator, d of numerator, d of denominator) of a ratio.
constexpr int places_max = 4;
using Vector = std::array<double, places_max>;
using Matrix = std::array<Vector, places_max>;

struct Point {
  Vector mean{};
  Matrix covariance{};  // of one unit's worth
};

// What a place of the vector is made of: a weighted sum of the arms' variables.
using Weights = std::array<double, variables>;

double mean_along(const ArmSums& arm, const Weights& weights) {
  double total = 0;
  for (int i = 0; i < variables; ++i) total += weights[i] * arm.mean(Variable(i));
  return total;
}

double covariance_along(const ArmSums& arm, const Weights& left, const Weights& right, bool binary) {
  double total = 0;
  for (int i = 0; i < variables; ++i)
    for (int j = 0; j < variables; ++j)
      if (left[i] != 0 && right[j] != 0)
        total += left[i] * right[j] * covariance(arm, Variable(i), Variable(j), binary);
  return total;
}

Point point_of(const Stratum& stratum, MetricShape shape) {
  int half = is_ratio(shape) ? 2 : 1;
  bool binary = shape == MetricShape::proportion || shape == MetricShape::proportion_adjusted;
  double theta = is_ratio(shape) ? 0 : cuped_theta(stratum.control, stratum.treatment, shape);
  auto units = static_cast<double>(units_of(stratum));
  double control_scale = units / static_cast<double>(stratum.control.units);
  double treatment_scale = units / static_cast<double>(stratum.treatment.units);
  Point point;
  for (int i = 0; i < half; ++i) {
    Weights base_i{};
    base_i[i] = 1;
    Weights step_i = base_i;
    step_i[value_before] = -theta;
    point.mean[i] = mean_along(stratum.control, base_i);
    point.mean[half + i] = mean_along(stratum.treatment, step_i) - mean_along(stratum.control, step_i);
    for (int j = 0; j < half; ++j) {
      Weights base_j{};
      base_j[j] = 1;
      Weights step_j = base_j;
      step_j[value_before] = -theta;
      const ArmSums& control = stratum.control;
      double across = -control_scale * covariance_along(control, base_i, step_j, binary);
      point.covariance[i][j] = control_scale * covariance_along(control, base_i, base_j, binary);
      point.covariance[i][half + j] = across;
      point.covariance[half + j][i] = across;
      point.covariance[half + i][half + j] =
          control_scale * covariance_along(control, step_i, step_j, binary) +
          treatment_scale * covariance_along(stratum.treatment, step_i, step_j, binary);
    }
  }
  return point;
}

Point put_together(const std::vector<Stratum>& strata, MetricShape shape) {
  double all = 0;
  for (const Stratum& stratum : strata) all += static_cast<double>(units_of(stratum));
  Point whole;
  for (const Stratum& stratum : strata) {
    Point point = point_of(stratum, shape);
    double share = static_cast<double>(units_of(stratum)) / all;
    for (int i = 0; i < places_max; ++i) {
      whole.mean[i] += share * point.mean[i];
      for (int j = 0; j < places_max; ++j)
        whole.covariance[i][j] += share * (point.covariance[i][j] + point.mean[i] * point.mean[j]) / all;
    }
  }
  for (int i = 0; i < places_max; ++i)
    for (int j = 0; j < places_max; ++j) whole.covariance[i][j] -= whole.mean[i] * whole.mean[j] / all;
  return whole;
}

// The effect as a function of the vector: what it is there, and its derivatives.
struct Outcome {
  Reason reason = Reason::none;
  double control_mean = 0;
  double estimate = 0;
  Vector slope{};
};

Outcome outcome_of_mean(const Vector& mean, Difference difference) {
  Outcome outcome{.control_mean = mean[0], .estimate = mean[1]};
  outcome.slope[1] = 1;
  if (difference == Difference::absolute) return outcome;
  if (mean[0] == 0) return {.reason = Reason::control_mean_zero};
  double size = std::abs(mean[0]);
  outcome.estimate /= size;
  outcome.slope = {-mean[1] / (mean[0] * size), 1 / size};
  return outcome;
}

Outcome outcome_of_ratio(const Vector& mean, Difference difference) {
  double above = mean[0] + mean[2];
  double below = mean[1] + mean[3];
  if (mean[1] == 0 || below == 0) return {.reason = Reason::denominator_zero};
  double control = mean[0] / mean[1];
  double treatment = above / below;
  Outcome outcome{.control_mean = control, .estimate = treatment - control};
  Vector of_treatment{1 / below, -treatment / below, 1 / below, -treatment / below};
  Vector of_control{1 / mean[1], -control / mean[1], 0, 0};
  double scale = 1;       // of the treatment's part
  double base_scale = 1;  // of the control's
  if (difference == Difference::relative) {
    if (control == 0) return {.reason = Reason::control_mean_zero};
    scale = 1 / std::abs(control);
    base_scale = scale * treatment / control;
    outcome.estimate *= scale;
  }
  for (int i = 0; i < places_max; ++i)
    outcome.slope[i] = scale * of_treatment[i] - base_scale * of_control[i];
  return outcome;
}

}  // namespace

Effect post_stratified_effect(const std::vector<Stratum>& strata, MetricShape shape, Difference difference) {
  if (shape == MetricShape::ratio_adjusted) shape = MetricShape::ratio;
  std::vector<Stratum> usable = usable_strata(strata, shape);
  if (usable.size() < 2) {
    Stratum all = usable.empty() ? Stratum{} : usable.front();
    return effect_of(pair_moments(all.control, all.treatment, shape), difference);
  }
  Effect effect;
  effect.difference = difference;
  for (const Stratum& stratum : usable) effect.units += units_of(stratum);
  Point point = put_together(usable, shape);
  Outcome outcome =
      is_ratio(shape) ? outcome_of_ratio(point.mean, difference) : outcome_of_mean(point.mean, difference);
  effect.reason = outcome.reason;
  effect.control_mean = outcome.control_mean;
  if (effect.reason != Reason::none) return effect;
  double variance = 0;
  for (int i = 0; i < places_max; ++i)
    for (int j = 0; j < places_max; ++j)
      variance += outcome.slope[i] * point.covariance[i][j] * outcome.slope[j];
  effect.estimate = outcome.estimate;
  effect.standard_error = std::sqrt(std::max(0.0, variance));
  effect.degrees_of_freedom = std::numeric_limits<double>::infinity();
  if (!(effect.standard_error > 0))
    return {.reason = Reason::zero_or_negative_variance, .difference = difference};
  return effect;
}

}  // namespace tidemark::experiments
