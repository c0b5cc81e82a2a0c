#include "experiments/stats_sums.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

using Gradient = std::array<double, variables>;

constexpr double ratio_theta_min = 1e-8;

// Derivatives of the arm's (adjusted) statistic by the means of its variables. `after_scale` multiplies the
// part after exposure, as relative effects need it for the control.
Gradient gradient(const ArmSums& arm, MetricShape shape, double theta, double after_scale) {
  Gradient slope{};
  if (!is_ratio(shape)) {
    slope[value] = after_scale;
    slope[value_before] = -theta;
    return slope;
  }
  double below = arm.mean(denominator);
  slope[value] = after_scale / below;
  slope[denominator] = -after_scale * arm.mean(value) / (below * below);
  if (theta == 0) return slope;
  double below_before = arm.mean(denominator_before);
  slope[value_before] = -theta / below_before;
  slope[denominator_before] = theta * arm.mean(value_before) / (below_before * below_before);
  return slope;
}

// left' covariance right, over the variables both name.
double form(const ArmSums& arm, const Gradient& left, const Gradient& right, bool binary) {
  double total = 0;
  for (int i = 0; i < variables; ++i)
    for (int j = 0; j < variables; ++j)
      if (left[i] != 0 && right[j] != 0)
        total += left[i] * right[j] * covariance(arm, Variable(i), Variable(j), binary);
  return total;
}

double variance_along(const ArmSums& arm, const Gradient& slope, bool binary) {
  double total = form(arm, slope, slope, binary);
  double size = 0;
  for (int i = 0; i < variables; ++i)
    if (slope[i] != 0) size += slope[i] * slope[i] * covariance(arm, Variable(i), Variable(i), binary);
  // A ratio that is the same for all, or a perfect covariate: what is left is rounding.
  return total <= rounding_floor * size ? std::min(total, 0.0) : total;
}

bool is_binary(MetricShape shape) {
  return shape == MetricShape::proportion || shape == MetricShape::proportion_adjusted;
}

double quotient(const ArmSums& arm, Variable above, Variable below) {
  return arm.sum[below] == 0 ? 0 : arm.sum[above] / arm.sum[below];
}

ArmMoments moments_of(const ArmSums& arm, MetricShape shape, double theta) {
  ArmMoments moments;
  moments.units = arm.units;
  moments.unadjusted_mean = is_ratio(shape) ? quotient(arm, value, denominator) : arm.mean(value);
  double before = is_ratio(shape) ? quotient(arm, value_before, denominator_before) : arm.mean(value_before);
  moments.mean = theta == 0 ? moments.unadjusted_mean : moments.unadjusted_mean - theta * before;
  if (arm.units > 1 && (!is_ratio(shape) || arm.sum[denominator] != 0))
    moments.variance = variance_along(arm, gradient(arm, shape, theta, 1), is_binary(shape));
  return moments;
}

double mean_theta(const ArmSums& both, bool binary) {
  double before = covariance(both, value_before, value_before, binary);
  double after = covariance(both, value, value, binary);
  return before <= 0 || after <= 0 ? 0 : covariance(both, value, value_before, binary) / before;
}

double ratio_theta(const ArmSums& control, const ArmSums& treatment) {
  double shared = 0;
  double before = 0;
  for (const ArmSums* arm : {&control, &treatment}) {
    if (arm->sum[denominator] == 0 || arm->sum[denominator_before] == 0) return 0;
    Gradient slope = gradient(*arm, MetricShape::ratio_adjusted, 1, 1);
    Gradient later{slope[value], slope[denominator], 0, 0};
    Gradient earlier{0, 0, slope[value_before], slope[denominator_before]};
    shared += form(*arm, earlier, later, false);
    before += form(*arm, earlier, earlier, false);
  }
  if (before <= 0) return 0;
  double theta = -shared / before;
  return std::abs(theta) < ratio_theta_min ? 0 : theta;
}

