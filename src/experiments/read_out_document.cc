#include "experiments/read_out_document.h"

#include "experiments/calculator_fields.h"

#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace tidemark::experiments {
namespace {

namespace json = boost::json;

// Infinity (one-sided bounds, credible intervals without data) is no JSON.
json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value();
}
json::value maybe(const std::optional<double>& value) {
  return value ? number(*value) : json::value();
}

json::object interval(double lower, double upper) {
  return {{"lower", number(lower)}, {"upper", number(upper)}};
}
json::object test_document(const TestResult& test) {
  json::object document = interval(test.lower, test.upper);
  document["p_value"] = number(test.p_value);
  return document;
}

json::object comparison_document(const Experiment& experiment, const Comparison& comparison, bool in_full) {
  const Effect& effect = comparison.effect;
  json::object document{{"variant", experiment.variants[comparison.arm].name},
                        {"status", effect.reason == Reason::none ? "ok" : "uninformative"}};
  if (effect.reason != Reason::none) document["reason"] = name(effect.reason);
  if (effect.base_is_unsure)
    document["warning"] = "the control's mean is within some four of its errors of zero";
  document["estimate"] = number(effect.estimate);
  document["standard_error"] = number(effect.standard_error);
  document["lower"] = number(comparison.chosen.lower);
  document["upper"] = number(comparison.chosen.upper);
  document["p_value"] = number(comparison.chosen.p_value);
  document["chance_to_win"] = number(comparison.bayesian.chance_to_win);
  if (!in_full) return document;
  document["adjusted_p_value"] = number(comparison.adjusted_p_value);
  document["adjusted"] = interval(comparison.adjusted_lower, comparison.adjusted_upper);
  document["fixed"] = test_document(comparison.fixed);
  document["sequential"] = test_document(comparison.sequential);
  json::object bayesian = interval(comparison.bayesian.lower, comparison.bayesian.upper);
  bayesian["chance_to_win"] = number(comparison.bayesian.chance_to_win);
  bayesian["expected_loss"] = number(comparison.bayesian.loss.of_treatment);
  document["bayesian"] = std::move(bayesian);
  document["power"] = comparison.power ? number(comparison.power->power_now) : json::value();
  document["days_left"] = maybe(comparison.days_left);
  if (comparison.guardrail)
    document["guardrail"] = *comparison.guardrail == GuardrailState::harmless  ? "harmless"
                            : *comparison.guardrail == GuardrailState::harmful ? "harmful"
                                                                               : "open";
  return document;
}

json::array comparisons_document(const Experiment& experiment, const MetricReading& metric, bool in_full) {
  json::array list;
  for (const Comparison& comparison : metric.comparisons)
    list.push_back(comparison_document(experiment, comparison, in_full));
  return list;
}

json::object metric_document(const Experiment& experiment, const MetricReading& reading) {
  const Metric& metric = *reading.sums->metric;
  json::array arms;
  for (size_t arm = 0; arm < experiment.variants.size(); ++arm)
    arms.push_back(json::object{{"variant", experiment.variants[arm].name},
                                {"units", reading.sums->arms[arm].units},
                                {"value", number(reading.values[arm])},
                                {"sums", sums_document(*reading.sums, arm)}});
  json::object document{{"metric", metric.name},
                        {"description", metric.description},
                        {"role", reading.is_goal ? "goal" : "guardrail"},
                        {"kind", name(metric.kind)},
                        {"direction", metric.lower_is_better ? "decrease" : "increase"},
                        {"difference", metric.difference == Difference::relative ? "relative" : "absolute"},
                        {"arms", std::move(arms)},
                        {"comparisons", comparisons_document(experiment, reading, true)}};
  if (reading.is_goal)
    document["effect_that_matters"] = reading.effect_wished;
  else
    document["margin"] = reading.margin;
  if (reading.sums->cap) document["cap"] = number(*reading.sums->cap);
  return document;
}

json::array units_document(const Experiment& experiment, const std::vector<int64_t>& units) {
  json::array list;
  for (size_t arm = 0; arm < units.size(); ++arm)
    list.push_back(json::object{{"variant", experiment.variants[arm].name}, {"units", units[arm]}});
  return list;
}

json::array dimensions_document(const Experiment& experiment, const ReadOut& read) {
  json::array dimensions;
  for (const DimensionReading& dimension : read.dimensions) {
    json::array levels;
    for (const LevelReading& level : dimension.levels) {
      json::array metrics;
      for (const MetricReading& metric : level.metrics)
        metrics.push_back(json::object{{"metric", metric.use->metric},
                                       {"values", json::value_from(metric.values)},
                                       {"comparisons", comparisons_document(experiment, metric, false)}});
      levels.push_back(json::object{{"level", level.level->level},
                                    {"arms", units_document(experiment, level.level->units)},
                                    {"metrics", std::move(metrics)}});
    }
    dimensions.push_back(json::object{{"dimension", dimension.dimension}, {"levels", std::move(levels)}});
  }
  return dimensions;
}

}  // namespace

