// What must hold for any data: symmetries, scales, orders, and agreement of methods where they are one.
#include "experiments/stats_bandit.h"
#include "experiments/stats_bayesian.h"
#include "experiments/stats_correction.h"
#include "experiments/stats_distributions.h"
#include "experiments/stats_group_sequential.h"
#include "experiments/stats_power.h"
#include "experiments/stats_quantile.h"
#include "experiments/stats_sample_ratio.h"
#include "experiments/stats_sequential.h"
#include "experiments/stats_stratification.h"
#include "experiments/test_random.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

namespace tidemark::experiments {
namespace {

constexpr int rounds = 300;
constexpr std::array<MetricShape, 6> shapes{
    MetricShape::mean,          MetricShape::proportion,          MetricShape::ratio,
    MetricShape::mean_adjusted, MetricShape::proportion_adjusted, MetricShape::ratio_adjusted};

bool near(double left, double right, double relative = 1e-9) {
  return std::abs(left - right) <= relative * std::max({std::abs(left), std::abs(right), 1e-6});
}

// A unit with all four variables; 0 or 1 for proportions.
std::array<double, variables> unit(Random& random, MetricShape shape, double lift) {
  if (shape == MetricShape::proportion || shape == MetricShape::proportion_adjusted) {
    double before = random.chance(0.4) ? 1 : 0;
    return {random.chance(0.2 + 0.3 * before + lift / 10) ? 1.0 : 0.0, 1, before, 1};
  }
  double habit = random.exponential(2);
  double count = 1 + std::floor(random.exponential(3));
  return {(habit + random.normal()) * count + 5 + lift, count, habit * count + random.normal(),
          count + random.uniform()};
}

ArmSums arm(Random& random, MetricShape shape, int units, double lift) {
  ArmSums sums;
  for (int i = 0; i < units; ++i) sums.add_unit(unit(random, shape, lift));
  return sums;
}

struct Sample {
  MetricShape shape;
  ArmSums control;
  ArmSums treatment;
  Effect effect(Difference difference) const {
    return effect_of(pair_moments(control, treatment, shape), difference);
  }
};

Sample sample(Random& random, int round) {
  MetricShape shape = shapes[round % shapes.size()];
  int units = 50 + static_cast<int>(random.uniform() * 400);
  double lift = random.normal();
  return {shape, arm(random, shape, units, 0), arm(random, shape, units + 20, lift)};
}

TEST(StatsProperties, SwappedArmsNegateTheAbsoluteEffectAndKeepP) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Sample given = sample(random, round);
    Effect effect = given.effect(Difference::absolute);
    Effect swapped =
        effect_of(pair_moments(given.treatment, given.control, given.shape), Difference::absolute);
    ASSERT_EQ(effect.reason, Reason::none);
    EXPECT_TRUE(near(effect.estimate, -swapped.estimate));
    EXPECT_TRUE(near(effect.standard_error, swapped.standard_error));
    EXPECT_TRUE(near(welch_test(effect, 0.05).p_value, welch_test(swapped, 0.05).p_value, 1e-7));
    EXPECT_TRUE(near(sequential_test(effect, 0.05).p_value, sequential_test(swapped, 0.05).p_value, 1e-7));
    EXPECT_TRUE(near(welch_test(effect, 0.05, Side::greater).p_value,
                     welch_test(swapped, 0.05, Side::less).p_value, 1e-7));
    EXPECT_TRUE(near(bayesian_reading(effect, 0.05, {}).chance_to_win,
                     1 - bayesian_reading(swapped, 0.05, {}).chance_to_win));
  }
}

