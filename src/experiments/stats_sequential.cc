#include "experiments/stats_sequential.h"

#include "experiments/stats_distributions.h"

#include <cmath>
#include <limits>

namespace tidemark::experiments {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double two_sided_multiplier(double units, double alpha, double rho_squared) {
  double grown = units * rho_squared + 1;
  // ln(sqrt(g)/alpha) in parts: no overflow, no loss
  return std::sqrt(2 * grown / (units * rho_squared) * (std::log(grown) / 2 - std::log(alpha)));
}

double one_sided_multiplier(double units, double alpha, double rho_squared) {
  double grown = units * rho_squared + 1;
  return std::sqrt(2 * grown / (units * rho_squared) * std::log1p(std::sqrt(grown) / (2 * alpha)));
}

double two_sided_p(const Effect& effect, double rho_squared) {
  auto units = static_cast<double>(effect.units);
  double grown = units * rho_squared + 1;
  double z = effect.estimate / effect.standard_error;
  double log_evidence = rho_squared * units * z * z / (2 * grown) - std::log(grown) / 2;
  return std::min(1.0, std::exp(-log_evidence));
}

// `z`: the effect in standard errors, positive in the direction that is asked for.
double one_sided_p(double z, double units, double rho_squared) {
  auto distance = [&](double alpha) { return one_sided_multiplier(units, alpha, rho_squared) - z; };
  if (distance(one_sided_p_max) >= 0) return one_sided_p_max;
  if (distance(one_sided_p_min) <= 0) return one_sided_p_min;
  return root_between(distance, one_sided_p_min, one_sided_p_max).value_or(one_sided_p_max);
}

}  // namespace

double sequential_rho_squared(double alpha, double tuning) {
  double evidence = -2 * std::log(alpha);
  return (evidence + std::log1p(evidence)) / tuning;
}

double sequential_multiplier(double units, double alpha, double tuning) {
  return two_sided_multiplier(units, alpha, sequential_rho_squared(alpha, tuning));
}

double tuning_of_mixture(double alpha, double mixture_variance, double observation_variance) {
  return sequential_rho_squared(alpha, 1) * observation_variance / mixture_variance;
}

TestResult sequential_test(const Effect& effect, double alpha, double tuning, Side side) {
  TestResult result;
  result.reason = effect.reason;
  if (effect.reason != Reason::none) return result;
  auto units = static_cast<double>(effect.units);
  result.estimate = effect.estimate;
  result.standard_error = effect.standard_error;
  double rho_squared = sequential_rho_squared(side == Side::two ? alpha : 2 * alpha, tuning);
  double multiplier = side == Side::two ? two_sided_multiplier(units, alpha, rho_squared)
                                        : one_sided_multiplier(units, alpha, rho_squared);
  double half = multiplier * effect.standard_error;
  result.lower = side == Side::less ? -infinity : effect.estimate - half;
  result.upper = side == Side::greater ? infinity : effect.estimate + half;
  double z = effect.estimate / effect.standard_error;
  result.p_value = side == Side::two ? two_sided_p(effect, rho_squared)
                                     : one_sided_p(side == Side::greater ? z : -z, units, rho_squared);
  return result;
}

TestResult hybrid_test(const Effect& effect, double alpha, double tuning, int64_t planned_units) {
  return effect.units < planned_units ? sequential_test(effect, alpha / 2, tuning)
                                      : welch_test(effect, alpha / 2);
}

}  // namespace tidemark::experiments
