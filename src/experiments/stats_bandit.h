// Shares of traffic with a floor: p_i = f + (1 - n f) w_i, so that no arm starves and each goes on being
// measured. A floor of 1/n or more leaves equal shares; a negative one counts as 0.
//
// The weights (say, each arm's chance to be best) come from the caller and are normalised here.
#pragma once

#include <vector>

namespace tidemark::experiments {

constexpr double default_bandit_floor = 0.01;

// weights >= 0, their sum above 0.
std::vector<double> floored_shares(const std::vector<double>& weights, double floor = default_bandit_floor);

}  // namespace tidemark::experiments
