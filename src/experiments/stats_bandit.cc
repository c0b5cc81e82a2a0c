#include "experiments/stats_bandit.h"

#include <numeric>

namespace tidemark::experiments {

std::vector<double> floored_shares(const std::vector<double>& weights, double floor) {
  auto arms = static_cast<double>(weights.size());
  floor = std::min(std::max(floor, 0.0), 1 / arms);
  double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> shares;
  for (double weight : weights) shares.push_back(floor + (1 - arms * floor) * weight / total);
  return shares;
}

}  // namespace tidemark::experiments