TEST(StatsProperties, SumsOfShardsAreTheSumsOfAll) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    MetricShape shape = shapes[round % shapes.size()];
    ArmSums whole;
    std::array<ArmSums, 7> shards;
    for (int i = 0; i < 500; ++i) {
      auto values = unit(random, shape, 0);
      whole.add_unit(values);
      shards[static_cast<size_t>(random.uniform() * shards.size())].add_unit(values);
    }
    ArmSums merged;
    for (const auto& shard : shards) merged += shard;
    ArmSums other = arm(random, shape, 300, 0.2);
    Effect one = effect_of(pair_moments(other, whole, shape), Difference::relative);
    Effect many = effect_of(pair_moments(other, merged, shape), Difference::relative);
    EXPECT_TRUE(near(one.estimate, many.estimate, 1e-8)) << one.estimate << " " << many.estimate;
    EXPECT_TRUE(near(one.standard_error, many.standard_error, 1e-8));
  }
}

ArmSums scaled(const ArmSums& arm, double factor, bool denominators_too) {
  ArmSums result = arm;
  for (int i = 0; i < variables; ++i) {
    bool scales_i = denominators_too || i == value || i == value_before;
    result.sum[i] *= scales_i ? factor : 1;
    for (int j = 0; j < variables; ++j) {
      bool scales_j = denominators_too || j == value || j == value_before;
      result.products[i][j] *= (scales_i ? factor : 1) * (scales_j ? factor : 1);
    }
  }
  return result;
}

TEST(StatsProperties, TheUnitOfTheMetricDoesNotMatter) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Sample given = sample(random, round);
    if (given.shape == MetricShape::proportion || given.shape == MetricShape::proportion_adjusted) continue;
    for (double factor : {100.0, 1e-3, -1.0}) {
      Sample cents{given.shape, scaled(given.control, factor, false), scaled(given.treatment, factor, false)};
      Effect relative = given.effect(Difference::relative);
      Effect relative_cents = cents.effect(Difference::relative);
      double sign = factor < 0 ? -1 : 1;
      EXPECT_TRUE(near(relative.estimate * sign, relative_cents.estimate, 1e-8));
      EXPECT_TRUE(near(relative.standard_error, relative_cents.standard_error, 1e-8));
      EXPECT_TRUE(near(relative.degrees_of_freedom, relative_cents.degrees_of_freedom, 1e-8));
      EXPECT_TRUE(near(given.effect(Difference::absolute).estimate * factor,
                       cents.effect(Difference::absolute).estimate, 1e-8));
    }
    // A ratio does not see that numerator and denominator are counted in another unit.
    if (is_ratio(given.shape)) {
      Sample both{given.shape, scaled(given.control, 7, true), scaled(given.treatment, 7, true)};
      EXPECT_TRUE(near(given.effect(Difference::absolute).estimate,
                       both.effect(Difference::absolute).estimate, 1e-8));
    }
  }
}

TEST(StatsProperties, MoreOfTheSameUnitsMakesSurer) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Sample given = sample(random, round);
    Sample more = given;
    for (int i = 0; i < 3; ++i) {
      more.control += given.control;
      more.treatment += given.treatment;
    }
    for (Difference difference : {Difference::absolute, Difference::relative}) {
      Effect small = given.effect(difference);
      Effect large = more.effect(difference);
      // Not the same to the last digit: n - 1 moves theta of adjusted ratios.
      EXPECT_NEAR(small.estimate, large.estimate, small.standard_error * 0.01);
      EXPECT_NEAR(large.standard_error / small.standard_error, 0.5, 0.01);
      EXPECT_LT(welch_test(large, 0.05).p_value, welch_test(small, 0.05).p_value + 1e-12);
      TestResult tight = welch_test(large, 0.05);
      TestResult wide = welch_test(small, 0.05);
      EXPECT_LT(tight.upper - tight.lower, wide.upper - wide.lower);
    }
  }
}

TEST(StatsProperties, IntervalAndPAgreeAboutZero) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Effect effect =
        sample(random, round).effect(round % 2 == 0 ? Difference::absolute : Difference::relative);
    for (double alpha : {0.01, 0.05, 0.2}) {
      TestResult fixed = welch_test(effect, alpha);
      EXPECT_EQ(fixed.p_value<alpha, fixed.lower> 0 || fixed.upper < 0);
      TestResult sequential = sequential_test(effect, alpha, 700);
      EXPECT_EQ(sequential.p_value<alpha, sequential.lower> 0 || sequential.upper < 0);
      TestResult greater = sequential_test(effect, alpha, 700, Side::greater);
      if (greater.p_value > one_sided_p_min && greater.p_value < one_sided_p_max) {
        EXPECT_EQ(greater.p_value<alpha, greater.lower> 0);
      }
    }
  }
}

