#include "ingest/kafka_order.h"

#include "ingest/kafka_fences.h"
#include "ingest/kafka_places.h"
#include "ingest/repeated_rows.h"
#include "ingest/test_parts.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

using kafka::Decoded;
using Kind = Decoded::Kind;

class Order {
 public:
  Version snapshot(uint64_t lsn) {
    return make({.kind = Kind::rows, .rows = 1, .lsn = lsn, .snapshot = true});
  }
  Version incremental() { return make({.kind = Kind::rows, .rows = 1, .incremental = true}); }
  Version change(uint64_t lsn) { return make({.kind = Kind::rows, .rows = 1, .lsn = lsn}); }
  Version remove(uint64_t lsn) { return make({.kind = Kind::remove, .rows = 1, .lsn = lsn}); }

  PartitionMarks marks;

 private:
  Version make(const Decoded& decoded) { return version_of(1, decoded, true, ++offset_, 0, 0, marks); }
  int64_t offset_ = 0;
};

TEST(KafkaOrder, ChangesAreOrderedByLsnAlsoWhenTheyComeAgain) {
  Order order;
  Version row = order.snapshot(1000);
  Version first = order.change(1010);
  Version removed = order.remove(1020);
  Version again = order.change(1020);  // the new half of a key change
  EXPECT_LT(row, first);
  EXPECT_LT(first, removed);
  EXPECT_EQ(again, removed + 1);
  EXPECT_EQ(order.change(1010), first);
  EXPECT_EQ(order.remove(1020), removed);
}

// A transaction that was open while the snapshot was taken wrote before the snapshot's LSN and committed
// after it.
TEST(KafkaOrder, ChangesBehindASnapshotBeatItsRows) {
  Order order;
  Version row = order.snapshot(1000);
  Version early = order.change(900);
  Version later = order.change(950);
  Version after = order.change(1001);
  EXPECT_LT(row, early);
  EXPECT_LT(early, later);
  EXPECT_LT(later, after);
}

TEST(KafkaOrder, IncrementalSnapshotsAreAsOfTheirPlace) {
  Order order;
  Version before = order.incremental();
  Version change = order.change(500);
  Version row = order.incremental();
  EXPECT_LT(before, change);
  EXPECT_GE(row, change);
  EXPECT_LT(row, order.change(501));
}

TEST(KafkaOrder, WithoutLsnTheLastOneWins) {
  PartitionMarks marks;
  Decoded decoded{.kind = Kind::rows, .rows = 2};
  Version first = version_of(1, decoded, false, 7, 0, 0, marks);
  Version second = version_of(1, decoded, false, 7, 0, 1, marks);
  decoded.kind = Kind::remove;
  Version removed = version_of(1, decoded, false, 8, 0, 0, marks);
  EXPECT_LT(first, second);
  EXPECT_LT(second, removed);
  EXPECT_EQ(marks, PartitionMarks());
}

TEST(KafkaPlaces, SurviveAsText) {
  KafkaPlaces places;
  places.partitions[{"shop.public.orders", 0}] = {
      .offset = 17, .marks = {.snapshot = 5, .newest = UINT64_MAX}, .begun = 12};
  places.partitions[{"shop.public.orders", 11}] = {.offset = 3};
  places.truncated["orders"] = make_version(3, 99, 7);
  auto read = KafkaPlaces::parse(places.text());
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(*read, places);
  EXPECT_EQ(read->sum(), 20u);
  EXPECT_FALSE(KafkaPlaces::parse("p\tx\t1\n"));
  EXPECT_FALSE(KafkaPlaces::parse("p\tx\t1\t2\t3\tfour\n"));
  EXPECT_TRUE(KafkaPlaces::parse(""));
}

// A sum can be reached with one partition ahead and another behind.
TEST(KafkaFences, ASumAloneIsNoFence) {
  auto at = [](int64_t left, int64_t right) {
    KafkaPlaces places;
    places.partitions[{"t", 0}].offset = left;
    places.partitions[{"t", 1}].offset = right;
    return places;
  };
  KafkaFences fences;
  EXPECT_EQ(fences.ask(at(10, 10)), 20u);
  EXPECT_FALSE(fences.wanted(at(25, 5)));
  fences.closed(at(25, 5));
  EXPECT_EQ(fences.shown(30), 19u);
  EXPECT_TRUE(fences.wanted(at(25, 10)));
  fences.closed(at(25, 10));
  EXPECT_EQ(fences.shown(30), 19u);  // closed, and not fenced yet
  fences.begin();                    // what was on its way is read again
  EXPECT_EQ(fences.shown(35), 19u);
  fences.closed(at(25, 10));
  EXPECT_EQ(fences.shown(35), 35u);
}

TEST(RepeatedRows, WhatIsInAlreadyIsTakenOut) {
  CapturedTable table = test_table(true);
  table.repeats = true;
  Part part = make_part(table, {{Operation::update, 1, {"a", 1}},
                                {Operation::update, 2, {unchanged, 2}},
                                {Operation::remove, 1, {"", 0}},
                                {Operation::insert, 3, {unchanged, 3}}});
  part.old_row_of.clear();
  auto key = [&](size_t row) {
    std::string text;
    part.rows.columns[0].encode(row, text);
    return text;
  };
  NewestVersions newest;
  newest[key(1)] = make_version(1, 100, 4);   // older
  newest[key(2)] = make_version(1, 100, 99);  // newer than both rows of key 1
  EXPECT_EQ(drop_repeated(part, newest), 2u);
  ASSERT_EQ(part.operations.size(), 2u);
  EXPECT_EQ(part.rows.columns[0].get<int64_t>(0), 2);
  EXPECT_EQ(part.rows.columns[0].get<int64_t>(1), 3);
  // The old half of the key change went, so the new half is an ordinary row.
  EXPECT_EQ(part.operations[1], Operation::update);
  ASSERT_EQ(part.unchanged.size(), 2u);
  EXPECT_EQ(part.unchanged[0].row, 0u);
  EXPECT_EQ(part.unchanged[1].row, 1u);
}

}  // namespace
}  // namespace tidemark::ingest