std::string instant_text(int64_t at_us) {
  std::string text =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}", std::chrono::sys_seconds(std::chrono::seconds(at_us / 1'000'000)));
  int64_t rest = at_us % 1'000'000;
  return rest == 0 ? text + "Z" : fmt::format("{}.{:06}Z", text, rest);
}

json::object sums_document(const MetricSums& sums, size_t arm) {
  if (sums.quantiles.empty()) return calculator::arm_document(sums.shape, sums.arms[arm]);
  const QuantileArm& quantile = sums.quantiles[arm];
  return {{"type", "quantile"},
          {"n", quantile.observations},
          {"n_star", quantile.levels_for},
          {"nu", quantile.level},
          {"quantile", quantile.quantile},
          {"quantile_lower", quantile.lower},
          {"quantile_upper", quantile.upper}};
}

json::object exposures_document(const Experiment& experiment, const Counters& counters) {
  SampleRatio ratio = sample_ratio_of(experiment, counters);
  double share =
      counters.seen > 0 ? static_cast<double>(counters.multiple) / static_cast<double>(counters.seen) : 0;
  json::object document{
      {"units", counters.total()},
      {"arms", units_document(experiment, counters.units)},
      {"units_a_day", number(counters.units_a_day)},
      {"first", counters.first_us != 0 ? json::value(instant_text(counters.first_us)) : json::value()},
      {"last", counters.last_us != 0 ? json::value(instant_text(counters.last_us)) : json::value()},
      {"unknown_variant", counters.unknown}};
  document["multiple_exposure"] = {{"policy", name(experiment.multiple_exposure)},
                                   {"units", counters.multiple},
                                   {"share", share},
                                   {"alarm", multiple_exposure_alarm(counters.multiple, counters.seen)}};
  document["sample_ratio"] = {{"chi_square", number(ratio.chi_square)},
                              {"degrees_of_freedom", ratio.degrees_of_freedom},
                              {"p_value", number(ratio.p_value)},
                              {"always_valid_p_value", number(ratio.always_valid_p_value)},
                              {"alarm", ratio.alarm()}};
  return document;
}

json::object definition_document(const Experiment& experiment) {
  json::array variants;
  for (const Variant& variant : experiment.variants)
    variants.push_back(
        json::object{{"variant", variant.name}, {"weight", variant.weight}, {"control", variant.control}});
  json::array dimensions;
  for (const Dimension& dimension : experiment.dimensions) dimensions.emplace_back(dimension.name);
  return {{"experiment", experiment.name},
          {"key", experiment.key},
          {"description", experiment.description},
          {"analysis", name(experiment.analysis)},
          {"correction", name(experiment.correction)},
          {"alpha", experiment.alpha},
          {"tuning", experiment.tuning},
          {"planned_units", experiment.planned_units},
          {"start", experiment.start_us ? json::value(instant_text(*experiment.start_us)) : json::value()},
          {"end", experiment.end_us ? json::value(instant_text(*experiment.end_us)) : json::value()},
          {"variants", std::move(variants)},
          {"dimension_names", std::move(dimensions)}};
}

json::object read_out_document(const Experiment& experiment, const ExperimentSums& sums,
                               const ReadOut& read) {
  json::object document = definition_document(experiment);
  document["as_of"] = instant_text(sums.at_us);
  document["exposures"] = exposures_document(experiment, sums.counters);
  json::array metrics, decisions;
  for (const MetricReading& metric : read.metrics) metrics.push_back(metric_document(experiment, metric));
  for (const ArmDecision& decision : read.decisions)
    decisions.push_back(json::object{{"variant", experiment.variants[decision.arm].name},
                                     {"hint", name(decision.decision.hint)},
                                     {"reasons", json::value_from(decision.decision.reasons)}});
  document["metrics"] = std::move(metrics);
  document["decisions"] = std::move(decisions);
  document["dimensions"] = dimensions_document(experiment, read);
  return document;
}

json::object point_document(const Experiment& experiment, const ExperimentSums& sums, const ReadOut& read) {
  json::array metrics;
  for (const MetricReading& metric : read.metrics)
    metrics.push_back(json::object{{"metric", metric.use->metric},
                                   {"values", json::value_from(metric.values)},
                                   {"comparisons", comparisons_document(experiment, metric, false)}});
  return {{"at", instant_text(sums.at_us)},
          {"arms", units_document(experiment, sums.counters.units)},
          {"metrics", std::move(metrics)}};
}

}  // namespace tidemark::experiments
