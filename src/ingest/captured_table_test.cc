#include "ingest/captured_table.h"

#include "ingest/test_parts.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

postgres::SourceTable source_named(const std::string& schema, const std::string& name) {
  postgres::SourceTable source = test_table(false).source;
  source.schema = schema;
  source.name = name;
  return source;
}

TEST(CapturedTableTest, NamesCarryTheSchemaUnlessPublic) {
  EXPECT_EQ(capture(source_named("public", "things"), false, false).display(), "bronze.things");
  EXPECT_EQ(capture(source_named("shop", "things"), false, false).display(), "bronze.shop_things");
}

TEST(CapturedTableTest, NamesWithQuotesAreQuotedWhole) {
  auto table = capture(source_named("public", "a`b\\c"), false, true);
  EXPECT_EQ(table.target("__changes"), "bronze.`a\\`b\\\\c__changes`");
  for (const auto& statement : create_statements(table))
    EXPECT_NE(statement.find("bronze.`a\\`b\\\\c"), std::string::npos) << statement;
}

TEST(CapturedTableTest, AKeyedTableIsCurrentState) {
  auto statements = create_statements(capture(source_named("public", "things"), false, true));
  ASSERT_EQ(statements.size(), 3u);
  EXPECT_NE(statements[0].find("ReplacingMergeTree(_version, _deleted) ORDER BY (`id`)"), std::string::npos);
  EXPECT_NE(statements[0].find("non_replicated_deduplication_window"), std::string::npos);
  EXPECT_NE(statements[1].find("FINAL WHERE _deleted = 0"), std::string::npos);
  EXPECT_NE(statements[2].find("ENGINE = Null"), std::string::npos);
}

TEST(CapturedTableTest, WithoutAKeyOrDeclaredAppendOnlyItIsALog) {
  auto keyless = source_named("public", "things");
  keyless.key.clear();
  for (const auto& table :
       {capture(keyless, false, false), capture(source_named("public", "t"), true, false)}) {
    EXPECT_TRUE(table.log);
    EXPECT_FALSE(table.reads_back());
    EXPECT_EQ(bronze_block(table).find(bookkeeping::deleted), nullptr);
    auto statements = create_statements(table);
    ASSERT_EQ(statements.size(), 2u);
    EXPECT_EQ(statements[0].find("_deleted"), std::string::npos);
    EXPECT_NE(statements[0].find("ENGINE = MergeTree ORDER BY (_version)"), std::string::npos);
  }
}

}  // namespace
}  // namespace tidemark::ingest
