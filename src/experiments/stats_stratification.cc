#include "experiments/stats_stratification.h"

#include "base/invariant.h"

#include <cmath>
#include <limits>

namespace tidemark::experiments {
namespace {

int64_t units_of(const Stratum& stratum) {
  return stratum.control.units + stratum.treatment.units;
}

void merge(Stratum& into, const Stratum& from) {
  into.control += from.control;
  into.treatment += from.treatment;
}

bool is_usable(const Stratum& stratum, MetricShape shape) {
  return pair_moments(stratum.control, stratum.treatment, shape).reason == Reason::none;
}

// Strata with variance in both arms; the others added to the largest of all.
std::vector<Stratum> usable_strata(std::vector<Stratum> strata, MetricShape shape) {
  std::stable_sort(strata.begin(), strata.end(), [](const Stratum& left, const Stratum& right) {
    return units_of(left) > units_of(right);
  });
  std::vector<Stratum> usable;
  for (const Stratum& stratum : strata) {
    if (usable.empty() || is_usable(stratum, shape))
      usable.push_back(stratum);
    else
      merge(usable.front(), stratum);
  }
  // The largest itself may have none, and what was added to it may not have helped.
  while (usable.size() > 1 && !is_usable(usable.front(), shape)) {
    Stratum largest = usable.front();
    usable.erase(usable.begin());
    merge(usable.front(), largest);
  }
  return usable;
}

}  // namespace

Effect post_stratified_effect(const std::vector<Stratum>& strata, MetricShape shape, Difference difference) {
  INVARIANT(shape == MetricShape::mean || shape == MetricShape::proportion);
  std::vector<Stratum> usable = usable_strata(strata, shape);
  if (usable.size() < 2) {
    Stratum all = usable.empty() ? Stratum{} : usable.front();
    return effect_of(pair_moments(all.control, all.treatment, shape), difference);
  }
  Effect effect;
  effect.difference = difference;
  for (const Stratum& stratum : usable) effect.units += units_of(stratum);
  auto all = static_cast<double>(effect.units);
  double base = 0;
  double change = 0;
  double base_squares = 0;
  double products = 0;
  double change_squares = 0;
  double of_control = 0;
  double of_treatment = 0;
  for (const Stratum& stratum : usable) {
    PairMoments pair = pair_moments(stratum.control, stratum.treatment, shape);
    auto units = static_cast<double>(units_of(stratum));
    double share = units / all;
    double step = pair.treatment.mean - pair.control.mean;
    base += share * pair.control.mean;
    change += share * step;
    base_squares += share * pair.control.mean * pair.control.mean;
    products += share * pair.control.mean * step;
    change_squares += share * step * step;
    of_control += share * pair.control.variance * units / static_cast<double>(pair.control.units);
    of_treatment += share * pair.treatment.variance * units / static_cast<double>(pair.treatment.units);
  }
  double base_variance = (of_control + base_squares - base * base) / all;
  double together = (-of_control + products - base * change) / all;
  double change_variance = (of_control + of_treatment + change_squares - change * change) / all;
  effect.control_mean = base;
  effect.degrees_of_freedom = std::numeric_limits<double>::infinity();
  if (difference == Difference::absolute) {
    effect.estimate = change;
    effect.standard_error = std::sqrt(change_variance);
  } else if (base == 0) {
    effect.reason = Reason::control_mean_zero;
  } else {
    double slope = -change / base;  // of change / base by base, times base
    effect.estimate = change / std::abs(base);
    effect.standard_error =
        std::sqrt(change_variance + 2 * slope * together + slope * slope * base_variance) / std::abs(base);
  }
  return effect;
}

}  // namespace tidemark::experiments
