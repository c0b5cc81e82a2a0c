#include "ingest/cut_barrier.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace tidemark::ingest {
namespace {

using std::chrono::milliseconds;

const auto at_fence = [] { return true; };

TEST(CutBarrier, RunsBetweenTheCutsOfAllAppliersAndNeverDuringOne) {
  CutBarrier barrier;
  std::atomic<bool> ended{false};
  std::atomic<int> open{0};
  std::atomic<uint64_t> cuts{0};
  std::vector<std::thread> appliers;
  for (int number = 0; number < 3; ++number)
    appliers.emplace_back([&] {
      while (!ended) {
        barrier.begin_cut();
        ++open;
        std::this_thread::yield();
        ++cuts;
        --open;
        barrier.end_cut();
      }
    });
  for (int round = 0; round < 200; ++round) {
    int seen = -1;
    uint64_t before = 0, after = 1;
    auto done = barrier.run(milliseconds(10'000), at_fence, [&]() -> Status {
      seen = open;
      before = cuts;
      for (int turn = 0; turn < 100; ++turn) std::this_thread::yield();
      after = cuts;
      return {};
    });
    ASSERT_TRUE(done) << done.error().describe();
    EXPECT_EQ(seen, 0);
    EXPECT_EQ(before, after);
  }
  ended = true;
  for (auto& applier : appliers) applier.join();
  EXPECT_GT(cuts, 0u);
}

TEST(CutBarrier, GivesUpOnACutThatDoesNotEndAndLetsTheOthersGoOn) {
  CutBarrier barrier;
  barrier.begin_cut();
  bool ran = false;
  auto action = [&]() -> Status {
    ran = true;
    return {};
  };
  auto refused = barrier.run(milliseconds(20), at_fence, action);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::limit);
  EXPECT_FALSE(ran);
  EXPECT_FALSE(barrier.wanted());
  barrier.begin_cut();  // would hang if the gate had stayed closed
  barrier.end_cut();
  barrier.end_cut();
  EXPECT_FALSE(barrier.run(
      milliseconds(20), [] { return false; }, action));
  EXPECT_FALSE(ran);
  EXPECT_TRUE(barrier.run(milliseconds(20), at_fence, action));
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace tidemark::ingest