// The interval at level p touches zero: what p means. For the sequence with rho kept, so with the tuning that
// keeps it.
TEST(StatsProperties, AtLevelPTheIntervalTouchesZero) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Effect effect = sample(random, round).effect(Difference::absolute);
    TestResult fixed = welch_test(effect, 0.05);
    if (fixed.p_value > 1e-9 && fixed.p_value < 0.999) {
      TestResult touching = welch_test(effect, fixed.p_value);
      EXPECT_NEAR(std::min(std::abs(touching.lower), std::abs(touching.upper)) / effect.standard_error, 0,
                  1e-6);
    }
    double p = sequential_test(effect, 0.05, 700).p_value;
    if (p > 1e-9 && p < 1) {
      double tuning = sequential_rho_squared(p, 1) / sequential_rho_squared(0.05, 700);
      TestResult touching = sequential_test(effect, p, tuning);
      EXPECT_NEAR(std::min(std::abs(touching.lower), std::abs(touching.upper)) / effect.standard_error, 0,
                  1e-6);
    }
  }
}

TEST(StatsProperties, TheSequenceIsWiderThanTheFixedIntervalAndNarrowestNearItsTuning) {
  for (double alpha : {0.001, 0.01, 0.05, 0.2})
    for (double tuning : {100.0, 5000.0, 1e6}) {
      double fixed = -normal_quantile(alpha / 2);
      double at_tuning = sequential_multiplier(tuning, alpha, tuning);
      for (double units = 10; units < 1e8; units *= 1.7) {
        EXPECT_GT(sequential_multiplier(units, alpha, tuning), fixed);
        EXPECT_GT(sequential_multiplier(units, alpha, tuning), at_tuning * 0.995);
      }
    }
  EXPECT_NEAR(sequential_multiplier(5000, 0.05, 5000) / -normal_quantile(0.025), 1.55, 0.005);
}

TEST(StatsProperties, TheMixtureTestAndEpposBoundAreTheSameKernel) {
  for (double alpha : {0.01, 0.05, 0.1})
    for (double units : {50.0, 5000.0, 200000.0}) {
      double tuning = 10000;
      double log_alpha = std::log(alpha);
      double r = tuning / (std::log(1 - 2 * log_alpha) - 2 * log_alpha);
      double bound = std::sqrt((units + r) / units * std::log((units + r) / (r * alpha * alpha)));
      EXPECT_TRUE(near(sequential_multiplier(units, alpha, tuning), bound, 1e-12));
      // mixture SPRT: at the border of the interval its likelihood ratio is 1/alpha
      double mixture = 0.02;
      double variance = 3;
      double multiplier = sequential_multiplier(units, alpha, tuning_of_mixture(alpha, mixture, variance));
      double difference = multiplier * std::sqrt(variance / units);
      double ratio = std::sqrt(variance / (variance + units * mixture)) *
                     std::exp(units * units * mixture * difference * difference /
                              (2 * variance * (variance + units * mixture)));
      EXPECT_TRUE(near(ratio, 1 / alpha, 1e-9)) << ratio;
    }
}

