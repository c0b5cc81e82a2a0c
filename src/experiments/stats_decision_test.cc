#include "experiments/stats_decision.h"

#include "experiments/stats_sample_ratio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::experiments {
namespace {

using testing::HasSubstr;

Reading reading(const char* metric, double lower, double upper, bool lower_is_better = false) {
  return {.metric = metric,
          .reason = Reason::none,
          .lower = lower,
          .upper = upper,
          .lower_is_better = lower_is_better};
}

// A full plan, one goal that is better, one guardrail that is fine.
DecisionBasis good() {
  DecisionBasis basis;
  basis.units = basis.planned_units = 1000;
  basis.goals = {reading("conversion", 0.01, 0.05)};
  basis.guardrails = {{reading("latency", -0.01, 0.004, true), 0.02}};
  return basis;
}

TEST(Decision, BetterAndHarmlessIsShipped) {
  Decision decision = decide(good());
  EXPECT_EQ(decision.hint, Hint::ship);
  EXPECT_EQ(decision.reasons, std::vector<std::string>{"better: conversion"});
}

TEST(Decision, BrokenAssignmentVoidsEverything) {
  DecisionBasis basis = good();
  basis.sample_ratio_p_value = 0.0009;
  basis.guardrails[0].reading = reading("latency", 0.1, 0.2, true);
  Decision decision = decide(basis);
  EXPECT_EQ(decision.hint, Hint::repair);
  EXPECT_EQ(decision.reasons.size(), 1U);
  basis.sample_ratio_p_value = 0.002;
  EXPECT_EQ(decide(basis).hint, Hint::stop);
}

TEST(Decision, HarmStopsAtOnce) {
  DecisionBasis basis = good();
  basis.units = 10;
  basis.guardrails[0].reading = reading("latency", 0.03, 0.2, true);
  EXPECT_EQ(decide(basis).hint, Hint::stop);
  EXPECT_THAT(decide(basis).reasons[0], HasSubstr("latency"));
}

TEST(Decision, AnOpenGuardrailWaits) {
  DecisionBasis basis = good();
  basis.guardrails[0].reading = reading("latency", -0.01, 0.021, true);
  EXPECT_EQ(decide(basis).hint, Hint::wait);
  EXPECT_THAT(decide(basis).reasons[0], HasSubstr("harm cannot be ruled out"));
}

TEST(Decision, AFixedIntervalCountsAtThePlannedMomentOnly) {
  DecisionBasis basis = good();
  basis.units = 999;
  EXPECT_EQ(decide(basis).hint, Hint::wait);
  EXPECT_THAT(decide(basis).reasons[0], HasSubstr("999 of 1000"));
  basis.valid_at_every_look = true;
  EXPECT_EQ(decide(basis).hint, Hint::ship);
  basis.valid_at_every_look = false;
  basis.planned_units = 0;
  EXPECT_EQ(decide(basis).hint, Hint::wait);
}

TEST(Decision, GoalsMayDisagree) {
  DecisionBasis basis = good();
  basis.goals.push_back(reading("revenue", -0.2, -0.1));
  EXPECT_EQ(decide(basis).hint, Hint::weigh);
  basis.goals.erase(basis.goals.begin());
  EXPECT_EQ(decide(basis).hint, Hint::stop);
  basis.goals = {reading("refunds", -0.2, -0.1, true)};
  EXPECT_EQ(decide(basis).hint, Hint::ship);
}

TEST(Decision, NothingFoundIsAnAnswerOnlyWithPower) {
  DecisionBasis basis = good();
  basis.goals = {reading("conversion", -0.01, 0.01)};
  EXPECT_EQ(decide(basis).hint, Hint::no_difference);
  basis.power_reached = 0.5;
  basis.days_left = 3.2;
  EXPECT_EQ(decide(basis).hint, Hint::wait);
  EXPECT_THAT(decide(basis).reasons[0], HasSubstr("about 4 days"));
  basis.power_reached = 0.81;
  EXPECT_EQ(decide(basis).hint, Hint::no_difference);
  basis.goals[0].reason = Reason::no_units;
  basis.goals[0].lower = 1;  // of no meaning
  EXPECT_THAT(decide(basis).reasons.back(), HasSubstr("no_units"));
}

TEST(Decision, UnitsInTwoVariantsAreTold) {
  DecisionBasis basis = good();
  basis.multiple_exposure_units = 9;
  EXPECT_EQ(decide(basis).reasons.size(), 1U);
  basis.multiple_exposure_units = 11;
  EXPECT_EQ(decide(basis).reasons.size(), 2U);
  EXPECT_FALSE(multiple_exposure_alarm(50, 10'000));
  EXPECT_TRUE(multiple_exposure_alarm(100, 10'000));
}

TEST(Decision, GuardrailsHaveThreeStates) {
  EXPECT_EQ(guardrail_state(reading("x", -0.01, 0.1), 0.02), GuardrailState::harmless);
  EXPECT_EQ(guardrail_state(reading("x", -0.03, 0.1), 0.02), GuardrailState::open);
  EXPECT_EQ(guardrail_state(reading("x", -0.3, -0.03), 0.02), GuardrailState::harmful);
  EXPECT_EQ(guardrail_state(reading("x", -0.3, -0.03, true), 0.02), GuardrailState::harmless);
  Reading none = reading("x", 0, 0);
  none.reason = Reason::no_units;
  EXPECT_EQ(guardrail_state(none, 0.02), GuardrailState::open);
}

}  // namespace
}  // namespace tidemark::experiments
