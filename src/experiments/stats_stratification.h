// Post-stratification: the effect within strata (country, platform), put together by their share of all
// units. It takes the part of the variance away that comes from arms having, by chance, different mixes.
//
//   share nu_k = units of stratum k / all units N
//   x_k = (b_k, d_k): the control's mean in stratum k and the difference of the arms' means; of ratios, both
//   for the
//         numerator and the denominator; with CUPED the difference is of adjusted means, theta that of the
//         stratum
//   x = sum nu_k x_k,   covariance of x = sum nu_k V_k / N + (sum nu_k x_k x_k' - x x') / N
//   V_k: covariance of x_k times N_k; for a mean [ vC, -vC ; -vC, vC + vT ], vC = s_Ck^2 N_k / n_Ck, vT =
//   s_Tk^2 N_k / n_Tk
//
// The second part is the multinomial variance of the shares. The effect is a function of x (d, or d / |b|; of
// ratios the quotients' difference, or that over |the control's|), its variance by the delta method. Strata
// in which an arm has no variance are added to the largest stratum; when one is left, that is the plain test.
//
// Assumptions: a unit's stratum is known before the exposure and is not moved by the treatment; strata are
// not tiny (some ten units per arm). Normal quantiles, so no degrees of freedom: the effect's are given as
// infinite. Ratios with CUPED are stratified without their CUPED.
//
// Sources: Miratrix, Sekhon, Yu 2013; Xie and Aurisset 2016. Verified against gbstats' vector.
#pragma once

#include "experiments/stats_effect.h"

#include <vector>

namespace tidemark::experiments {

struct Stratum {
  ArmSums control;
  ArmSums treatment;
};

Effect post_stratified_effect(const std::vector<Stratum>& strata, MetricShape shape, Difference difference);

}  // namespace tidemark::experiments