TEST(StatsProperties, AdjustmentNeverWidensTheAbsoluteInterval) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Sample given = sample(random, round);
    MetricShape plain = given.shape;
    MetricShape adjusted = given.shape;
    switch (given.shape) {
      case MetricShape::mean:
      case MetricShape::mean_adjusted:
        plain = MetricShape::mean, adjusted = MetricShape::mean_adjusted;
        break;
      case MetricShape::proportion:
      case MetricShape::proportion_adjusted:
        plain = MetricShape::proportion, adjusted = MetricShape::proportion_adjusted;
        break;
      case MetricShape::ratio:
      case MetricShape::ratio_adjusted:
        plain = MetricShape::ratio, adjusted = MetricShape::ratio_adjusted;
        break;
    }
    PairMoments with = pair_moments(given.control, given.treatment, adjusted);
    PairMoments without = pair_moments(given.control, given.treatment, plain);
    // theta is best for the pair together, so the sum of both variances is what cannot grow; arms' sizes
    // differ a little.
    EXPECT_LE(with.control.variance + with.treatment.variance,
              (without.control.variance + without.treatment.variance) * 1.01);
    EXPECT_EQ(effect_of(with, Difference::relative).control_mean,
              effect_of(without, Difference::relative).control_mean);
    // theta 0 is no adjustment
    PairMoments zero = pair_moments(given.control, given.treatment, adjusted, 0);
    EXPECT_EQ(zero.control.variance, without.control.variance);
    EXPECT_EQ(zero.treatment.mean, without.treatment.mean);
  }
}

TEST(StatsProperties, AConstantCovariateAdjustsNothing) {
  Random random;
  ArmSums control;
  ArmSums treatment;
  for (int i = 0; i < 200; ++i) {
    control.add_unit({random.normal(), 1, 3.3, 1});
    treatment.add_unit({random.normal(), 1, 3.3, 1});
  }
  EXPECT_EQ(cuped_theta(control, treatment, MetricShape::mean_adjusted), 0);
  EXPECT_EQ(pair_moments(control, treatment, MetricShape::mean_adjusted).control.variance,
            pair_moments(control, treatment, MetricShape::mean).control.variance);
}

TEST(StatsProperties, FlatPriorsGiveTheFrequentistNumbers) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Effect effect =
        sample(random, round).effect(round % 2 == 0 ? Difference::absolute : Difference::relative);
    Posterior flat = bayesian_reading(effect, 0.05, std::nullopt);
    EXPECT_EQ(flat.mean, effect.estimate);
    EXPECT_EQ(flat.deviation, effect.standard_error);
    EXPECT_TRUE(near(flat.chance_to_win, normal_cumulative(effect.estimate / effect.standard_error)));
    Posterior wide = bayesian_reading(effect, 0.05, Prior{0, 1e12});
    EXPECT_TRUE(near(flat.lower, wide.lower, 1e-6));
    Posterior sure = bayesian_reading(effect, 0.05, Prior{0, 1e-12});
    EXPECT_NEAR(sure.mean, 0, 1e-4);
    // A prior around zero pulls towards it and never widens.
    Posterior normal = bayesian_reading(effect, 0.05, Prior{});
    EXPECT_LE(std::abs(normal.mean), std::abs(flat.mean));
    EXPECT_LT(normal.deviation, flat.deviation);
    // The two losses differ by the mean, whichever way is better.
    EXPECT_TRUE(near(normal.loss.of_control - normal.loss.of_treatment, normal.mean, 1e-9));
    Posterior inverse = bayesian_reading(effect, 0.05, Prior{}, true);
    EXPECT_EQ(inverse.loss.of_control, normal.loss.of_treatment);
    EXPECT_TRUE(near(inverse.chance_to_win, 1 - normal.chance_to_win));
  }
}

TEST(StatsProperties, WithManyUnitsWelchIsNormal) {
  ArmSums control{.units = 1'000'000, .sum = {1e6}, .products = {}};
  control.products[value][value] = 3e6;
  ArmSums treatment = control;
  treatment.sum[value] = 1.002e6;
  Effect effect = effect_of(pair_moments(control, treatment, MetricShape::mean), Difference::absolute);
  TestResult welch = welch_test(effect, 0.05);
  EXPECT_TRUE(near(welch.p_value, 2 * normal_survival(effect.estimate / effect.standard_error), 1e-4));
}

