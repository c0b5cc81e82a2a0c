// The distribution functions of the statistics, and the only door to Boost.Math: its headers cost seconds of
// compile time in every file that includes them, and its errors are exceptions by default.
//
// Both tails have a function of their own: 1 - cumulative(8) has no correct digit, survival(8) has them all.
// Arguments are checked by the callers: probabilities lie inside (0, 1), degrees of freedom are above 0. A
// value that breaks this gives NaN or an infinity, never an exception. Accuracy: a few units in the last
// place of a double.
//
// Pure functions; any thread.
#pragma once

#include <functional>
#include <optional>

namespace tidemark::experiments {

double normal_density(double z);
double normal_cumulative(double z);  // P(Z <= z)
double normal_survival(double z);    // P(Z > z)
double normal_quantile(double probability);

double student_cumulative(double t, double degrees_of_freedom);
double student_survival(double t, double degrees_of_freedom);
double student_quantile(double probability, double degrees_of_freedom);

double chi_square_survival(double x, double degrees_of_freedom);

double log_gamma(double x);

// Where a continuous function changes its sign between `low` and `high`, to about 12 digits (TOMS 748,
// Alefeld, Potra and Shi 1995). Nothing when both ends have the same sign.
std::optional<double> root_between(const std::function<double(double)>& function, double low, double high);

}  // namespace tidemark::experiments
