// A part of a replayed cut on two real shards, of which one has its rows already.
#include "ingest/split_part.h"

#include "clickhouse/shard_split.h"
#include "clickhouse/test_cluster.h"
#include "ingest/applier.h"
#include "ingest/held_rows.h"
#include "ingest/image_reader.h"
#include "ingest/test_parts.h"

#include <gtest/gtest.h>
#include <set>

namespace tidemark::ingest {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

class SplitPartTest : public testing::Test {
 protected:
  static clickhouse::TestCluster& servers() {
    static clickhouse::TestCluster cluster;
    return cluster;
  }
  SplitPartTest() : pool(servers().endpoint()), state(pool, {}, stop), table(test_table(true)) {}
  void SetUp() override {
    ASSERT_OK(state.prepare());
    for (const char* suffix : {"__current", "__changes", ""})
      ASSERT_OK(pool.execute("DROP TABLE IF EXISTS " + table.target(suffix) + " SYNC"));
    for (const auto& statement : create_statements(table)) ASSERT_OK(pool.execute(statement));
    // Keys of both shards.
    for (int64_t key = 1; on[0].size() < 4 || on[1].size() < 4; ++key) on[shard_of(key)].push_back(key);
  }

  uint32_t shard_of(int64_t key) {
    Block block = bronze_block(table);
    append_row(block, key, {});
    return static_cast<uint32_t>(clickhouse::shard_hash(block, {0}, 0) % 2);
  }
  Block on_shard(const Part& part, uint32_t shard) {
    auto shards = clickhouse::shards_of_rows(part.rows, {"id"}, 2);
    return clickhouse::rows_of_shard(part.rows, *shards, shard);
  }
  uint64_t count(clickhouse::ClientPool& where, const std::string& database) {
    auto block = where.query("SELECT count() FROM " + database + ".things");
    EXPECT_TRUE(block) << block.error().describe();
    return block->columns[0].get<uint64_t>(0);
  }

  std::atomic<bool> stop{false};
  clickhouse::ClientPool pool;
  StateStore state;
  CapturedTable table;
  std::vector<int64_t> on[2];
};

TEST_F(SplitPartTest, RowsGoToTheirShardAndAreReadAsOneTable) {
  std::vector<Change> changes;
  for (int64_t key = 1; key <= 1000; ++key) changes.push_back(insert(key, {"row", key}));
  Part part = make_part(table, changes);
  for (int attempt = 0; attempt < 2; ++attempt)
    ASSERT_OK(
        clickhouse::insert_exactly_once(pool, table.target(), part.rows, "a:1:1:things:0", {}, {}, stop));
  auto& cluster = *pool.endpoint().cluster;
  EXPECT_EQ(count(pool, "bronze"), 1000);
  uint64_t first = count(cluster.shard(0), "bronze_shard"), second = count(cluster.shard(1), "bronze_shard");
  EXPECT_EQ(first + second, 1000);
  EXPECT_GT(first, 400);
  EXPECT_GT(second, 400);
  EXPECT_FALSE(pool.execute("INSERT INTO bronze.things (id) VALUES (1)")) << "nobody knows the shard";
}

TEST_F(SplitPartTest, WhatArrivedIsTakenOut) {
  Part part = make_part(table, {insert(on[0][0], {"a", 1}), insert(on[1][0], {"b", 2}), remove(on[0][1]),
                                update(on[1][1], {"c", 3}), insert(on[0][2], {"d", 4})});
  auto before = take_out_arrived(pool, part, {}, stop);
  ASSERT_OK(before);
  EXPECT_EQ(*before, Arrival::none);
  EXPECT_EQ(part.operations.size(), 5);

  auto& cluster = *pool.endpoint().cluster;
  ASSERT_OK(cluster.shard(0).lease()->insert("bronze_shard.things", on_shard(part, 0)));
  Part replayed = make_part(table, {insert(on[0][0], {"a", 1}), insert(on[1][0], {"b", 2}), remove(on[0][1]),
                                    update(on[1][1], {unchanged, 3}), insert(on[0][2], {"d", 4})});
  auto some = take_out_arrived(pool, replayed, {}, stop);
  ASSERT_OK(some);
  EXPECT_EQ(*some, Arrival::some);
  ASSERT_EQ(replayed.operations, (std::vector<Operation>{Operation::insert, Operation::update}));
  EXPECT_EQ(replayed.rows.columns[0].get<int64_t>(0), on[1][0]);
  ASSERT_EQ(replayed.unchanged.size(), 1);
  EXPECT_EQ(replayed.unchanged[0].row, 1);
  EXPECT_EQ(replayed.old_row_of.size(), 2);

  ASSERT_OK(cluster.shard(1).lease()->insert("bronze_shard.things", on_shard(part, 1)));
  auto all = take_out_arrived(pool, part, {}, stop);
  ASSERT_OK(all);
  EXPECT_EQ(*all, Arrival::all);
}

TEST_F(SplitPartTest, RowsThatTakeValuesFromAnotherShardAreHeld) {
  Part same = make_part(table, {remove(on[0][0]), insert(on[0][1], {unchanged, 1})});
  Part whole = make_part(table, {remove(on[0][0]), insert(on[1][0], {"sent", 1})});
  Part crosses = make_part(table, {remove(on[0][0]), insert(on[1][0], {unchanged, 1})});
  EXPECT_FALSE(*takes_from_other_shard(pool, same, {}, stop));
  EXPECT_FALSE(*takes_from_other_shard(pool, whole, {}, stop));
  EXPECT_TRUE(*takes_from_other_shard(pool, crosses, {}, stop));

  auto nothing = held_rows(pool, "s:1:7:things:0", {}, stop);
  ASSERT_OK(nothing);
  EXPECT_FALSE(*nothing);
  for (int attempt = 0; attempt < 2; ++attempt)
    ASSERT_OK(hold_rows(pool, whole.rows, "s:1:7:things:0", {}, stop));
  auto held = held_rows(pool, "s:1:7:things:0", {}, stop);
  ASSERT_OK(held);
  ASSERT_TRUE(*held);
  EXPECT_EQ(text_of(**held), text_of(whole.rows));
  EXPECT_EQ((*held)->names, whole.rows.names);
}

}  // namespace
}  // namespace tidemark::ingest
