#include "models/refresh_scheduler.h"

#include "base/limits.h"

#include <gmock/gmock.h>

namespace tidemark::models {
namespace {

using testing::Optional;

constexpr int64_t second = 1'000'000;
constexpr int64_t minute = 60 * second;

class RefreshSchedulerTest : public testing::Test {
 protected:
  RefreshSchedulerTest() : clock_(1'700'000'000 * second) {}

  void make(std::vector<RefreshRule> rules, size_t concurrency = 1) {
    scheduler_.emplace(std::move(rules), clock_, concurrency);
  }
  std::optional<std::string> next() {
    return scheduler_->start_next([&](const RefreshRule& rule) { return !held_.contains(rule.model); });
  }
  // Runs everything that is due, each run taking `took`; the order.
  std::vector<std::string> run_all(int64_t took = 0) {
    std::vector<std::string> order;
    while (auto model = next()) {
      clock_.advance(took);
      scheduler_->finished(*model, true);
      order.push_back(*model);
      if (order.size() > 50) break;
    }
    return order;
  }

  ManualClock clock_;
  std::optional<RefreshScheduler> scheduler_;
  std::set<std::string> held_;
};

TEST_F(RefreshSchedulerTest, EveryStandsOnAGridAndMissedRunsCollapse) {
  clock_.advance(17 * second);
  make({{.model = "a", .every_us = minute}});
  EXPECT_THAT(run_all(5 * second), testing::ElementsAre("a"));
  // 1,700,000,000 is 20 s past a full minute; 17 s and 5 s of running later 18 s are left.
  EXPECT_EQ(scheduler_->micros_until_due(), 18 * second);
  clock_.advance(18 * second - 1);
  EXPECT_EQ(next(), std::nullopt);
  clock_.advance(1);
  EXPECT_THAT(run_all(2 * second), testing::ElementsAre("a"));
  EXPECT_EQ(scheduler_->micros_until_due(), 58 * second);
  clock_.advance(10 * minute + second);
  EXPECT_THAT(run_all(), testing::ElementsAre("a"));
  EXPECT_EQ(scheduler_->micros_until_due(), 57 * second);
}

TEST_F(RefreshSchedulerTest, ARunOfAnEarlierLifeCounts) {
  make({{.model = "a", .every_us = minute}, {.model = "b", .every_us = minute}});
  scheduler_->ran_before("a", clock_.wall_micros() - 10 * second);
  scheduler_->ran_before("b", clock_.wall_micros() - minute);
  EXPECT_THAT(run_all(), testing::ElementsAre("b"));
}

TEST_F(RefreshSchedulerTest, ChangesAreBoundedAndNotLost) {
  make({{.model = "a", .on_change = true, .not_more_often_us = 10 * second, .tables = {"bronze.t"}}});
  EXPECT_THAT(run_all(), testing::ElementsAre("a"));  // nobody knows what happened before the start
  EXPECT_EQ(scheduler_->stale_since("a"), 0);
  scheduler_->changed({"bronze.other"});
  clock_.advance(minute);
  EXPECT_EQ(next(), std::nullopt);
  scheduler_->changed({"bronze.t"});
  int64_t since = clock_.wall_micros();
  ASSERT_THAT(next(), Optional(std::string("a")));
  clock_.advance(second);
  EXPECT_EQ(scheduler_->stale_since("a"), since);  // the result is still the one before
  // Comes while it runs: the run may not have seen it.
  scheduler_->changed({"bronze.t"});
  clock_.advance(second);
  scheduler_->finished("a", true);
  EXPECT_EQ(scheduler_->stale_since("a"), since + second);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(scheduler_->micros_until_due(), 8 * second);
  clock_.advance(8 * second);
  EXPECT_THAT(run_all(), testing::ElementsAre("a"));
  clock_.advance(minute);
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(RefreshSchedulerTest, OnChangeTakesAtMostHalfTheTime) {
  make({{.model = "a", .on_change = true, .not_more_often_us = second, .tables = {"bronze.t"}}});
  run_all();
  clock_.advance(minute);
  scheduler_->changed({"bronze.t"});
  ASSERT_TRUE(next());
  clock_.advance(30 * second);
  scheduler_->changed({"bronze.t"});
  scheduler_->finished("a", true);
  EXPECT_EQ(scheduler_->micros_until_due(), 30 * second);
}

TEST_F(RefreshSchedulerTest, DownstreamWaitsForUpstream) {
  RefreshRule up{.model = "up", .on_change = true, .not_more_often_us = second, .tables = {"bronze.t"}};
  RefreshRule middle{.model = "middle", .on_change = true, .not_more_often_us = second, .upstream = {"up"}};
  RefreshRule down{.model = "down",
                   .on_change = true,
                   .not_more_often_us = second,
                   .tables = {"bronze.t"},
                   .upstream = {"middle"}};
  RefreshRule clockwork{.model = "clockwork", .every_us = 60 * minute, .upstream = {"up"}};
  make({up, middle, down, clockwork}, 3);
  run_all();
  clock_.advance(minute);
  scheduler_->changed({"bronze.t"});
  ASSERT_THAT(next(), Optional(std::string("up")));
  EXPECT_EQ(next(), std::nullopt);  // down reads middle, which waits for up
  scheduler_->finished("up", true);
  ASSERT_THAT(next(), Optional(std::string("middle")));
  EXPECT_EQ(next(), std::nullopt);
  scheduler_->finished("middle", true);
  ASSERT_THAT(next(), Optional(std::string("down")));
  EXPECT_EQ(next(), std::nullopt);  // clockwork keeps its schedule
  scheduler_->finished("down", true);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_GT(scheduler_->stale_since("clockwork"), 0);
}

TEST_F(RefreshSchedulerTest, FailuresAreRetriedWithGrowingPauses) {
  make({{.model = "a", .on_change = true, .tables = {"bronze.t"}}});
  run_all();
  clock_.advance(minute);
  scheduler_->changed({"bronze.t"});
  int64_t since = clock_.wall_micros();
  int64_t pause = limits::refresh_backoff_min_us;
  for (int failure = 1; failure < 15; ++failure) {
    ASSERT_TRUE(next()) << failure;
    scheduler_->finished("a", false);
    EXPECT_EQ(scheduler_->failures("a"), failure);
    EXPECT_EQ(scheduler_->stale_since("a"), since);
    EXPECT_EQ(scheduler_->micros_until_due(), pause);
    EXPECT_EQ(next(), std::nullopt);
    clock_.advance(pause);
    pause = std::min(pause * 2, limits::refresh_backoff_max_us);
  }
  ASSERT_TRUE(next());
  scheduler_->finished("a", true);
  EXPECT_EQ(scheduler_->failures("a"), 0);
  EXPECT_EQ(scheduler_->stale_since("a"), 0);
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(RefreshSchedulerTest, AFailedScheduledRunIsRetriedWithinItsSlot) {
  make({{.model = "a", .every_us = 60 * minute}});
  ASSERT_TRUE(next());
  scheduler_->finished("a", false);
  clock_.advance(limits::refresh_backoff_min_us);
  ASSERT_TRUE(next());
  scheduler_->finished("a", true);
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(RefreshSchedulerTest, AFailedDemandedRunIsRetriedToo) {
  make({{.model = "a", .on_change = true, .tables = {"bronze.t"}}});
  run_all();
  scheduler_->demand("a");
  ASSERT_TRUE(next());
  scheduler_->finished("a", false);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(scheduler_->micros_until_due(), limits::refresh_backoff_min_us);
  scheduler_->demand("a");  // does not wait for the pause
  ASSERT_TRUE(next());
  scheduler_->finished("a", true);
}

TEST_F(RefreshSchedulerTest, DemandGoesFirstAndCapHolds) {
  make({{.model = "a", .every_us = minute},
        {.model = "b", .every_us = minute},
        {.model = "c", .every_us = minute}},
       2);
  ASSERT_THAT(next(), Optional(std::string("a")));
  ASSERT_THAT(next(), Optional(std::string("b")));
  EXPECT_EQ(next(), std::nullopt);
  scheduler_->finished("a", true);
  ASSERT_THAT(next(), Optional(std::string("c")));
  scheduler_->finished("b", true);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_TRUE(scheduler_->demand("b"));
  EXPECT_FALSE(scheduler_->demand("z"));
  EXPECT_THAT(next(), Optional(std::string("b")));
  // Asked for while it runs: once more.
  scheduler_->demand("b");
  scheduler_->finished("b", true);
  EXPECT_THAT(next(), Optional(std::string("b")));
}

TEST_F(RefreshSchedulerTest, HeldBackModelsAreLookedAtAgain) {
  make({{.model = "a", .every_us = minute, .tables = {"bronze.t"}}});
  held_ = {"a"};
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(scheduler_->micros_until_due(), limits::refresh_held_poll_us);
  held_ = {};
  EXPECT_THAT(run_all(), testing::ElementsAre("a"));
  EXPECT_EQ(scheduler_->stale_since("a"), 0);
  // Rows that came by a copy: until it has run, the result is an old one.
  scheduler_->demand_readers_of({"bronze.t"});
  EXPECT_EQ(scheduler_->stale_since("a"), clock_.wall_micros());
  EXPECT_THAT(run_all(), testing::ElementsAre("a"));
  EXPECT_EQ(scheduler_->stale_since("a"), 0);
}

}  // namespace
}  // namespace tidemark::models
