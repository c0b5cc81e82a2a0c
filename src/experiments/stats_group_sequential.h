// Group-sequential looks: a plan of a few looks (weekly, say) that spends alpha along the way, by the power
// family alpha(t) = alpha t^2 of Lan and DeMets; t is the share of the planned units that are in. Narrower
// than the always-valid intervals of stats_sequential.h when looks are few, but the test at look k must be
// made exactly once.
//
// The boundary of look k is where the chance of crossing it first there is alpha(t_k) - alpha(t_(k-1)). The
// joint distribution of the looks is that of Brownian motion at t; the part that has not crossed is carried
// from look to look by numeric integration (Armitage, McPherson, Rowe 1969), Simpson's rule with enough
// points that halving them changes the sixth digit at most.
//
// More units than planned: t is taken from the largest number of units, so that the last look spends all of
// alpha.
//
// Assumptions: normal means; looks planned without regard to what they show. Sources: Lan and DeMets 1983;
// Kim and DeMets 1987.
#pragma once

#include <vector>

namespace tidemark::experiments {

constexpr size_t group_sequential_looks_max = 100;  // each costs a few million operations

// The alpha at which look k's own two-sided (or one-sided) test is made, for each look. `units`: of both arms
// at each look, above 0 and rising. alpha in (0, 1); sides 1 or 2.
std::vector<double> group_sequential_alphas(double alpha, int sides, const std::vector<double>& units,
                                            double planned_units);

}  // namespace tidemark::experiments
