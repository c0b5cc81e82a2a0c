// Post-stratification: the effect within strata (country, platform), put together by their share of all
// units. It takes the part of the variance away that comes from arms having, by chance, different mixes.
//
//   share nu_k = units of stratum k / all units N
//   control mean  a = sum nu_k m_Ck,   difference  d = sum nu_k (m_Tk - m_Ck)
//   covariance of (a, d) = sum nu_k V_k / N + (sum nu_k x_k x_k' - x x') / N,   x_k = (m_Ck, m_Tk - m_Ck), x
//   = (a, d) V_k = [ vC, -vC ; -vC, vC + vT ],  vC = s_Ck^2 N_k / n_Ck, vT = s_Tk^2 N_k / n_Tk
//
// The second part is the multinomial variance of the shares. Absolute effect d; relative d / |a| by the delta
// method. Strata in which an arm has no variance are added to the largest stratum; when one is left, that is
// the plain test.
//
// Assumptions: a unit's stratum is known before the exposure and is not moved by the treatment; strata are
// not tiny (some ten units per arm). Normal quantiles, so no degrees of freedom: the effect's are given as
// infinite.
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

// shape: mean or proportion.
Effect post_stratified_effect(const std::vector<Stratum>& strata, MetricShape shape, Difference difference);

}  // namespace tidemark::experiments
