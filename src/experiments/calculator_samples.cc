// Sums of small samples, sample-ratio mismatch, corrections, shares of traffic.
#include "experiments/calculator_fields.h"
#include "experiments/stats_bandit.h"
#include "experiments/stats_correction.h"
#include "experiments/stats_sample_ratio.h"

#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace tidemark::experiments::calculator {
namespace {

// One arm with two variables: the first as value, the second as the value before.
Result<ArmSums> sums_of(const Fields& request, const char* first, const char* second) {
  std::vector<double> values = TRY(request.numbers(first));
  std::vector<double> others = second == nullptr ? values : TRY(request.numbers(second));
  if (values.size() != others.size())
    return wrong(second, fmt::format("{} values, {} has {}", others.size(), first, values.size()));
  ArmSums sums;
  for (size_t unit = 0; unit < values.size(); ++unit) sums.add_unit({values[unit], 0, others[unit], 0});
  return sums;
}

Result<json::object> sufficient_statistics(const Request& request) {
  ArmSums sums = TRY(sums_of(request.all, "values", nullptr));
  return json::object{{"n", sums.units},
                      {"sum", sums.sum[value]},
                      {"sum_squares", sums.products[value][value]},
                      {"mean", sums.mean(value)},
                      {"variance", covariance(sums, value, value, false)}};
}

// Both arms have these values: theta is estimated over the pair.
Result<json::object> theta(const Request& request) {
  ArmSums sums = TRY(sums_of(request.all, "post", "pre"));
  return json::object{{"theta", cuped_theta(sums, sums, MetricShape::mean_adjusted)}};
}

Result<json::object> sample_covariance(const Request& request) {
  ArmSums sums = TRY(sums_of(request.all, "x", "y"));
  return json::object{{"covariance", covariance(sums, value, value_before, false)}};
}

// Mean and deviation of every arm against the first, with theta of its pair; the first with that of the last
// pair.
Result<json::object> adjusted_deviations(const Request& request) {
  std::vector<ReadArm> arms;
  for (const Fields& arm : TRY(request.all.objects("arms"))) arms.push_back(TRY(read_arm(arm)));
  if (arms.size() < 2) return wrong("arms", "fewer than two");
  json::array deviations;
  json::array means;
  auto put = [&](const ArmMoments& moments) {
    deviations.emplace_back(std::sqrt(std::max(0.0, moments.variance)));
    means.emplace_back(moments.unadjusted_mean);
  };
  put(pair_moments(arms.front().sums, arms.back().sums, arms.front().shape).control);
  for (size_t arm = 1; arm < arms.size(); ++arm) {
    if (arms[arm].shape != arms.front().shape)
      return wrong(fmt::format("arms[{}].type", arm), "not the first arm's");
    put(pair_moments(arms.front().sums, arms[arm].sums, arms[arm].shape).treatment);
  }
  return json::object{{"stddev", std::move(deviations)}, {"mean", std::move(means)}};
}

Result<json::object> mismatch(const Request& request) {
  std::vector<int64_t> observed = TRY(request.all.counts("observed"));
  std::vector<double> weights = TRY(request.all.numbers("weights"));
  if (weights.size() < observed.size())
    return wrong("weights", fmt::format("{} weights for {} arms", weights.size(), observed.size()));
  for (size_t arm = 0; arm < weights.size(); ++arm)
    if (weights[arm] < 0)
      return wrong(fmt::format("weights[{}]", arm), fmt::format("{} is below 0", weights[arm]));
  SampleRatio found = sample_ratio(observed, weights);
  return json::object{{"p_value", found.p_value},
                      {"chi_square", found.chi_square},
                      {"degrees_of_freedom", found.degrees_of_freedom},
                      {"always_valid_p_value", found.always_valid_p_value},
                      {"alarm", found.alarm()}};
}

template <std::vector<double> (*correction)(const std::vector<double>&)>
Result<json::object> corrected(const Request& request) {
  std::vector<double> p_values = TRY(request.all.numbers("p_values"));
  for (size_t i = 0; i < p_values.size(); ++i)
    if (p_values[i] < 0 || p_values[i] > 1)
      return wrong(fmt::format("p_values[{}]", i), fmt::format("{} is not a probability", p_values[i]));
  json::array adjusted;
  for (double found : correction(p_values)) adjusted.emplace_back(found);
  return json::object{{"adjusted", std::move(adjusted)}};
}

Result<json::object> bandit(const Request& request) {
  const Fields& params = request.params;
  // Four unequal arms and a floor that leaves no room: what the rule is shown with when nothing is given.
  std::vector<double> weights{4, 3, 2, 1};
  std::vector<double> floors{0.5};
  if (params.has("weights")) weights = TRY(params.numbers("weights"));
  if (params.has("floors")) floors = TRY(params.numbers("floors"));
  if (params.has("floor")) floors = {TRY(params.number("floor"))};
  for (size_t arm = 0; arm < weights.size(); ++arm)
    if (weights[arm] < 0)
      return wrong(fmt::format("params.weights[{}]", arm), fmt::format("{} is below 0", weights[arm]));
  if (!(std::accumulate(weights.begin(), weights.end(), 0.0) > 0))
    return wrong("params.weights", "their sum is 0");
  json::object result{{"rule", "p_i = f + (1 - n*f) * w_i; n*f >= 1 -> uniform; f < 0 -> f = 0"}};
  for (double floor : floors) {
    json::array shares;
    for (double share : floored_shares(weights, floor)) shares.emplace_back(share);
    result[fmt::format("f={}", floor)] = std::move(shares);
  }
  return result;
}

}  // namespace

void add_sample_methods(Methods& methods) {
  methods["sufficient_statistics"] = sufficient_statistics;
  methods["cuped_theta"] = theta;
  methods["covariance"] = sample_covariance;
  methods["cuped_adjusted_stddev"] = adjusted_deviations;
  methods["srm_chi2"] = mismatch;
  methods["holm"] = corrected<holm>;
  methods["benjamini_hochberg"] = corrected<benjamini_hochberg>;
  methods["bandit_weight_floor"] = bandit;
}

}  // namespace tidemark::experiments::calculator