TEST(StatsProperties, CorrectionsKeepTheOrderAndHolmIsTheStricter) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> p_values(1 + static_cast<size_t>(random.uniform() * 20));
    for (double& p : p_values) p = random.chance(0.3) ? random.uniform() / 1000 : random.uniform();
    auto strict = holm(p_values);
    auto loose = benjamini_hochberg(p_values);
    double smallest = *std::min_element(p_values.begin(), p_values.end());
    EXPECT_TRUE(near(*std::min_element(strict.begin(), strict.end()),
                     std::min(1.0, smallest * static_cast<double>(p_values.size())), 1e-12));
    for (size_t i = 0; i < p_values.size(); ++i) {
      EXPECT_LE(p_values[i], loose[i]);
      EXPECT_LE(loose[i], strict[i] + 1e-15);
      EXPECT_LE(strict[i], 1);
      for (size_t j = 0; j < p_values.size(); ++j) {
        if (p_values[i] > p_values[j]) continue;
        EXPECT_LE(strict[i], strict[j]);
        EXPECT_LE(loose[i], loose[j]);
      }
    }
  }
  EXPECT_TRUE(holm({}).empty());
  EXPECT_EQ(benjamini_hochberg({0.3}), std::vector<double>{0.3});
}

TEST(StatsProperties, AnAdjustedIntervalAgreesWithItsP) {
  for (double p : {0.001, 0.04, 0.06, 0.5}) {
    auto found = adjusted_interval(-2, p, 0.05);
    ASSERT_TRUE(found);
    EXPECT_EQ(p < 0.05, found->upper < 0);
  }
  EXPECT_FALSE(adjusted_interval(1, 1, 0.05));
  EXPECT_FALSE(adjusted_interval(0, 0.5, 0.05));
}

TEST(StatsProperties, PowerAndSmallestEffectAreInverse) {
  for (double mean : {0.1, 25.0, -4.0})
    for (double units : {500.0, 20000.0})
      for (std::optional<double> tuning : {std::optional<double>(), std::optional<double>(5000)}) {
        Plan plan{.mean = mean, .variance = mean * mean * 2, .units_per_arm = units, .tuning = tuning};
        auto effect = smallest_effect(plan, 0.8);
        ASSERT_TRUE(effect);
        EXPECT_NEAR(power(plan, *effect), 0.8, 1e-4);
        EXPECT_LT(power(plan, *effect * 0.9), 0.8);
        EXPECT_NEAR(power(plan, 0), 0.05, 1e-9);
        Plan more = plan;
        more.units_per_arm *= 2;
        EXPECT_LT(*smallest_effect(more, 0.8), *effect);
        EXPECT_GT(power(more, *effect), 0.8);
      }
  EXPECT_FALSE(smallest_effect({.mean = 1, .variance = 100, .units_per_arm = 100}, 0.8));
  // Bayesian with a flat-as-can-be prior is the fixed plan.
  Plan fixed{.mean = 10, .variance = 100, .units_per_arm = 5000};
  Plan flat = fixed;
  flat.prior = Prior{0, 1e9};
  EXPECT_NEAR(power(fixed, 0.03), power(flat, 0.03), 1e-6);
  EXPECT_NEAR(*smallest_effect(fixed, 0.8), *smallest_effect(flat, 0.8), 2e-5);
}

TEST(StatsProperties, SampleSizesReachTheirPower) {
  double total = sample_size_mean(0.3, 100, 0.05, 0.85, 2);
  double error = std::sqrt(2 * 100 / (total / 2));
  EXPECT_NEAR(normal_survival(1.959964 - 0.3 / error), 0.85, 1e-4);
  EXPECT_EQ(sample_size_mean(0.3, 100, 0.05, 0.85, 4), 2 * total);
  EXPECT_LT(sample_size_proportion(0.34, 0.006, 0.05, 0.85, 2),
            sample_size_proportion(0.34, 0.003, 0.05, 0.85, 2));
}

