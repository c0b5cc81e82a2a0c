#include "base/version.h"
#include "clickhouse/native_reader.h"
#include "clickhouse/native_writer.h"
#include "clickhouse/wire_type.h"

#include <gtest/gtest.h>
#include <random>

namespace tidemark::clickhouse {
namespace {

Block sample() {
  Block block;
  block.add("id", ColumnType::of(TypeKind::int64));
  block.add("text", ColumnType::of(TypeKind::string).as_nullable());
  block.add("money", ColumnType::decimal(40, 4));
  block.add("tags", ColumnType::array_of(ColumnType::of(TypeKind::string).as_nullable()));
  block.add("nested", ColumnType::array_of(ColumnType::array_of(ColumnType::of(TypeKind::int32))));
  block.add("version", ColumnType::of(TypeKind::uint128));
  for (int64_t row = 0; row < 300; ++row) {
    block.columns[0].append(row * 7);
    if (row % 3 == 0)
      block.columns[1].append_null();
    else
      block.columns[1].append_text(std::string(static_cast<size_t>(row), 'x'));
    std::memset(block.columns[2].append_fixed(), static_cast<int>(row), 32);
    for (int64_t tag = 0; tag < row % 4; ++tag) {
      if (tag == 1)
        block.columns[3].element().append_null();
      else
        block.columns[3].element().append_text("tag");
    }
    block.columns[3].close_array();
    for (int64_t list = 0; list < row % 3; ++list) {
      for (int32_t value = 0; value < list; ++value) block.columns[4].element().element().append(value);
      block.columns[4].element().close_array();
    }
    block.columns[4].close_array();
    block.columns[5].append(make_version(3, static_cast<uint64_t>(row), 9));
  }
  return block;
}

std::string canonical(const Block& block) {
  std::string text;
  for (size_t row = 0; row < block.rows(); ++row)
    for (const auto& column : block.columns) column.encode(row, text);
  return text;
}

TEST(Native, AnyCuttingOfTheStreamGivesTheSameBlocks) {
  Block block = sample();
  std::string stream = NativeBlock(block).text();
  stream += stream;
  for (size_t step : {size_t{1}, size_t{7}, size_t{1000}, stream.size()}) {
    NativeReader reader;
    int blocks = 0;
    for (size_t at = 0; at < stream.size(); at += step) {
      auto fed = reader.feed(std::string_view(stream).substr(at, step), [&](const Block& read) -> Status {
        ++blocks;
        EXPECT_EQ(read.names, block.names);
        EXPECT_EQ(canonical(read), canonical(block));
        return {};
      });
      ASSERT_TRUE(fed) << fed.error().describe();
    }
    EXPECT_EQ(blocks, 2);
    EXPECT_TRUE(reader.finish());
  }
}

TEST(Native, AnEndInsideABlockIsAnError) {
  std::string stream = NativeBlock(sample()).text();
  stream.pop_back();
  NativeReader reader;
  ASSERT_TRUE(reader.feed(stream, [](const Block&) { return Status(); }));
  ASSERT_FALSE(reader.finish());
  EXPECT_EQ(reader.finish().error().kind, ErrorKind::unknown_outcome);
}

TEST(Native, GarbageNeitherCrashesNorIsBelieved) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::string good = NativeBlock(sample()).text();
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good.substr(0, 200 + random() % (good.size() - 200));
    for (int flips = 0; flips < 3; ++flips) bad[random() % bad.size()] = static_cast<char>(random());
    NativeReader reader;
    auto fed = reader.feed(bad, [](const Block&) { return Status(); });
    if (!fed) {
      EXPECT_NE(fed.error().kind, ErrorKind::internal);
    }
  }
}

TEST(Native, AnImpossibleLengthIsRefusedAtOnce) {
  std::string stream("\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10);
  NativeReader reader;
  auto fed = reader.feed(stream, [](const Block&) { return Status(); });
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().kind, ErrorKind::corrupt);
}

TEST(WireType, NamesTheTypeItCannotRead) {
  for (const char* name :
       {"Tuple(UInt8, String)", "Map(String, UInt8)", "AggregateFunction(sum, UInt64)", "Array(IPv6)"}) {
    auto type = parse_wire_type(name);
    ASSERT_FALSE(type) << name;
    EXPECT_EQ(type.error().kind, ErrorKind::unsupported);
    EXPECT_NE(type.error().remedy.find("toString"), std::string::npos);
  }
}

TEST(WireType, ReadsEnumNamesWithEscapes) {
  auto type = parse_wire_type("Enum16('it\\'s' = -300, 'a, b = c' = 2)");
  ASSERT_TRUE(type);
  EXPECT_EQ(type->values.at(-300), "it's");
  EXPECT_EQ(type->values.at(2), "a, b = c");
}

}  // namespace
}  // namespace tidemark::clickhouse
