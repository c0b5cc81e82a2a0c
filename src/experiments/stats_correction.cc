#include "experiments/stats_correction.h"

#include "experiments/stats_distributions.h"

#include <cmath>
#include <numeric>

namespace tidemark::experiments {
namespace {

std::vector<size_t> ascending(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t left, size_t right) { return p_values[left] < p_values[right]; });
  return order;
}

}  // namespace

std::vector<double> holm(const std::vector<double>& p_values) {
  std::vector<double> adjusted(p_values.size());
  double reached = 0;
  size_t left = p_values.size();
  for (size_t place : ascending(p_values)) {
    reached = std::max(reached, std::min(1.0, p_values[place] * static_cast<double>(left--)));
    adjusted[place] = reached;
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(const std::vector<double>& p_values) {
  std::vector<double> adjusted(p_values.size());
  auto all = static_cast<double>(p_values.size());
  std::vector<size_t> order = ascending(p_values);
  double reached = 1;
  for (size_t rank = order.size(); rank > 0; --rank) {
    size_t place = order[rank - 1];
    // The quotient first: it is 1 or more, so that no p-value shrinks by a rounding.
    reached = std::min(reached, p_values[place] * (all / static_cast<double>(rank)));
    adjusted[place] = reached;
  }
  return adjusted;
}

std::optional<AdjustedInterval> adjusted_interval(double estimate, double adjusted_p_value, double alpha) {
  if (!(adjusted_p_value > 0) || !(adjusted_p_value < 1) || estimate == 0) return std::nullopt;
  double error = std::abs(estimate) / -normal_quantile(adjusted_p_value / 2);
  double half = -normal_quantile(alpha / 2) * error;
  return AdjustedInterval{estimate - half, estimate + half};
}

}  // namespace tidemark::experiments