Reason reason_of(const ArmSums& control, const ArmSums& treatment, MetricShape shape,
                 const PairMoments& pair) {
  if (control.units == 0 || treatment.units == 0) return Reason::no_units;
  if (control.units == 1 || treatment.units == 1) return Reason::too_few_units;
  if (is_ratio(shape) && (control.sum[denominator] == 0 || treatment.sum[denominator] == 0))
    return Reason::denominator_zero;
  if (!(pair.control.variance > 0) || !(pair.treatment.variance > 0))
    return Reason::zero_or_negative_variance;
  return Reason::none;
}

}  // namespace

ArmSums& ArmSums::operator+=(const ArmSums& other) {
  units += other.units;
  for (int i = 0; i < variables; ++i) {
    sum[i] += other.sum[i];
    for (int j = 0; j < variables; ++j) products[i][j] += other.products[i][j];
  }
  return *this;
}

ArmSums operator+(ArmSums left, const ArmSums& right) {
  return left += right;
}

void ArmSums::add_unit(const std::array<double, variables>& values) {
  ++units;
  for (int i = 0; i < variables; ++i) {
    sum[i] += values[i];
    for (int j = 0; j < variables; ++j) products[i][j] += values[i] * values[j];
  }
}

double ArmSums::mean(Variable variable) const {
  return units == 0 ? 0 : sum[variable] / static_cast<double>(units);
}

bool is_ratio(MetricShape shape) {
  return shape == MetricShape::ratio || shape == MetricShape::ratio_adjusted;
}

bool is_adjusted(MetricShape shape) {
  return shape == MetricShape::mean_adjusted || shape == MetricShape::proportion_adjusted ||
         shape == MetricShape::ratio_adjusted;
}

double covariance(const ArmSums& arm, Variable left, Variable right, bool binary) {
  if (arm.units < 2) return 0;
  auto units = static_cast<double>(arm.units);
  if (binary && left == right) {
    double share = arm.sum[left] / units;
    return share * (1 - share);
  }
  double together = arm.products[left][right];
  // One rounding instead of two: fma keeps the product exact.
  double centred = std::fma(-arm.sum[left] / units, arm.sum[right], together);
  if (left == right && std::abs(centred) <= rounding_floor * together) centred = 0;
  return centred / (binary ? units : units - 1);
}

const char* name(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::no_units:
      return "no_units";
    case Reason::too_few_units:
      return "too_few_units";
    case Reason::denominator_zero:
      return "denominator_zero";
    case Reason::zero_or_negative_variance:
      return "zero_or_negative_variance";
    case Reason::control_mean_zero:
      return "control_mean_zero";
    case Reason::too_few_for_quantile:
      return "too_few_for_quantile";
    case Reason::out_of_range:
      return "out_of_range";
  }
  return "unknown";
}

double cuped_theta(const ArmSums& control, const ArmSums& treatment, MetricShape shape) {
  if (!is_adjusted(shape)) return 0;
  if (is_ratio(shape)) return ratio_theta(control, treatment);
  return mean_theta(control + treatment, is_binary(shape));
}

PairMoments pair_moments(const ArmSums& control, const ArmSums& treatment, MetricShape shape,
                         std::optional<double> theta) {
  PairMoments pair;
  pair.theta = theta ? *theta : cuped_theta(control, treatment, shape);
  pair.control = moments_of(control, shape, pair.theta);
  pair.treatment = moments_of(treatment, shape, pair.theta);
  pair.reason = reason_of(control, treatment, shape, pair);
  if (pair.reason != Reason::none || pair.control.unadjusted_mean == 0) return pair;
  double base = pair.control.unadjusted_mean;
  // Equal in expectation, since X is the same in both arms. Which of the two is used where follows gbstats:
  // its vectors tell them apart in the third digit.
  double scale = is_ratio(shape) ? 1 + (pair.treatment.mean - pair.control.mean) / base
                                 : pair.treatment.unadjusted_mean / base;
  pair.control_relative_variance =
      variance_along(control, gradient(control, shape, pair.theta, scale), is_binary(shape));
  return pair;
}

}  // namespace tidemark::experiments