TEST(StatsProperties, WhatRemainsFallsAsUnitsCome) {
  Random random;
  ArmSums control = arm(random, MetricShape::mean, 400, 0);
  ArmSums treatment = arm(random, MetricShape::mean, 400, 0.2);
  Target target{.power = 0.8, .effect = 0.05};
  double before = 1e9;
  for (int doubling = 0; doubling < 8; ++doubling) {
    Effect effect = effect_of(pair_moments(control, treatment, MetricShape::mean), Difference::relative);
    Remaining found = remaining(effect, target);
    ASSERT_TRUE(found.scaling_factor);
    EXPECT_LT(*found.scaling_factor, before + 1e-12);
    if (*found.scaling_factor > 0) {
      EXPECT_NEAR(found.power_then, 0.8, 1e-6);
    }
    EXPECT_EQ(days_left(found, effect.units, 100).value(),
              *found.scaling_factor * static_cast<double>(effect.units) / 100);
    before = *found.scaling_factor;
    control += control;
    treatment += treatment;
  }
  EXPECT_EQ(before, 0);
}

TEST(StatsProperties, OneStratumIsThePlainTestAndEqualMixesChangeNothing) {
  Random random;
  for (MetricShape shape : {MetricShape::mean, MetricShape::proportion}) {
    ArmSums control = arm(random, shape, 300, 0);
    ArmSums treatment = arm(random, shape, 280, 0.5);
    Effect plain = effect_of(pair_moments(control, treatment, shape), Difference::relative);
    Effect one = post_stratified_effect({{control, treatment}}, shape, Difference::relative);
    EXPECT_EQ(plain.estimate, one.estimate);
    EXPECT_EQ(plain.standard_error, one.standard_error);
    // Strata without variance go to the largest.
    ArmSums lone;
    lone.add_unit({1, 1, 0, 1});
    Effect merged =
        post_stratified_effect({{lone, lone}, {control, treatment}, {{}, {}}}, shape, Difference::relative);
    Effect together = effect_of(pair_moments(control + lone, treatment + lone, shape), Difference::relative);
    EXPECT_TRUE(near(merged.estimate, together.estimate));
    // The same stratum twice: the same means, so the same effect.
    Effect twice =
        post_stratified_effect({{control, treatment}, {control, treatment}}, shape, Difference::absolute);
    EXPECT_TRUE(near(twice.estimate,
                     effect_of(pair_moments(control, treatment, shape), Difference::absolute).estimate));
  }
  EXPECT_EQ(post_stratified_effect({}, MetricShape::mean, Difference::absolute).reason, Reason::no_units);
}

// A ratio whose denominators are all 1 is a mean, and a covariate that says nothing adjusts nothing.
TEST(StatsProperties, StrataOfEveryKindOfMetricAgreeWhereTheyAreOne) {
  Random random;
  for (int round = 0; round < 50; ++round) {
    std::vector<Stratum> strata(4);
    for (int i = 0; i < 2000; ++i) {
      auto stratum = static_cast<size_t>(random.uniform() * 4);
      double amount = 3 + static_cast<double>(stratum) + random.normal();
      (i % 2 == 0 ? strata[stratum].control : strata[stratum].treatment).add_unit({amount, 1, 7, 1});
    }
    for (Difference difference : {Difference::absolute, Difference::relative}) {
      Effect mean = post_stratified_effect(strata, MetricShape::mean, difference);
      for (MetricShape shape :
           {MetricShape::ratio, MetricShape::mean_adjusted, MetricShape::ratio_adjusted}) {
        Effect other = post_stratified_effect(strata, shape, difference);
        EXPECT_TRUE(near(mean.estimate, other.estimate)) << int(shape);
        EXPECT_TRUE(near(mean.standard_error, other.standard_error)) << int(shape);
      }
    }
  }
}

TEST(StatsProperties, SampleRatioDoesNotSeeOrderOrScale) {
  SampleRatio one = sample_ratio({100, 230, 310}, {1, 2, 3});
  SampleRatio other = sample_ratio({310, 100, 230}, {30, 10, 20});
  EXPECT_TRUE(near(one.p_value, other.p_value));
  EXPECT_TRUE(near(one.always_valid_p_value, other.always_valid_p_value));
  EXPECT_TRUE(sample_ratio({5000, 5500}, {1, 1}).alarm());
  EXPECT_FALSE(sample_ratio({5000, 5050}, {1, 1}).alarm());
  EXPECT_LT(sample_ratio({50000, 55000}, {1, 1}).always_valid_p_value, 1e-10);
  EXPECT_EQ(sample_ratio({}, {}).p_value, 1);
}

