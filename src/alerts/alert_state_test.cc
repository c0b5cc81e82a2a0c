// What becomes of an alert, by hand and for random values against a slow, plain reading of the rules.
#include "alerts/alert_state.h"

#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "alerts/alert_query.h"

namespace tidemark::alerts {
namespace {

using Condition = config::Alert::Condition;

config::Alert alert_of(Condition condition, double limit) {
  config::Alert alert;
  alert.name = "one";
  alert.condition = condition;
  alert.limit = limit;
  return alert;
}

// Values a second apart, from second 1 on; the words that are told, by second.
std::string told(const config::Alert& alert, const std::vector<std::optional<double>>& values) {
  AlertState state;
  std::string text;
  int64_t now_ms = 0;
  for (const auto& value : values) {
    now_ms += 1000;
    Step next = step(alert, state, value, now_ms);
    EXPECT_EQ(next.changed, next.telling != Telling::nothing || next.state.phase != state.phase ||
                                next.state.over_since_ms != state.over_since_ms);
    state = next.state;
    if (next.telling != Telling::nothing)
      text += (text.empty() ? "" : " ") + std::to_string(now_ms / 1000) + kind_of(next.telling).substr(5);
  }
  return text;
}

TEST(AlertState, fires_at_once_and_is_resolved) {
  auto alert = alert_of(Condition::above, 10);
  EXPECT_EQ(told(alert, {9, 10, 11, 12, 10, 11}), "3.firing 5.resolved 6.firing");
  EXPECT_EQ(told(alert_of(Condition::below, 3), {3, 2.9, 3}), "2.firing 3.resolved");
}

TEST(AlertState, waits_and_forgets_what_was_shorter) {
  auto alert = alert_of(Condition::above, 10);
  alert.for_seconds = 2;
  EXPECT_EQ(told(alert, {11, 11, 9, 11, 11, 11, 11, 9}), "6.firing 8.resolved");
  AlertState waiting = step(alert, {}, 11, 5000).state;
  EXPECT_EQ(waiting.phase, Phase::pending);
  EXPECT_EQ(step(alert, waiting, 11, 5500).look_again_ms, 7000);
}

TEST(AlertState, is_over_only_where_it_says) {
  auto alert = alert_of(Condition::above, 10);
  alert.recover = 5;
  EXPECT_EQ(told(alert, {11, 9, 6, 11, 5}), "1.firing 5.resolved");
  alert.recover_for_seconds = 2;
  EXPECT_EQ(told(alert, {11, 5, 5, 6, 5, 5, 5, 5}), "1.firing 7.resolved");
  auto below = alert_of(Condition::below, 10);
  below.recover = 20;
  EXPECT_EQ(told(below, {9, 11, 19, 20}), "1.firing 4.resolved");
}

TEST(AlertState, is_told_again_while_it_fires) {
  auto alert = alert_of(Condition::above, 0);
  alert.repeat_seconds = 3;
  EXPECT_EQ(told(alert, {1, 1, 1, 1, 1, 1, 1, 0, 1}), "1.firing 4.repeated 7.repeated 8.resolved 9.firing");
}

TEST(AlertState, no_value_is_over_or_met) {
  auto alert = alert_of(Condition::above, 10);
  EXPECT_EQ(told(alert, {std::nullopt, 11, std::nullopt}), "2.firing 3.resolved");
  alert.empty_fires = true;
  EXPECT_EQ(told(alert, {1, std::nullopt, 11, 1}), "2.firing 4.resolved");
}

TEST(AlertState, compares_with_the_period_before) {
  EXPECT_EQ(change_percent(150, 100), 50);
  EXPECT_EQ(change_percent(50, -100), 150);
  EXPECT_EQ(change_percent(1, 0), std::nullopt);
  EXPECT_EQ(change_percent(std::nullopt, 3), std::nullopt);
  EXPECT_EQ(told(alert_of(Condition::falls, 30), {-30, -31, 40, -100}), "2.firing 3.resolved 4.firing");
  EXPECT_EQ(told(alert_of(Condition::rises, 30), {-80, 30, 31, 30}), "3.firing 4.resolved");
}

TEST(AlertState, is_resolved_when_its_file_is_gone) {
  AlertState firing{.alert = "one", .phase = Phase::firing, .since_ms = 5};
  EXPECT_EQ(withdrawn(firing, 9).telling, Telling::resolved);
  AlertState pending{.alert = "one", .phase = Phase::pending, .since_ms = 5};
  EXPECT_EQ(withdrawn(pending, 9).telling, Telling::nothing);
  EXPECT_EQ(withdrawn(pending, 9).state.phase, Phase::ok);
  EXPECT_FALSE(withdrawn({}, 9).changed);
}

TEST(AlertState, reads_values) {
  EXPECT_EQ(value_of("1.5").value(), 1.5);
  EXPECT_EQ(value_of("-3").value(), -3);
  EXPECT_EQ(value_of("true").value(), 1);
  for (const char* none : {"\\N", "nan", "inf", "-inf"})
    EXPECT_EQ(value_of(none).value(), std::nullopt) << none;
  for (const char* wrong : {"", "abc", "1.5 ", "2026-01-01"}) EXPECT_FALSE(value_of(wrong)) << wrong;
}

// Looked at at random moments, some of them after a restart (a copy of the state): told once for each
// stretch, in the order firing, repeated, resolved; never before `for` is over; a second look at the same
// moment says nothing.
TEST(AlertState, random_values_keep_the_order) {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    std::mt19937 random(seed);
    auto pick = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most + 1)); };
    auto alert = alert_of(pick(1) == 0 ? Condition::above : Condition::below, 5);
    if (pick(1) == 0) alert.recover = alert.condition == Condition::above ? 5 - pick(3) : 5 + pick(3);
    alert.for_seconds = pick(4);
    alert.recover_for_seconds = pick(3);
    alert.repeat_seconds = pick(5);
    alert.empty_fires = pick(3) == 0;
    AlertState state;
    bool open = false;
    int64_t now_ms = 1000, met_since_ms = 0;
    for (int look = 0; look < 200; ++look) {
      now_ms += 1 + pick(2500);
      std::optional<double> value = pick(9);
      if (pick(9) == 0) value.reset();
      bool met = value ? (alert.condition == Condition::above ? *value > 5 : *value < 5) : alert.empty_fires;
      if (!met) met_since_ms = 0;
      if (met && met_since_ms == 0) met_since_ms = now_ms;
      Step next = step(alert, state, value, now_ms);
      switch (next.telling) {
        case Telling::firing:
          ASSERT_FALSE(open) << seed;
          ASSERT_GE(now_ms - met_since_ms, alert.for_seconds * 1000) << seed;
          open = true;
          break;
        case Telling::repeated:
          ASSERT_TRUE(open) << seed;
          ASSERT_GE(now_ms - state.told_at_ms, alert.repeat_seconds * 1000) << seed;
          break;
        case Telling::resolved:
          ASSERT_TRUE(open && !met) << seed;
          open = false;
          break;
        case Telling::nothing:
          ASSERT_FALSE(!open && met && now_ms - met_since_ms >= alert.for_seconds * 1000) << seed;
          break;
      }
      ASSERT_EQ(open, next.state.phase == Phase::firing) << seed;
      ASSERT_EQ(step(alert, next.state, value, now_ms).telling, Telling::nothing) << seed;
      ASSERT_GE(next.look_again_ms, now_ms) << seed;
      state = next.state;
    }
  }
}

}  // namespace
}  // namespace tidemark::alerts
