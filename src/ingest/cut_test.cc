#include "ingest/cut.h"

#include "base/limits.h"
#include "ingest/lane_workers.h"
#include "ingest/test_parts.h"

#include <future>
#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds at_once{0};
constexpr milliseconds long_enough{30'000};

std::unique_ptr<Part> numbered(const CapturedTable& table, uint32_t number) {
  auto part = std::make_unique<Part>();
  part->table = &table;
  part->number = number;
  return part;
}

class CutTest : public testing::Test {
 protected:
  CapturedTable table = test_table(false);
  Cut cut{CutRecord{.source = "s", .cut = 7, .last_lsn = 10}, Plan::needed};

  bool push(uint32_t number, size_t bytes, milliseconds timeout = at_once) {
    auto part = numbered(table, number);
    bool taken = cut.push(part, bytes, timeout);
    EXPECT_EQ(part == nullptr, taken);
    return taken;
  }
};

TEST_F(CutTest, PartsComeInOrderThenTheEnd) {
  EXPECT_TRUE(push(0, 1));
  EXPECT_TRUE(push(1, 1));
  cut.finish(20, {{.committed_at = 5, .rows = 2}, {.committed_at = 4, .rows = 1}});
  EXPECT_EQ(cut.pop()->number, 0u);
  EXPECT_EQ(cut.pop()->number, 1u);
  EXPECT_EQ(cut.pop(), nullptr);
  EXPECT_FALSE(cut.aborted());
  CutRecord record = cut.record();
  EXPECT_EQ(record.end_lsn, 20u);
  EXPECT_EQ(record.rows, 3u);
  EXPECT_EQ(record.committed_at, 5);
}

// What is on its way counts until it is sent: else every worker could hold a queue's worth.
TEST_F(CutTest, PartsTakenAndNotSentCountAgainstTheBound) {
  EXPECT_TRUE(push(0, limits::cut_queue_bytes_max));
  EXPECT_FALSE(push(1, 1));
  auto first = cut.pop();
  EXPECT_TRUE(push(1, 1)) << "an empty queue takes a part of any size, else one could wait for ever";
  EXPECT_FALSE(push(2, 1));
  auto waiting = std::async(std::launch::async, [&] { return push(2, 1, long_enough); });
  cut.sent(*first);
  EXPECT_TRUE(waiting.get());
}

TEST_F(CutTest, AbortWakesBothSidesAndSwallowsParts) {
  auto reader = std::async(std::launch::async, [&] { return cut.pop(); });
  cut.abort();
  EXPECT_EQ(reader.get(), nullptr);
  EXPECT_TRUE(cut.aborted());
  EXPECT_TRUE(push(0, limits::cut_queue_bytes_max));
  EXPECT_TRUE(push(1, limits::cut_queue_bytes_max));
}

TEST(CutHandoffTest, OneCutAtATimeAndIdleIsTold) {
  int told = 0;
  CutHandoff handoff([&] { ++told; });
  EXPECT_TRUE(handoff.idle());
  auto cut = std::make_shared<Cut>(CutRecord{}, Plan::needed);
  handoff.give(cut);
  EXPECT_FALSE(handoff.idle());
  EXPECT_FALSE(handoff.wait_idle(at_once));
  EXPECT_EQ(handoff.take(), cut);
  auto waiting = std::async(std::launch::async, [&] { return handoff.wait_idle(long_enough); });
  handoff.done();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(told, 1);
}

TEST(CutHandoffTest, CloseWakesTheApplierAbortsTheCutAndALaterOne) {
  CutHandoff handoff([] {});
  auto applier = std::async(std::launch::async, [&] { return handoff.take(); });
  auto cut = std::make_shared<Cut>(CutRecord{}, Plan::needed);
  handoff.give(cut);
  EXPECT_EQ(applier.get(), cut);
  auto next = std::async(std::launch::async, [&] { return handoff.take(); });
  handoff.close();
  EXPECT_EQ(next.get(), nullptr);
  EXPECT_TRUE(cut->aborted());
  handoff.done();
  EXPECT_FALSE(handoff.wait_idle(at_once)) << "closed is not idle";
  auto late = std::make_shared<Cut>(CutRecord{}, Plan::needed);
  handoff.give(late);
  EXPECT_TRUE(late->aborted());
}

class LaneWorkersTest : public testing::Test {
 protected:
  CapturedTable one = test_table(false, "one");
  CapturedTable two = test_table(false, "two");
};

TEST_F(LaneWorkersTest, PartsOfATableStayInOrderAndTablesRunSideBySide) {
  std::mutex mutex;
  std::map<std::string, std::vector<uint32_t>> sent;
  std::promise<void> two_ran;
  LaneWorkers workers(2, [&](Part& part) -> Status {
    // The first part of "one" ends only after "two" ran: with one thread for both this would never end.
    if (part.table == &one && part.number == 0) two_ran.get_future().wait();
    if (part.table == &two && part.number == 0) two_ran.set_value();
    std::lock_guard lock(mutex);
    sent[part.table->name].push_back(part.number);
    return {};
  });
  EXPECT_TRUE(workers.submit(numbered(one, 0)));
  for (uint32_t number = 0; number < 50; ++number) {
    if (number > 0) {
      EXPECT_TRUE(workers.submit(numbered(one, number)));
    }
    EXPECT_TRUE(workers.submit(numbered(two, number)));
  }
  EXPECT_TRUE(workers.finish());
  std::vector<uint32_t> in_order(50);
  for (uint32_t number = 0; number < 50; ++number) in_order[number] = number;
  EXPECT_EQ(sent["one"], in_order);
  EXPECT_EQ(sent["two"], in_order);
}

TEST_F(LaneWorkersTest, TheFirstErrorEndsAll) {
  std::atomic<int> sent{0};
  LaneWorkers workers(1, [&](Part& part) -> Status {
    ++sent;
    if (part.number == 1) return fail(ErrorKind::refused, "no");
    return {};
  });
  bool taken = true;
  for (uint32_t number = 0; number < 100 && taken; ++number) taken = workers.submit(numbered(one, number));
  EXPECT_FALSE(taken);
  Status finished = workers.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().message, "no");
  EXPECT_EQ(sent, 2);
}

TEST_F(LaneWorkersTest, AnExceptionIsAnErrorNotTheEndOfTheProgram) {
  LaneWorkers workers(1, [](Part&) -> Status { throw std::bad_alloc(); });
  (void)workers.submit(numbered(one, 0));
  Status finished = workers.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().kind, ErrorKind::limit);
}

}  // namespace
}  // namespace tidemark::ingest