TEST(StatsProperties, LooksSpendAllOfAlphaAndOneLookIsTheFixedTest) {
  EXPECT_NEAR(group_sequential_alphas(0.05, 2, {1000}, 1000)[0], 0.05, 1e-9);
  EXPECT_NEAR(group_sequential_alphas(0.05, 1, {1000}, 1000)[0], 0.05, 1e-9);
  auto alphas = group_sequential_alphas(0.05, 2, {100, 200, 300, 400, 500}, 500);
  EXPECT_NEAR(alphas[0], 0.05 * 0.04, 1e-9);
  for (size_t i = 1; i < alphas.size(); ++i) EXPECT_GT(alphas[i], alphas[i - 1]);
  EXPECT_LT(alphas.back(), 0.05);
  // Two sides of alpha are one side of half, but for the crossing of both.
  auto one_side = group_sequential_alphas(0.025, 1, {100, 200, 300, 400, 500}, 500);
  EXPECT_NEAR(one_side.back() * 2, alphas.back(), 1e-4);
}

TEST(StatsProperties, ClustersOfOneChangeNothing) {
  QuantileArm plain{.observations = 5000,
                    .levels_for = 5000,
                    .level = 0.5,
                    .quantile = 3,
                    .lower = 2.9,
                    .upper = 3.1,
                    .clusters = {}};
  QuantileArm clustered = plain;
  // 5,000 users with one observation each, half of them below
  clustered.clusters = QuantileClusters{.users = 5000,
                                        .below_sum = 2500,
                                        .below_sum_squares = 2500,
                                        .count_sum = 5000,
                                        .count_sum_squares = 5000,
                                        .below_count_sum_products = 2500};
  double ratio = quantile_moments(clustered, clustered).control.variance /
                 quantile_moments(plain, plain).control.variance;
  EXPECT_NEAR(ratio, 1, 1e-3);
  QuantileArm few = plain;
  few.observations = 3;
  EXPECT_EQ(quantile_moments(plain, few).reason, Reason::too_few_for_quantile);
  EXPECT_FALSE(quantile_levels(0.99, 300));
  EXPECT_TRUE(quantile_levels(0.99, 500));
}

TEST(StatsProperties, FloorsHoldAndSharesSumToOne) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> weights(2 + static_cast<size_t>(random.uniform() * 6));
    for (double& weight : weights) weight = random.exponential(1);
    for (double floor : {-1.0, 0.0, 0.01, 0.1, 0.5}) {
      auto shares = floored_shares(weights, floor);
      EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-12);
      for (double share : shares)
        EXPECT_GE(share, std::min(std::max(floor, 0.0), 1.0 / static_cast<double>(weights.size())) - 1e-12);
    }
  }
}

TEST(StatsProperties, TailsKeepTheirDigits) {
  EXPECT_TRUE(near(normal_survival(10) * 1e20, 7.619853024160526e-24 * 1e20, 1e-12));
  EXPECT_TRUE(near(student_survival(30, 1e6) * 1e190, normal_survival(30) * 1e190, 0.3));
  EXPECT_TRUE(near(chi_square_survival(400, 1) * 1e90, 2 * normal_survival(20) * 1e90, 1e-10));
  EXPECT_TRUE(near(normal_quantile(0.975), 1.959963984540054, 1e-14));
  EXPECT_TRUE(near(student_quantile(0.975, 3), 3.182446305284263, 1e-12));
  EXPECT_FALSE(root_between([](double x) { return x * x + 1; }, -1, 1));
  EXPECT_NEAR(*root_between([](double x) { return x * x - 2; }, 0, 2), std::sqrt(2), 1e-11);
}

}  // namespace
}  // namespace tidemark::experiments
