#include "experiments/stats_sample_ratio.h"

#include "base/invariant.h"
#include "experiments/stats_distributions.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

// Pseudo-units of the prior: a mismatch is found fastest around this many times 1/imbalance^2 units.
constexpr double prior_strength = 100;

struct Cell {
  double observed;
  double share;
};

double always_valid_p(const std::vector<Cell>& cells, double total) {
  double log_evidence = log_gamma(prior_strength) - log_gamma(prior_strength + total);
  for (const Cell& cell : cells) {
    double prior = prior_strength * cell.share;
    log_evidence +=
        log_gamma(prior + cell.observed) - log_gamma(prior) - cell.observed * std::log(cell.share);
  }
  return std::min(1.0, std::exp(-log_evidence));
}

}  // namespace

SampleRatio sample_ratio(const std::vector<int64_t>& observed, const std::vector<double>& weights) {
  INVARIANT(weights.size() >= observed.size());
  std::vector<Cell> cells;
  double total = 0;
  double weight_sum = 0;
  for (size_t arm = 0; arm < observed.size(); ++arm) {
    if (!(weights[arm] > 0)) continue;
    cells.push_back({static_cast<double>(observed[arm]), weights[arm]});
    total += static_cast<double>(observed[arm]);
    weight_sum += weights[arm];
  }
  SampleRatio result;
  if (cells.size() < 2 || total == 0) return result;
  for (Cell& cell : cells) {
    cell.share /= weight_sum;
    double expected = cell.share * total;
    result.chi_square += (cell.observed - expected) * (cell.observed - expected) / expected;
  }
  result.degrees_of_freedom = static_cast<int>(cells.size()) - 1;
  result.p_value = chi_square_survival(result.chi_square, result.degrees_of_freedom);
  result.always_valid_p_value = always_valid_p(cells, total);
  return result;
}

bool multiple_exposure_alarm(int64_t multiple_units, int64_t all_units) {
  return multiple_units >= multiple_exposure_units_min &&
         static_cast<double>(multiple_units) >= multiple_exposure_share_min * static_cast<double>(all_units);
}

}  // namespace tidemark::experiments
