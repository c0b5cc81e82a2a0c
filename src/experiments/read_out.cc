#include "experiments/read_out.h"

#include "experiments/stats_correction.h"
#include "experiments/stats_sequential.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

PairMoments moments_of(const MetricSums& sums, size_t control, size_t arm) {
  if (!sums.quantiles.empty()) return quantile_moments(sums.quantiles[control], sums.quantiles[arm]);
  return pair_moments(sums.arms[control], sums.arms[arm], sums.shape);
}

double value_of(const MetricSums& sums, size_t arm) {
  if (!sums.quantiles.empty()) return sums.quantiles[arm].quantile;
  double mean = sums.arms[arm].mean(value);
  if (!is_ratio(sums.shape)) return mean;
  double below = sums.arms[arm].mean(denominator);
  return below == 0 ? 0 : mean / below;
}

class Reader {
 public:
  Reader(const Experiment& experiment, const Counters& counters)
      : experiment_(experiment), counters_(counters), control_(experiment.control()) {}

  std::vector<MetricReading> metrics(const std::vector<MetricSums>& sums) const {
    std::vector<MetricReading> readings;
    for (size_t index = 0; index < sums.size(); ++index) {
      bool goal = index < experiment_.goals.size();
      const MetricUse& use =
          goal ? experiment_.goals[index] : experiment_.guardrails[index - experiment_.goals.size()];
      readings.push_back(metric(use, sums[index], goal));
    }
    return readings;
  }

  // Over goals x arms.
  void correct(std::vector<MetricReading>& readings) const {
    std::vector<Comparison*> family;
    std::vector<double> p_values;
    for (MetricReading& reading : readings)
      for (Comparison& comparison : reading.comparisons)
        if (reading.is_goal && comparison.effect.reason == Reason::none) {
          family.push_back(&comparison);
          p_values.push_back(comparison.chosen.p_value);
        }
    bool none = experiment_.correction == Correction::none || experiment_.analysis == Analysis::bayesian;
    if (none || family.size() < 2) return;
    auto adjusted =
        experiment_.correction == Correction::holm ? holm(p_values) : benjamini_hochberg(p_values);
    for (size_t index = 0; index < family.size(); ++index) {
      Comparison& comparison = *family[index];
      comparison.adjusted_p_value = adjusted[index];
      widen(comparison);
    }
  }

  ArmDecision decision(size_t arm, const std::vector<MetricReading>& readings,
                       const SampleRatio& ratio) const {
    DecisionBasis basis;
    basis.sample_ratio_p_value = ratio.p_value;
    if (experiment_.multiple_exposure == MultipleExposure::exclude)
      basis.multiple_exposure_units = counters_.multiple;
    basis.units = counters_.total();
    basis.planned_units = experiment_.planned_units;
    basis.valid_at_every_look =
        experiment_.analysis == Analysis::sequential || experiment_.analysis == Analysis::hybrid;
    basis.power_wished = experiment_.power;
    for (const MetricReading& reading : readings)
      for (const Comparison& comparison : reading.comparisons) {
        if (comparison.arm != arm) continue;
        Reading one{reading.use->metric, comparison.effect.reason, comparison.adjusted_lower,
                    comparison.adjusted_upper, reading.sums->metric->lower_is_better};
        if (!reading.is_goal) {
          basis.guardrails.push_back({one, reading.margin});
          continue;
        }
        basis.goals.push_back(one);
        if (!comparison.power) continue;
        // The weakest goal's, and when the last one will be there.
        basis.power_reached = std::min(basis.power_reached.value_or(1), comparison.power->power_now);
        if (comparison.days_left)
          basis.days_left = std::max(basis.days_left.value_or(0), *comparison.days_left);
      }
    return {arm, decide(basis)};
  }

 private:
  MetricReading metric(const MetricUse& use, const MetricSums& sums, bool goal) const {
    MetricReading reading{.use = &use, .sums = &sums, .is_goal = goal};
    reading.effect_wished = use.effect.value_or(sums.metric->effect);
    reading.margin = use.margin.value_or(sums.metric->margin);
    for (size_t arm = 0; arm < experiment_.variants.size(); ++arm) {
      reading.values.push_back(value_of(sums, arm));
      if (arm != control_) reading.comparisons.push_back(compare(reading, arm));
    }
    return reading;
  }

