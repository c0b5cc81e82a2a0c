// Slots: which partitions, which cut numbers, and whose plan counts when two processes work on one.
#include "ingest/kafka_slot.h"

#include "clickhouse/test_server.h"
#include "ingest/state_store.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

TEST(KafkaSlotTest, EveryPartitionHasOneSlotAndATopicsPartitionsAreSpread) {
  for (uint32_t count : {2U, 3U, 8U})
    for (const char* topic : {"shop.public.orders", "shop.public.customers", "x"}) {
      std::vector<int> shares(count);
      for (int32_t partition = 0; partition < static_cast<int32_t>(4 * count); ++partition) {
        int owners = 0;
        for (uint32_t number = 0; number < count; ++number)
          if (KafkaSlot{number, count}.owns(topic, partition)) {
            ++owners;
            ++shares[number];
          }
        EXPECT_EQ(owners, 1);
      }
      EXPECT_EQ(shares, std::vector<int>(count, 4)) << topic;
    }
}

// Places in the warehouse are by slot: a rule that changes loses them.
TEST(KafkaSlotTest, TheRuleIsStable) {
  EXPECT_TRUE((KafkaSlot{3, 8}.owns("shop.public.orders", 0)));
  EXPECT_TRUE((KafkaSlot{6, 8}.owns("shop.public.orders", 3)));
  EXPECT_TRUE((KafkaSlot{3, 8}.owns("shop.public.orders", 8)));
}

TEST(KafkaSlotTest, WithoutSlotsNothingIsDifferent) {
  KafkaSlot slot;
  EXPECT_FALSE(slot.shared());
  EXPECT_TRUE(slot.owns("any", 77));
  EXPECT_EQ(slot.stream("shop"), "shop");
  EXPECT_EQ(slot.first_cut(), 0U);
}

TEST(KafkaSlotTest, CutsTellTheirSlot) {
  KafkaSlot slot{3, 8};
  EXPECT_EQ(slot.stream("shop"), "shop#3");
  EXPECT_EQ(source_of_stream("shop#3"), "shop");
  EXPECT_EQ(stream_of(slot.first_cut() + 12345), 3U);
  EXPECT_EQ(first_cut_of_stream(slot.first_cut() + 12345), slot.first_cut());
  EXPECT_LT((KafkaSlot{streams_max - 1, streams_max}.first_cut()) + cuts_a_stream, 1ULL << 53);
}

class OwnerTest : public testing::Test {
 protected:
  OwnerTest() : pool_(clickhouse::TestServer::shared().endpoint(), 4) {}
  void SetUp() override {
    ASSERT_TRUE(pool_.execute("DROP DATABASE IF EXISTS tidemark SYNC"));
    ASSERT_TRUE(before_.prepare());
    ASSERT_TRUE(before_.fence({.source = "shop#1", .epoch = 1, .cut = 10, .end_lsn = 100, .places = "ten"}));
  }
  StateStore store() { return StateStore(pool_, {}, stop_); }
  static CutRecord plan(uint64_t cut, const char* places) {
    return {.source = "shop#1", .epoch = 1, .cut = cut, .last_lsn = 1, .places = places};
  }
  std::string planned() {
    auto newest = store().newest("shop#1", 1);
    return newest && newest->planned ? newest->planned->places : "none";
  }

  clickhouse::ClientPool pool_;
  std::atomic<bool> stop_{false};
  StateStore before_ = store(), after_ = store();
  std::function<bool()> leased_ = [] { return true; };
};

// The process before plans after the new one has read: it must not act on it, and the new one's plan counts.
TEST_F(OwnerTest, WhoPlansAfterAnotherClaimedIsToldAndDoesNotCount) {
  ASSERT_TRUE(before_.claim("shop#1", 1, leased_));
  ASSERT_TRUE(before_.plan(plan(11, "before's")));
  ASSERT_TRUE(after_.claim("shop#1", 1, leased_));
  EXPECT_EQ(planned(), "before's") << "that is what the new owner replays";
  ASSERT_TRUE(after_.plan(plan(12, "after's")));
  auto late = before_.plan(plan(12, "late"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::conflict);
  EXPECT_EQ(planned(), "after's");
}

TEST_F(OwnerTest, APlanThatTravelsWithAFenceIsConfirmedToo) {
  ASSERT_TRUE(before_.claim("shop#1", 1, leased_));
  ASSERT_TRUE(after_.claim("shop#1", 1, leased_));
  CutRecord next = plan(12, "late");
  auto late = before_.fence({.source = "shop#1", .epoch = 1, .cut = 11, .end_lsn = 110}, &next);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::conflict);
  ASSERT_TRUE(after_.plan(plan(12, "after's")));
  EXPECT_EQ(planned(), "after's");
}

TEST_F(OwnerTest, NothingIsTriedWithoutTheLease) {
  bool held = true;
  ASSERT_TRUE(before_.claim("shop#1", 1, [&] { return held; }));
  int tries = 0;
  auto action = [&]() -> Status {
    ++tries;
    return {};
  };
  auto policy = before_.guarded({});
  EXPECT_TRUE(clickhouse::retry(policy, stop_, action));
  held = false;
  auto refused = clickhouse::retry(policy, stop_, action);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  EXPECT_EQ(tries, 1);
}

// Whoever fills a model from bronze must know that rows of a planned cut may be in.
TEST_F(OwnerTest, APlanBehindTheFenceIsNoPeace) {
  ASSERT_TRUE(before_.claim("shop#1", 1, leased_));
  auto fence = store().newest("shop#1", 1);
  ASSERT_TRUE(fence && fence->fenced);
  ASSERT_TRUE(before_.began(*fence->fenced));
  ASSERT_TRUE(before_.stopped(*fence->fenced));
  EXPECT_TRUE(before_.ended_in_peace("shop#1", 1).value());
  ASSERT_TRUE(before_.plan(plan(11, "more")));
  EXPECT_FALSE(before_.ended_in_peace("shop#1", 1).value());
}

TEST_F(OwnerTest, QuarantineIsOfTheSource) {
  QuarantinedRow row{.source = "shop#1", .table = "orders", .reason = "bad", .lsn = 5, .topic = "t"};
  ASSERT_TRUE(before_.quarantine({row}));
  row.source = "shop";
  ASSERT_TRUE(before_.quarantine({row}));
  auto counts = before_.quarantined("shop#2");
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->at("orders"), 1U) << "one message goes there once";
}

}  // namespace
}  // namespace tidemark::ingest
