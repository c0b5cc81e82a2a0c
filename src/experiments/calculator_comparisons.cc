// Two arms against each other: fixed, sequential, Bayesian, stratified.
#include "experiments/calculator_fields.h"
#include "experiments/stats_bayesian.h"
#include "experiments/stats_decision.h"
#include "experiments/stats_distributions.h"
#include "experiments/stats_sequential.h"
#include "experiments/stats_stratification.h"

#include <cmath>
#include <fmt/format.h>

namespace tidemark::experiments::calculator {
namespace {

void put_means(json::object& result, const PairMoments& moments) {
  result["control_mean"] = result["control_mean_unadjusted"] = moments.control.unadjusted_mean;
  result["treatment_mean"] = result["treatment_mean_unadjusted"] = moments.treatment.unadjusted_mean;
  result["control_stddev"] = std::sqrt(std::max(0.0, moments.control.variance));
  result["treatment_stddev"] = std::sqrt(std::max(0.0, moments.treatment.variance));
  if (moments.theta != 0) {
    result["control_mean_adjusted"] = moments.control.mean;
    result["treatment_mean_adjusted"] = moments.treatment.mean;
    result["theta"] = moments.theta;
  }
}

json::object shown(const TestResult& test, const Effect& effect, const PairMoments& moments) {
  json::object result;
  put_status(result, test.reason);
  result["estimate"] = test.estimate;
  result["se"] = test.standard_error;
  result["ci"] = interval(test.lower, test.upper);
  result["lower"] = result["ci_lower"] = test.lower;
  result["upper"] = result["ci_upper"] = test.upper;
  result["p_value"] = test.p_value;
  if (effect.reason == Reason::none) result["degrees_of_freedom"] = effect.degrees_of_freedom;
  if (effect.base_is_unsure)
    result["warning"] = "the control's mean is near zero: relative effects are unsure";
  put_means(result, moments);
  return result;
}

struct Comparison {
  Pair pair;
  Effect effect;
  double alpha;
};

Result<Comparison> comparison_of(const Request& request) {
  Difference difference = TRY(read_difference(request.params));
  double alpha = TRY(request.params.probability_or("alpha", 0.05));
  Pair pair = TRY(read_pair(request.all));
  // CUPED's coefficient as the request says, instead of the estimated one
  if (pair.control && request.params.has("theta"))
    pair.moments =
        pair_moments(*pair.control, *pair.treatment, pair.shape, TRY(request.params.number("theta")));
  Effect effect = effect_of(pair.moments, difference);
  return Comparison{std::move(pair), effect, alpha};
}

template <Side side>
Result<json::object> fixed_sample(const Request& request) {
  Comparison read = TRY(comparison_of(request));
  return shown(welch_test(read.effect, read.alpha, side), read.effect, read.pair.moments);
}

// One-sided sequences are made of 2 alpha.
Status check_one_sided(const Comparison& read) {
  if (read.alpha >= 0.5)
    return wrong("params.alpha", fmt::format("{} is not below 0.5, for one side", read.alpha));
  return {};
}

template <Side side>
Result<json::object> sequential(const Request& request) {
  Comparison read = TRY(comparison_of(request));
  if (side != Side::two) TRY_VOID(check_one_sided(read));
  double tuning = TRY(request.params.above_or("tuning", 0, default_tuning));
  return shown(sequential_test(read.effect, read.alpha, tuning, side), read.effect, read.pair.moments);
}

Result<json::object> hybrid(const Request& request) {
  Comparison read = TRY(comparison_of(request));
  double tuning = TRY(request.params.above_or("tuning", 0, default_tuning));
  int64_t planned = TRY(request.params.count("planned_units"));
  TestResult test = hybrid_test(read.effect, read.alpha, tuning, planned);
  json::object result = shown(test, read.effect, read.pair.moments);
  result["phase"] = read.effect.units < planned ? "sequential" : "fixed";
  return result;
}

// How the interval's width goes with the tuning.
Result<json::object> sequential_widths(const Request& request) {
  Comparison read = TRY(comparison_of(request));
  std::vector<double> tunings = TRY(request.params.numbers("tunings"));
  std::vector<std::pair<double, double>> widths;
  json::object by_tuning;
  for (double tuning : tunings) {
    if (tuning <= 0) return wrong("params.tunings", fmt::format("{} is not above 0", tuning));
    TestResult test = sequential_test(read.effect, read.alpha, tuning);
    widths.emplace_back(test.upper - test.lower, tuning);
    by_tuning[fmt::format("{}", tuning)] = test.upper - test.lower;
  }
  std::stable_sort(widths.begin(), widths.end(),
                   [](const auto& left, const auto& right) { return left.first > right.first; });
  std::string order;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (i > 0) order += widths[i - 1].first > widths[i].first ? " > " : " = ";
    order += fmt::format("width({})", widths[i].second);
  }
  json::object result;
  put_status(result, read.effect.reason);
  result["width_order"] = order;
  result["widths"] = std::move(by_tuning);
  return result;
}

Result<json::object> multipliers(const Request& request) {
  double alpha = TRY(request.params.probability_or("alpha", 0.05));
  std::vector<double> tunings{5000, 10000};
  std::vector<double> totals{1000, 5000, 10000, 50000, 100000};
  if (request.params.has("tunings")) tunings = TRY(request.params.numbers("tunings"));
  if (request.params.has("tuning")) tunings = {TRY(request.params.above("tuning", 0))};
  if (request.params.has("n_totals")) totals = TRY(request.params.numbers("n_totals"));
  json::object result;
  for (double tuning : tunings) {
    if (tuning <= 0) return wrong("params.tunings", fmt::format("{} is not above 0", tuning));
    json::object by_total;
    for (double total : totals) {
      if (total <= 0) return wrong("params.n_totals", fmt::format("{} is not above 0", total));
      by_total[fmt::format("{}", total)] = sequential_multiplier(total, alpha, tuning);
    }
    result[fmt::format("tuning_{}", tuning)] = std::move(by_total);
  }
  result["fixed"] = -normal_quantile(alpha / 2);
  return result;
}

Result<json::object> two_proportions(const Request& request) {
  double alpha = TRY(request.params.probability_or("alpha", 0.05));
  if (TRY(read_difference(request.params)) != Difference::absolute)
    return wrong("params.difference", "this test compares absolute differences");
  Pair pair = TRY(read_pair(request.all));
  if (!pair.control || pair.shape != MetricShape::proportion)
    return wrong("control.type", "this test compares arms of type `proportion`");
  TestResult test = two_proportion_test(*pair.control, *pair.treatment, alpha);
  json::object result = shown(test, {.reason = Reason::no_units}, pair.moments);
  return result;
}

Result<json::object> bayesian(const Request& request) {
  Comparison read = TRY(comparison_of(request));
  std::optional<Prior> prior = TRY(read_prior(request.params, "prior"));
  bool lower_is_better = TRY(request.params.flag_or("lower_is_better", false));
  Posterior posterior = bayesian_reading(read.effect, read.alpha, prior, lower_is_better);
  json::object result;
  put_status(result, posterior.reason);
  result["estimate"] = posterior.mean;
  result["sd"] = posterior.deviation;
  result["ci"] = interval(posterior.lower, posterior.upper);
  result["lower"] = result["ci_lower"] = posterior.lower;
  result["upper"] = result["ci_upper"] = posterior.upper;
  result["chance_to_win"] = posterior.chance_to_win;
  result["risk"] = json::array{posterior.loss.of_control, posterior.loss.of_treatment};
  result["risk_control"] = posterior.loss.of_control;
  result["risk_treatment"] = posterior.loss.of_treatment;
  put_means(result, read.pair.moments);
  return result;
}

Result<json::object> loss(const Request& request) {
  Fields posterior = TRY(request.all.object("posterior"));
  double mean = TRY(posterior.number("mean"));
  double deviation = TRY(posterior.above("sd", 0));
  Loss found = expected_loss(mean, deviation, TRY(request.params.flag_or("lower_is_better", false)));
  return json::object{{"risk", json::array{found.of_control, found.of_treatment}},
                      {"risk_control", found.of_control},
                      {"risk_treatment", found.of_treatment}};
}

json::object shown_effect(const Effect& effect) {
  json::object result;
  put_status(result, effect.reason);
  result["estimate"] = effect.estimate;
  result["se"] = effect.standard_error;
  return result;
}

// Raw values of a ratio with CUPED: num_post_a, den_post_a, num_pre_a, den_pre_a and the same of b. Several
// treatments share what they do not name: num_post_b_x and num_post_b_y are two, with the one den_post_b.
// theta as given.
Result<ArmSums> raw_arm(const Fields& raw, const std::string& arm, const std::string& treatment) {
  std::vector<std::vector<double>> columns;
  for (const char* column : {"num_post", "den_post", "num_pre", "den_pre"}) {
    std::string key = fmt::format("{}_{}", column, arm);
    if (!treatment.empty() && raw.has(key + "_" + treatment)) key += "_" + treatment;
    columns.push_back(TRY(raw.numbers(key)));
    if (columns.back().size() != columns.front().size())
      return wrong(raw.path_of(key),
                   fmt::format("{} values, num_post has {}", columns.back().size(), columns.front().size()));
  }
  ArmSums sums;
  for (size_t unit = 0; unit < columns[0].size(); ++unit)
    sums.add_unit({columns[0][unit], columns[1][unit], columns[2][unit], columns[3][unit]});
  return sums;
}

Result<json::object> raw_effect(const Request& request, Difference difference) {
  // What the coefficient is when the request fixes none: a round one, so that numbers of hand can be
  // compared.
  constexpr double fixed_theta = 0.5;
  Fields raw = TRY(request.all.object("raw"));
  double theta = TRY(request.params.number_or("theta", fixed_theta));
  TRY_VOID(request.params.probability_or("alpha", 0.05));  // a standard error needs none
  ArmSums control = TRY(raw_arm(raw, "a", ""));
  const std::string start = "num_post_b";
  json::object result;
  for (const auto& [key, values] : raw.raw()) {
    std::string name(key);
    if (!name.starts_with(start)) continue;
    std::string treatment = name.size() > start.size() ? name.substr(start.size() + 1) : "";
    ArmSums sums = TRY(raw_arm(raw, "b", treatment));
    json::object found =
        shown_effect(effect_of(pair_moments(control, sums, MetricShape::ratio_adjusted, theta), difference));
    if (treatment.empty()) return found;
    result[treatment] = std::move(found);
  }
  return result;
}

Result<json::object> effect(const Request& request) {
  Difference difference = TRY(read_difference(request.params));
  if (request.all.has("raw")) return raw_effect(request, difference);
  Comparison read = TRY(comparison_of(request));
  json::object result = shown_effect(read.effect);
  put_means(result, read.pair.moments);
  return result;
}

Result<json::object> stratified(const Request& request) {
  std::vector<Stratum> strata;
  std::optional<MetricShape> shape;
  for (const Fields& cell : TRY(request.all.objects("cells"))) {
    ReadArm control = TRY(read_arm(TRY(cell.object("control"))));
    ReadArm treatment = TRY(read_arm(TRY(cell.object("treatment"))));
    if (!shape) shape = control.shape;
    if (control.shape != *shape || treatment.shape != *shape)
      return wrong(cell.path_of("treatment.type"), "all arms of all cells have one type");
    strata.push_back({control.sums, treatment.sums});
  }
  if (strata.empty()) return wrong("cells", "is empty");
  json::object result;
  for (Difference difference : {Difference::relative, Difference::absolute})
    result[difference == Difference::relative ? "relative" : "absolute"] =
        shown_effect(post_stratified_effect(strata, *shape, difference));
  return result;
}

Result<json::object> guardrail(const Request& request) {
  Comparison read = TRY(comparison_of(request));
  double margin = TRY(request.params.at_least("margin", 0));
  TestResult test = welch_test(read.effect, read.alpha);
  if (request.params.has("tuning"))
    test = sequential_test(read.effect, read.alpha, TRY(request.params.above("tuning", 0)));
  Reading reading{.metric = "",
                  .reason = test.reason,
                  .lower = test.lower,
                  .upper = test.upper,
                  .lower_is_better = TRY(request.params.flag_or("lower_is_better", false))};
  GuardrailState state = guardrail_state(reading, margin);
  json::object result = shown(test, read.effect, read.pair.moments);
  result["guardrail"] = state == GuardrailState::harmless  ? "harmless"
                        : state == GuardrailState::harmful ? "harmful"
                                                           : "open";
  return result;
}

}  // namespace

void add_comparison_methods(Methods& methods) {
  methods["t_two_sided"] = fixed_sample<Side::two>;
  methods["t_one_sided_greater"] = fixed_sample<Side::greater>;
  methods["t_one_sided_less"] = fixed_sample<Side::less>;
  methods["two_proportion_chi2"] = two_proportions;
  methods["sequential_two_sided"] = sequential<Side::two>;
  methods["sequential_one_sided_greater"] = sequential<Side::greater>;
  methods["sequential_one_sided_less"] = sequential<Side::less>;
  methods["sequential_two_sided_property"] = sequential_widths;
  methods["confidence_sequence_multiplier"] = multipliers;
  methods["hybrid"] = hybrid;
  methods["bayes_gaussian"] = bayesian;
  methods["expected_loss"] = loss;
  methods["effect"] = effect;
  methods["post_stratified"] = stratified;
  methods["non_inferiority"] = guardrail;
}

}  // namespace tidemark::experiments::calculator