  Comparison compare(const MetricReading& reading, size_t arm) const {
    const Metric& metric = *reading.sums->metric;
    Comparison comparison{.arm = arm};
    comparison.effect = effect_of(moments_of(*reading.sums, control_, arm), metric.difference);
    const Effect& effect = comparison.effect;
    double alpha = experiment_.alpha, tuning = experiment_.tuning;
    comparison.fixed = welch_test(effect, alpha);
    comparison.sequential = sequential_test(effect, alpha, tuning);
    comparison.bayesian = bayesian_reading(effect, alpha, experiment_.prior, metric.lower_is_better);
    switch (experiment_.analysis) {
      case Analysis::fixed:
        comparison.chosen = comparison.fixed;
        break;
      case Analysis::sequential:
        comparison.chosen = comparison.sequential;
        break;
      case Analysis::hybrid:
        // The plan is of all arms; a pair has its part of it.
        comparison.chosen = hybrid_test(effect, alpha, tuning, planned_of_pair(arm));
        break;
      case Analysis::bayesian:
        comparison.chosen = comparison.fixed;
        comparison.chosen.lower = comparison.bayesian.lower;
        comparison.chosen.upper = comparison.bayesian.upper;
        break;
    }
    comparison.adjusted_p_value = comparison.chosen.p_value;
    comparison.adjusted_lower = comparison.chosen.lower;
    comparison.adjusted_upper = comparison.chosen.upper;
    if (effect.reason != Reason::none) return comparison;
    if (!reading.is_goal) {
      Reading one{metric.name, effect.reason, comparison.chosen.lower, comparison.chosen.upper,
                  metric.lower_is_better};
      comparison.guardrail = guardrail_state(one, reading.margin);
      return comparison;
    }
    Target target{.power = experiment_.power, .effect = reading.effect_wished, .alpha = alpha};
    if (experiment_.correction != Correction::none && experiment_.analysis != Analysis::bayesian)
      target.tests = static_cast<int>(experiment_.goals.size() * (experiment_.variants.size() - 1));
    if (experiment_.analysis == Analysis::sequential) target.tuning = tuning;
    if (experiment_.analysis == Analysis::bayesian) target.prior = experiment_.prior;
    comparison.power = remaining(effect, target);
    comparison.days_left = days_left(*comparison.power, counters_.units[control_] + counters_.units[arm],
                                     counters_.units_a_day * share_of_pair(arm));
    return comparison;
  }

  double share_of_pair(size_t arm) const {
    double all = 0;
    for (const Variant& variant : experiment_.variants) all += variant.weight;
    return all > 0 ? (experiment_.variants[control_].weight + experiment_.variants[arm].weight) / all : 0;
  }
  int64_t planned_of_pair(size_t arm) const {
    return std::max<int64_t>(
        1, std::llround(static_cast<double>(experiment_.planned_units) * share_of_pair(arm)));
  }

  // As wide as the adjusted p says: a p of 1 is an interval that ends at 0 at best.
  void widen(Comparison& comparison) const {
    if (comparison.adjusted_p_value == comparison.chosen.p_value) return;
    auto interval =
        adjusted_interval(comparison.effect.estimate, comparison.adjusted_p_value, experiment_.alpha);
    // Never narrower than what one comparison alone has.
    double lower = interval ? interval->lower : std::min(comparison.chosen.lower, 0.0);
    double upper = interval ? interval->upper : std::max(comparison.chosen.upper, 0.0);
    comparison.adjusted_lower = std::min(lower, comparison.chosen.lower);
    comparison.adjusted_upper = std::max(upper, comparison.chosen.upper);
  }

  const Experiment& experiment_;
  const Counters& counters_;
  size_t control_;
};

}  // namespace

SampleRatio sample_ratio_of(const Experiment& experiment, const Counters& counters) {
  std::vector<double> weights;
  for (const Variant& variant : experiment.variants) weights.push_back(variant.weight);
  return sample_ratio(counters.units, weights);
}

ReadOut read_out(const Experiment& experiment, const ExperimentSums& sums) {
  Reader reader(experiment, sums.counters);
  ReadOut result;
  result.sample_ratio = sample_ratio_of(experiment, sums.counters);
  result.multiple_exposure_alarm = multiple_exposure_alarm(sums.counters.multiple, sums.counters.seen);
  result.metrics = reader.metrics(sums.metrics);
  reader.correct(result.metrics);
  for (size_t arm = 0; arm < experiment.variants.size(); ++arm)
    if (arm != experiment.control())
      result.decisions.push_back(reader.decision(arm, result.metrics, result.sample_ratio));
  for (const DimensionSums& dimension : sums.dimensions) {
    DimensionReading reading{dimension.dimension, {}};
    for (const DimensionLevel& level : dimension.levels)
      reading.levels.push_back({&level, reader.metrics(level.metrics)});
    result.dimensions.push_back(std::move(reading));
  }
  return result;
}

}  // namespace tidemark::experiments
