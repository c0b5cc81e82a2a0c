#include "experiments/stats_quantile.h"

#include "experiments/stats_distributions.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

constexpr double level_alpha = 0.05;
constexpr int64_t floor_from = 100;
constexpr int64_t ties_judged_from = 1000;
constexpr double variance_min = 1e-5;

double level_z() {
  static const double z = -normal_quantile(level_alpha / 2);
  return z;
}

// How much more the share below the quantile varies because observations come in users. 0: cannot be said.
double cluster_factor(const QuantileArm& arm, const QuantileClusters& clusters) {
  if (clusters.users <= 1 || clusters.count_sum <= 0) return 0;
  auto users = static_cast<double>(clusters.users);
  double below = clusters.below_sum / users;
  double count = clusters.count_sum / users;
  double correction = users / (users - 1);
  double below_variance = (clusters.below_sum_squares / users - below * below) * correction;
  double count_variance = (clusters.count_sum_squares / users - count * count) * correction;
  double together = (clusters.below_count_sum_products / users - below * count) * correction;
  double ratio = below / count;
  double clustered =
      (below_variance - 2 * ratio * together + ratio * ratio * count_variance) / (users * count * count);
  return clustered * static_cast<double>(arm.observations) / (arm.level * (1 - arm.level));
}

double plain_variance(const QuantileArm& arm) {
  if (arm.observations <= 1) return 0;
  auto observations = static_cast<double>(arm.observations);
  double deviation = (arm.upper - arm.lower) / (2 * level_z());
  double variance =
      static_cast<double>(arm.levels_for) / observations * (observations - 1) * deviation * deviation;
  return arm.clusters ? variance * cluster_factor(arm, *arm.clusters) : variance;
}

Reason reason_of(const QuantileArm& arm) {
  if (arm.observations == 0) return Reason::no_units;
  if (!quantile_levels(arm.level, arm.observations)) return Reason::too_few_for_quantile;
  if (plain_variance(arm) <= 0 && arm.observations < ties_judged_from)
    return Reason::zero_or_negative_variance;
  return Reason::none;
}

ArmMoments moments_of(const QuantileArm& arm) {
  ArmMoments moments;
  moments.units = arm.observations;
  moments.mean = moments.unadjusted_mean = arm.quantile;
  moments.variance = plain_variance(arm);
  if (arm.observations >= floor_from) moments.variance = std::max(moments.variance, variance_min);
  return moments;
}

}  // namespace

std::optional<QuantileLevels> quantile_levels(double level, int64_t observations) {
  if (observations < 1) return std::nullopt;
  double reach = level_z() * std::sqrt(level * (1 - level) / static_cast<double>(observations));
  QuantileLevels levels{level - reach, level + reach};
  if (levels.lower <= 0 || levels.upper >= 1) return std::nullopt;
  return levels;
}

PairMoments quantile_moments(const QuantileArm& control, const QuantileArm& treatment) {
  PairMoments pair;
  pair.control = moments_of(control);
  pair.treatment = moments_of(treatment);
  pair.reason = reason_of(control);
  if (pair.reason == Reason::none) pair.reason = reason_of(treatment);
  if (pair.reason != Reason::none || pair.control.mean == 0) return pair;
  double scale = pair.treatment.mean / pair.control.mean;
  pair.control_relative_variance = pair.control.variance * scale * scale;
  return pair;
}

}  // namespace tidemark::experiments
