// Corrections for looking at many metrics and arms at once. The family is goals x arms; guardrails are judged
// apart, because a correction would make a harm harder to see.
//
//   Holm (chance of one or more false alarms in the family): ascending, p_(i) (m - i + 1), running maximum,
//   at most 1 Benjamini-Hochberg (share of false alarms among the alarms): descending, p_(i) m / i, running
//   minimum, at most 1
//
// Both give adjusted p-values in the order of the input, to be compared with alpha. Holm needs no assumption;
// Benjamini-Hochberg holds for independent and for positively dependent tests, which metrics of one
// experiment usually are.
//
// Sources: Holm 1979; Benjamini and Hochberg 1995.
#pragma once

#include <optional>
#include <vector>

namespace tidemark::experiments {

// p-values in [0, 1]
std::vector<double> holm(const std::vector<double>& p_values);
std::vector<double> benjamini_hochberg(const std::vector<double>& p_values);

struct AdjustedInterval {
  double lower = 0;
  double upper = 0;
};
// An interval that agrees with an adjusted p-value: the standard error that would have given that p, se =
// |estimate| / z(1 - p/2), then estimate -+ z(1 - alpha/2) se. A display aid (gbstats has the same), not a
// simultaneous interval. Nothing when the adjusted p is 0 or 1 or the estimate is 0: there is no such
// standard error.
std::optional<AdjustedInterval> adjusted_interval(double estimate, double adjusted_p_value, double alpha);

}  // namespace tidemark::experiments
