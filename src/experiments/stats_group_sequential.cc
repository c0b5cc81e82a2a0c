#include "experiments/stats_group_sequential.h"

#include "base/invariant.h"
#include "experiments/stats_distributions.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

constexpr double boundary_max = 12;  // in standard errors; P(Z > 12) is below 1e-32
constexpr double lowest_deviations =
    8;  // a one-sided test has no lower boundary: what is below this is nothing
constexpr int points_per_deviation = 12;
constexpr int points_max = 2001;

// The density of Brownian motion at one look, where no boundary was crossed before.
struct Surviving {
  double time = 0;
  std::vector<double> place;
  std::vector<double> mass;  // density times Simpson's weight
};

// First look: all mass at 0 at time 0.
Surviving at_start() {
  return {0, {0}, {1}};
}

double crossing(const Surviving& before, double time, double boundary, int sides) {
  double step = std::sqrt(time - before.time);
  double edge = boundary * std::sqrt(time);
  double total = 0;
  for (size_t i = 0; i < before.place.size(); ++i) {
    double chance = normal_survival((edge - before.place[i]) / step);
    if (sides == 2) chance += normal_cumulative((-edge - before.place[i]) / step);
    total += before.mass[i] * chance;
  }
  return total;
}

Surviving carried(const Surviving& before, double time, double boundary, int sides) {
  double step = std::sqrt(time - before.time);
  double high = boundary * std::sqrt(time);
  double low = sides == 2 ? -high : -lowest_deviations * std::sqrt(time);
  // The density is as smooth as the last step is long.
  double wanted = (high - low) / step * points_per_deviation;
  int intervals = static_cast<int>(std::min(std::max(wanted, 200.0), points_max - 1.0));
  intervals += intervals % 2;
  double width = (high - low) / intervals;
  Surviving after{time, {}, {}};
  for (int i = 0; i <= intervals; ++i) {
    double place = low + i * width;
    double density = 0;
    for (size_t j = 0; j < before.place.size(); ++j)
      density += before.mass[j] * normal_density((place - before.place[j]) / step) / step;
    int weight = i == 0 || i == intervals ? 1 : i % 2 == 1 ? 4 : 2;
    after.place.push_back(place);
    after.mass.push_back(density * weight * width / 3);
  }
  return after;
}

}  // namespace

std::vector<double> group_sequential_alphas(double alpha, int sides, const std::vector<double>& units,
                                            double planned_units) {
  INVARIANT(sides == 1 || sides == 2);
  INVARIANT(units.size() <= group_sequential_looks_max);
  if (units.empty()) return {};
  double whole = std::max(planned_units, units.back());
  Surviving surviving = at_start();
  double spent = 0;
  std::vector<double> alphas;
  for (double reached : units) {
    double time = reached / whole;
    double due = alpha * time * time - spent;
    spent += due;
    auto excess = [&](double boundary) { return crossing(surviving, time, boundary, sides) - due; };
    double boundary =
        root_between(excess, sides == 2 ? 0 : -boundary_max, boundary_max).value_or(boundary_max);
    alphas.push_back(sides * normal_survival(boundary));
    surviving = carried(surviving, time, boundary, sides);
  }
  return alphas;
}

}  // namespace tidemark::experiments
