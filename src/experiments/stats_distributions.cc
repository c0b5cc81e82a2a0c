#include "experiments/stats_distributions.h"

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/tools/toms748_solve.hpp>

namespace tidemark::experiments {
namespace {

namespace math = boost::math;
using Quiet = math::policies::policy<math::policies::domain_error<math::policies::ignore_error>,
                                     math::policies::pole_error<math::policies::ignore_error>,
                                     math::policies::overflow_error<math::policies::ignore_error>,
                                     math::policies::underflow_error<math::policies::ignore_error>,
                                     math::policies::evaluation_error<math::policies::ignore_error>,
                                     math::policies::rounding_error<math::policies::ignore_error>,
                                     math::policies::promote_double<false>>;
using Normal = math::normal_distribution<double, Quiet>;
using Student = math::students_t_distribution<double, Quiet>;
using ChiSquare = math::chi_squared_distribution<double, Quiet>;

constexpr int root_bits = 42;  // of the 53 of a double: roots of functions that are themselves rounded
constexpr std::uintmax_t root_steps_max = 200;

}  // namespace

double normal_density(double z) {
  return math::pdf(Normal(), z);
}

double normal_cumulative(double z) {
  return math::cdf(Normal(), z);
}

double normal_survival(double z) {
  return math::cdf(math::complement(Normal(), z));
}

double normal_quantile(double probability) {
  return math::quantile(Normal(), probability);
}

double student_cumulative(double t, double degrees_of_freedom) {
  return math::cdf(Student(degrees_of_freedom), t);
}

double student_survival(double t, double degrees_of_freedom) {
  return math::cdf(math::complement(Student(degrees_of_freedom), t));
}

double student_quantile(double probability, double degrees_of_freedom) {
  return math::quantile(Student(degrees_of_freedom), probability);
}

double chi_square_survival(double x, double degrees_of_freedom) {
  return math::cdf(math::complement(ChiSquare(degrees_of_freedom), x));
}

double log_gamma(double x) {
  return math::lgamma(x, Quiet());
}

std::optional<double> root_between(const std::function<double(double)>& function, double low, double high) {
  double at_low = function(low);
  double at_high = function(high);
  if (at_low == 0) return low;
  if (at_high == 0) return high;
  if ((at_low < 0) == (at_high < 0)) return std::nullopt;
  std::uintmax_t steps = root_steps_max;
  auto [left, right] = math::tools::toms748_solve(
      function, low, high, at_low, at_high, math::tools::eps_tolerance<double>(root_bits), steps, Quiet());
  return left + (right - left) / 2;
}

}  // namespace tidemark::experiments
