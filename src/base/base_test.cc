// The base room's own promises: columns keep what they are given, types name themselves as ClickHouse does,
// versions sort.
#include "base/column.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/secret.h"
#include "base/version.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

TEST(ColumnType, NamesRoundTrip) {
  for (const char* name :
       {"Bool", "Int64", "UInt128", "Float32", "Decimal(10, 2)", "Nullable(Decimal(76, 38))", "String",
        "LowCardinality(Nullable(String))", "LowCardinality(String)", "UUID", "Date32", "DateTime64(6)",
        "DateTime64(6, 'UTC')", "DateTime('Europe/Berlin')", "Array(Nullable(Int32))", "Array(Array(String))",
        "JSON"}) {
    auto type = parse_column_type(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(type->name(), name);
  }
  EXPECT_FALSE(parse_column_type("AggregateFunction(uniq, String)"));
  EXPECT_EQ(parse_column_type("LowCardinality(String)")->wire_name(), "String");
  EXPECT_EQ(ColumnType::decimal(18, 2).width(), 8U);
  EXPECT_EQ(ColumnType::decimal(39, 2).width(), 32U);
}

TEST(Column, KeepsTextNullsAndArrays) {
  Column text(ColumnType::of(TypeKind::string).as_nullable());
  std::string large(300, 'x');
  text.append_text("a");
  text.append_null();
  text.append_text("");
  text.append_text(large);
  EXPECT_EQ(text.text(0), "a");
  EXPECT_TRUE(text.is_null(1));
  EXPECT_FALSE(text.is_null(2));
  EXPECT_EQ(text.text(2), "");
  EXPECT_EQ(text.text(3), large);

  Column copy(text.type());
  for (size_t row = 0; row < text.rows(); ++row) copy.append_from(text, row);
  EXPECT_EQ(copy.raw_data().view(), text.raw_data().view());
  copy.drop_last(2);
  EXPECT_EQ(copy.rows(), 2U);
  EXPECT_EQ(copy.text(0), "a");

  Column array(ColumnType::array_of(ColumnType::of(TypeKind::int32)));
  array.element().append<int32_t>(7);
  array.element().append<int32_t>(8);
  array.close_array();
  array.close_array();
  array.append_from(array, 0);
  EXPECT_EQ(array.array_end(0) - array.array_begin(0), 2U);
  EXPECT_EQ(array.array_end(1) - array.array_begin(1), 0U);
  EXPECT_EQ(array.element().get<int32_t>(array.array_begin(2) + 1), 8);
}

TEST(Column, AppendFromItselfSurvivesGrowth) {
  Column column(ColumnType::of(TypeKind::int64));
  column.append<int64_t>(42);
  for (int count = 0; count < 5000; ++count) column.append_from(column, 0);
  EXPECT_EQ(column.get<int64_t>(5000), 42);
  Column text(ColumnType::of(TypeKind::string));
  text.append_text("some text that is not short");
  for (int count = 0; count < 500; ++count) text.append_from(text, 0);
  EXPECT_EQ(text.text(500), "some text that is not short");
}

TEST(Column, EncodingTellsValuesApart) {
  Column text(ColumnType::of(TypeKind::string).as_nullable());
  text.append_null();
  text.append_text("");
  std::string null_bytes, empty_bytes;
  text.encode(0, null_bytes);
  text.encode(1, empty_bytes);
  EXPECT_NE(null_bytes, empty_bytes);
}

TEST(Version, OrdersByEpochThenLsnThenOrdinal) {
  EXPECT_LT(make_version(1, ~0ULL, ordinal_max), make_version(2, 0, 0));
  EXPECT_LT(make_version(1, 5, ordinal_max), make_version(1, 6, 0));
  EXPECT_LT(make_version(1, 5, 6), make_version(1, 5, 7));
  EXPECT_EQ(version_lsn(make_version(3, 0x123456789abcdef0, 9)), 0x123456789abcdef0U);
  EXPECT_EQ(version_epoch(make_version(3, 1, 9)), 3);
}

TEST(Histogram, QuantilesAreWithinABucket) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 1000; ++value) histogram.add(value);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5)), 500, 100);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.99)), 990, 200);
  for (uint64_t value : {0UL, 3UL, 4UL, 5UL, 17UL, 1000UL, 1UL << 30})
    EXPECT_GE(Histogram::upper_bound(Histogram::bucket_of(value)), value) << value;
}

TEST(Error, DescribesContextOutermostFirst) {
  Error error =
      Error(ErrorKind::config, "no such key", "did you mean 'url'?").in("line 3").in("sources/ads.yaml");
  EXPECT_EQ(error.describe(), "sources/ads.yaml: line 3: no such key\n  did you mean 'url'?");
}

TEST(Secret, DoesNotPrintItself) {
  EXPECT_EQ(fmt::format("{}", Secret("hunter2")), "***");
}

}  // namespace
}  // namespace tidemark
