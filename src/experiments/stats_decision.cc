#include "experiments/stats_decision.h"

#include "experiments/stats_sample_ratio.h"

#include <cmath>
#include <fmt/format.h>

namespace tidemark::experiments {
namespace {

enum class Direction { better, worse, open };

Direction direction_of(const Reading& reading) {
  if (reading.reason != Reason::none) return Direction::open;
  if (reading.lower > 0) return reading.lower_is_better ? Direction::worse : Direction::better;
  if (reading.upper < 0) return reading.lower_is_better ? Direction::better : Direction::worse;
  return Direction::open;
}

std::vector<std::string> in_direction(const std::vector<Reading>& readings, Direction direction) {
  std::vector<std::string> names;
  for (const auto& reading : readings)
    if (direction_of(reading) == direction) names.push_back(reading.metric);
  return names;
}

std::vector<std::string> in_state(const std::vector<Guardrail>& guardrails, GuardrailState state) {
  std::vector<std::string> names;
  for (const auto& guardrail : guardrails)
    if (guardrail_state(guardrail.reading, guardrail.margin) == state)
      names.push_back(guardrail.reading.metric);
  return names;
}

bool plan_is_full(const DecisionBasis& basis) {
  return basis.planned_units > 0 && basis.units >= basis.planned_units;
}

bool counts_now(const DecisionBasis& basis) {
  return basis.valid_at_every_look || plan_is_full(basis);
}

bool is_powered(const DecisionBasis& basis) {
  return basis.power_reached ? *basis.power_reached >= basis.power_wished : plan_is_full(basis);
}

std::string units_so_far(const DecisionBasis& basis) {
  return basis.planned_units > 0
             ? fmt::format("{} of {} planned units are in", basis.units, basis.planned_units)
             : fmt::format("{} units are in and no number was planned", basis.units);
}

void add_surroundings(const DecisionBasis& basis, Decision& decision) {
  if (multiple_exposure_alarm(basis.multiple_exposure_units, basis.units + basis.multiple_exposure_units))
    decision.reasons.push_back(
        fmt::format("{} units saw more than one variant and are left out; check that assignment sticks",
                    basis.multiple_exposure_units));
  for (const auto& goal : basis.goals)
    if (goal.reason != Reason::none)
      decision.reasons.push_back(fmt::format("{} cannot be judged: {}", goal.metric, name(goal.reason)));
}

Decision deciding(const DecisionBasis& basis) {
  if (basis.sample_ratio_p_value < sample_ratio_alarm)
    return {
        Hint::repair,
        {fmt::format(
            "units are not split as intended (p = {:.2g}); no other number counts until the cause is found",
            basis.sample_ratio_p_value)}};
  auto harmful = in_state(basis.guardrails, GuardrailState::harmful);
  if (!harmful.empty())
    return {Hint::stop, {fmt::format("worse than allowed: {}", fmt::join(harmful, ", "))}};
  auto better = in_direction(basis.goals, Direction::better);
  auto worse = in_direction(basis.goals, Direction::worse);
  if (!worse.empty() && !better.empty())
    return {Hint::weigh,
            {fmt::format("better: {}; worse: {}", fmt::join(better, ", "), fmt::join(worse, ", "))}};
  if (!worse.empty()) return {Hint::stop, {fmt::format("worse: {}", fmt::join(worse, ", "))}};
  auto open = in_state(basis.guardrails, GuardrailState::open);
  if (!better.empty()) {
    std::string found = fmt::format("better: {}", fmt::join(better, ", "));
    if (!counts_now(basis))
      return {Hint::wait,
              {fmt::format("{}, but the interval counts at the planned moment only: {}", found,
                           units_so_far(basis))}};
    if (!open.empty())
      return {Hint::wait,
              {fmt::format("{}, but harm cannot be ruled out yet: {}", found, fmt::join(open, ", "))}};
    return {Hint::ship, {found}};
  }
  if (is_powered(basis) && !basis.goals.empty() &&
      in_direction(basis.goals, Direction::open).size() == basis.goals.size())
    return {Hint::no_difference, {"an effect of the size that matters would have been found by now"}};
  std::string left =
      basis.days_left ? fmt::format("; about {:.0f} days are left", std::ceil(*basis.days_left)) : "";
  return {Hint::wait, {fmt::format("no goal has moved for certain: {}{}", units_so_far(basis), left)}};
}

}  // namespace

GuardrailState guardrail_state(const Reading& reading, double margin) {
  if (reading.reason != Reason::none) return GuardrailState::open;
  double worst = reading.lower_is_better ? -reading.upper : reading.lower;
  double best = reading.lower_is_better ? -reading.lower : reading.upper;
  if (best < -margin) return GuardrailState::harmful;
  return worst > -margin ? GuardrailState::harmless : GuardrailState::open;
}

const char* name(Hint hint) {
  switch (hint) {
    case Hint::repair:
      return "repair";
    case Hint::stop:
      return "stop";
    case Hint::weigh:
      return "weigh";
    case Hint::ship:
      return "ship";
    case Hint::no_difference:
      return "no_difference";
    case Hint::wait:
      return "wait";
  }
  return "unknown";
}

Decision decide(const DecisionBasis& basis) {
  Decision decision = deciding(basis);
  if (decision.hint != Hint::repair) add_surroundings(basis, decision);
  return decision;
}

}  // namespace tidemark::experiments
