#include "clickhouse/shard_split.h"

#include <gtest/gtest.h>

namespace tidemark::clickhouse {
namespace {

Block rows(const std::vector<int64_t>& numbers) {
  Block block;
  block.add("id", ColumnType::of(TypeKind::int64));
  block.add("text", ColumnType::of(TypeKind::string));
  for (int64_t number : numbers) {
    block.columns[0].append(number);
    block.columns[1].append_text("t" + std::to_string(number));
  }
  return block;
}

// Rows that are stored are found by these numbers for ever.
TEST(ShardSplit, NeverChanges) {
  Block block = rows({0, 1, -1, 1'000'000'007});
  std::vector<uint64_t> by_number, by_both;
  for (size_t row = 0; row < block.rows(); ++row) {
    by_number.push_back(shard_hash(block, {0}, row));
    by_both.push_back(shard_hash(block, {1, 0}, row));
  }
  EXPECT_EQ(by_number, (std::vector<uint64_t>{8922497616986557598U, 5348651604043249702U,
                                              7679411569137598510U, 11523728045794037168U}));
  EXPECT_EQ(by_both, (std::vector<uint64_t>{1531762305644590439U, 3786696847329943397U, 11252323039491630179U,
                                            8557004449810218737U}));
}

TEST(ShardSplit, SpreadsEvenlyAndKeepsOrder) {
  std::vector<int64_t> numbers(30'000);
  for (size_t index = 0; index < numbers.size(); ++index) numbers[index] = static_cast<int64_t>(index) * 8;
  Block block = rows(numbers);
  auto shards = shards_of_rows(block, {"id"}, 3);
  ASSERT_TRUE(shards);
  size_t all = 0;
  for (uint32_t shard = 0; shard < 3; ++shard) {
    Block piece = rows_of_shard(block, *shards, shard);
    EXPECT_NEAR(static_cast<double>(piece.rows()), 10'000, 400);
    for (size_t row = 1; row < piece.rows(); ++row)
      ASSERT_LT(piece.columns[0].get<int64_t>(row - 1), piece.columns[0].get<int64_t>(row));
    for (size_t row = 0; row < piece.rows(); ++row)
      ASSERT_EQ(piece.columns[1].text(row), "t" + std::to_string(piece.columns[0].get<int64_t>(row)));
    all += piece.rows();
  }
  EXPECT_EQ(all, numbers.size());
}

TEST(ShardSplit, RefusesRowsWithoutTheirKey) {
  EXPECT_FALSE(shards_of_rows(rows({1}), {"id", "other"}, 2));
}

}  // namespace
}  // namespace tidemark::clickhouse
