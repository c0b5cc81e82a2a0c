// Before and during an experiment: power, smallest effects, sample sizes, what is left.
#include "experiments/calculator_fields.h"
#include "experiments/stats_group_sequential.h"
#include "experiments/stats_power.h"

#include <cmath>
#include <fmt/format.h>

namespace tidemark::experiments::calculator {
namespace {

constexpr int64_t arms_max = 1000;
constexpr int64_t weeks_max = 520;

Result<int> read_arms(const Fields& params, int64_t standard) {
  int64_t arms = TRY(params.count_or("arms", standard));
  if (arms < 2 || arms > arms_max)
    return wrong(params.path_of("arms"), fmt::format("{} is not between 2 and {}", arms, arms_max));
  return static_cast<int>(arms);
}

// 0, as nothing at all: a fixed-sample test.
Result<std::optional<double>> read_tuning(const Fields& params) {
  double tuning = TRY(params.number_or("tuning", 0));
  if (tuning < 0) return wrong(params.path_of("tuning"), fmt::format("{} is below 0", tuning));
  return tuning == 0 ? std::nullopt : std::optional<double>(tuning);
}

// mean and variance of a plan's metric: type mean, or proportion (binomial) by its rate.
Status read_metric(const Fields& metric, Plan& plan) {
  std::string type = TRY(metric.text_or("type", "mean"));
  if (type == "mean" || type == "count") {
    plan.mean = TRY(metric.number("mean"));
    if (plan.mean == 0) return wrong(metric.path_of("mean"), "is 0: relative effects need a baseline");
    plan.variance = TRY(metric.above("variance", 0));
    return {};
  }
  if (type != "proportion" && type != "binomial")
    return wrong(metric.path_of("type"), fmt::format("`{}` is neither `mean` nor `proportion`", type));
  plan.mean = TRY(metric.probability(metric.has("rate") ? "rate" : "mean"));
  plan.variance = plan.mean * (1 - plan.mean);
  // A variance that was measured is not thrown away.
  if (metric.has("variance")) plan.variance = TRY(metric.above("variance", 0));
  return {};
}

Result<Plan> read_plan(const Fields& params) {
  Plan plan;
  TRY_VOID(read_metric(params, plan));
  int arms = TRY(read_arms(params, 2));
  plan.units_per_arm = TRY(params.above("n_total", 0)) / arms;
  plan.alpha = TRY(params.probability_or("alpha", 0.05));
  plan.tuning = TRY(read_tuning(params));
  plan.prior = TRY(read_prior(params, "prior_relative"));
  return plan;
}

Result<double> read_wished(const Fields& params, const std::string& key, double alpha) {
  double wished = TRY(params.probability_or(key, 0.8));
  if (wished <= alpha)
    return wrong(params.path_of(key), fmt::format("{} is not above alpha ({})", wished, alpha));
  return wished;
}

json::value shown(const std::optional<double>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

Result<double> planned_power(const Fields& params, const Plan& plan) {
  return power(plan, TRY(params.number("effect_relative")));
}

Result<json::value> planned_effect(const Fields& params, const Plan& plan) {
  return shown(smallest_effect(plan, TRY(read_wished(params, "power", plan.alpha))));
}

Result<json::object> power_only(const Request& request) {
  Plan plan = TRY(read_plan(request.params));
  return json::object{{"power", TRY(planned_power(request.params, plan))}};
}

Result<json::object> effect_only(const Request& request) {
  Plan plan = TRY(read_plan(request.params));
  return json::object{{"mde_relative", TRY(planned_effect(request.params, plan))}};
}

Result<json::object> power_and_effect(const Request& request) {
  Plan plan = TRY(read_plan(request.params));
  return json::object{{"power", TRY(planned_power(request.params, plan))},
                      {"mde_relative", TRY(planned_effect(request.params, plan))}};
}

// Power and smallest effect after each week; the first week in which the power, rounded to whole per cents,
// is reached.
Result<json::object> weeks(const Request& request) {
  const Fields& params = request.params;
  double per_week = TRY(params.above("users_per_week", 0));
  int64_t count = TRY(params.count("weeks"));
  if (count < 1 || count > weeks_max)
    return wrong("params.weeks", fmt::format("{} is not between 1 and {}", count, weeks_max));
  int arms = TRY(read_arms(params, 2));
  double alpha = TRY(params.probability_or("alpha", 0.05));
  double wished = TRY(read_wished(params, "target_power", alpha));
  auto tuning = TRY(read_tuning(params));
  auto prior = TRY(read_prior(params, "prior_relative"));
  json::object powers;
  json::object effects;
  json::object firsts;
  for (const Fields& metric : TRY(params.objects("metrics"))) {
    std::string name = TRY(metric.text("name"));
    double effect = TRY(metric.number("effect_relative"));
    Plan plan{.alpha = alpha, .tuning = tuning, .prior = prior};
    TRY_VOID(read_metric(metric, plan));
    json::array power_by_week;
    json::array effect_by_week;
    json::value first(nullptr);
    for (int64_t week = 1; week <= count; ++week) {
      plan.units_per_arm = per_week * static_cast<double>(week) / arms;
      double reached = power(plan, effect);
      power_by_week.emplace_back(reached);
      effect_by_week.push_back(shown(smallest_effect(plan, wished)));
      if (first.is_null() && std::round(reached * 100) / 100 >= wished) first = week;
    }
    powers[name] = std::move(power_by_week);
    effects[name] = std::move(effect_by_week);
    firsts[name] = std::move(first);
  }
  return json::object{
      {"power", std::move(powers)}, {"mde", std::move(effects)}, {"first_week_powered", std::move(firsts)}};
}

Result<json::object> variance_of_effect(const Request& request) {
  Fields inputs = TRY(request.all.object("inputs"));
  PlannedArm control{TRY(inputs.number("mean_a")), TRY(inputs.above("var_a", 0)),
                     TRY(inputs.above("n_a", 0))};
  PlannedArm treatment{TRY(inputs.number("mean_b")), TRY(inputs.above("var_b", 0)),
                       TRY(inputs.above("n_b", 0))};
  json::object result{{"absolute", effect_variance(control, treatment, Difference::absolute)}};
  result["relative"] = control.mean == 0
                           ? json::value(nullptr)
                           : json::value(effect_variance(control, treatment, Difference::relative));
  return result;
}

Result<json::object> sample_size(const Request& request) {
  const Fields& params = request.params;
  std::string kind = TRY(params.text("kind"));
  double effect = TRY(params.number("absolute_mde"));
  if (effect == 0) return wrong("params.absolute_mde", "is 0: no sample is large enough");
  double alpha = TRY(params.probability_or("alpha", 0.05));
  double wished = TRY(read_wished(params, "power", alpha));
  int arms = TRY(read_arms(params, 2));
  if (kind == "mean")
    return json::object{
        {"n_total", sample_size_mean(effect, TRY(params.above("variance", 0)), alpha, wished, arms)}};
  if (kind != "proportion")
    return wrong("params.kind", fmt::format("`{}` is neither `mean` nor `proportion`", kind));
  double baseline = TRY(params.probability("baseline"));
  if (baseline + effect <= 0 || baseline + effect >= 1)
    return wrong("params.absolute_mde", fmt::format("takes the proportion to {}", baseline + effect));
  return json::object{{"n_total", sample_size_proportion(baseline, effect, alpha, wished, arms)}};
}

Result<json::object> mid_experiment(const Request& request) {
  const Fields& params = request.params;
  Difference difference = TRY(read_difference(params));
  Target target;
  target.alpha = TRY(params.probability_or("alpha", 0.05));
  target.power = TRY(read_wished(params, "target_power", target.alpha));
  target.effect = TRY(params.number("target_mde"));
  target.tuning = TRY(read_tuning(params));
  target.prior = TRY(read_prior(params, "prior"));
  target.goals = static_cast<int>(std::min<int64_t>(TRY(params.count_or("goals", 1)), arms_max));
  target.tests = static_cast<int>(std::min<int64_t>(TRY(params.count_or("tests", 1)), arms_max));
  if (target.goals < 1) return wrong("params.goals", "is 0");
  if (target.tests < 1) return wrong("params.tests", "is 0");
  if (target.effect == 0) return wrong("params.target_mde", "is 0: no experiment finds that");
  Pair pair = TRY(read_pair(request.all));
  Effect effect = effect_of(pair.moments, difference);
  json::object result;
  put_status(result, effect.reason);
  if (effect.reason != Reason::none) {
    result["scaling_factor"] = nullptr;
    return result;
  }
  Remaining found = remaining(effect, target);
  result["scaling_factor"] = shown(found.scaling_factor);
  result["power_at_factor"] = found.power_then;
  result["power_now"] = found.power_now;
  result["relative_variance"] = effect.standard_error * effect.standard_error;
  if (found.scaling_factor)
    result["additional_users"] = std::ceil(*found.scaling_factor * static_cast<double>(effect.units));
  if (params.has("users_per_day"))
    result["days_left"] = shown(days_left(found, effect.units, TRY(params.above("users_per_day", 0))));
  return result;
}

Result<json::object> group_sequential(const Request& request) {
  const Fields& params = request.params;
  double alpha = TRY(params.probability_or("alpha", 0.05));
  int64_t sides = TRY(params.count_or("sides", 2));
  if (sides != 1 && sides != 2) return wrong("params.sides", fmt::format("{} is neither 1 nor 2", sides));
  std::string spending = TRY(params.text_or("spending", "alpha*t^2"));
  if (spending != "alpha*t^2")
    return wrong("params.spending", fmt::format("`{}`: alpha*t^2 is the one there is", spending));
  double planned = TRY(params.above("final_expected_total", 0));
  std::vector<int64_t> control = TRY(request.all.counts("n_control"));
  std::vector<int64_t> treatment = TRY(request.all.counts("n_treatment"));
  if (control.size() != treatment.size()) return wrong("n_treatment", "not as many looks as n_control");
  if (control.size() > group_sequential_looks_max)
    return wrong("n_control",
                 fmt::format("{} looks, at most {}", control.size(), group_sequential_looks_max));
  std::vector<double> units;
  for (size_t look = 0; look < control.size(); ++look) {
    units.push_back(static_cast<double>(control[look] + treatment[look]));
    if (units.back() <= (look == 0 ? 0 : units[look - 1]))
      return wrong(fmt::format("n_control[{}]", look), "no more units than at the look before");
  }
  json::array alphas;
  for (double found : group_sequential_alphas(alpha, static_cast<int>(sides), units, planned))
    alphas.emplace_back(found);
  return json::object{{"adjusted_alpha", std::move(alphas)}};
}

}  // namespace

void add_power_methods(Methods& methods) {
  methods["power_frequentist"] = power_only;
  methods["power_sequential"] = power_only;
  methods["mde_frequentist"] = effect_only;
  methods["mde_sequential"] = effect_only;
  methods["power_and_mde"] = power_and_effect;
  methods["power_and_mde_sequential"] = power_and_effect;
  methods["power_weeks"] = weeks;
  methods["power_weeks_bayes"] = weeks;
  methods["delta_variance"] = variance_of_effect;
  methods["sample_size"] = sample_size;
  methods["mid_experiment_scaling"] = mid_experiment;
  methods["group_sequential_power_family"] = group_sequential;
}

}  // namespace tidemark::experiments::calculator
