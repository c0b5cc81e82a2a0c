// Rows that say less from now on: what is made of them is what it would be if they had always said that,
// whoever is killed on the way, and what they said is in no table. And files of redactions/: what is told
// about mistakes.
#include "profiles/redacted_rows.h"

#include "clickhouse/schema.h"
#include "profiles/dependent_views.h"
#include "profiles/erasure_traces.h"
#include "profiles/redaction_files.h"
#include "profiles/test_profiles.h"

#include <filesystem>
#include <fstream>
#include <stdlib.h>

namespace tidemark::profiles {
namespace {

using testing::HasSubstr;

class RedactedRowsTest : public ProfilesTest {
 protected:
  void SetUp() override {
    ProfilesTest::SetUp();
    run("CREATE DATABASE tidemark");
    ingest::CapturedTable hooks = ingest::capture(ingest::event_table("hooks"), false, true);
    for (const auto& statement : ingest::create_statements(hooks)) run(statement);
    // As models keep rows, sums and the keys that a cut touched.
    run(std::string(
            "CREATE TABLE tidemark.kept (id String, said String, _version UInt128, _deleted UInt8) ENGINE = "
            "ReplacingMergeTree(_version, _deleted) ORDER BY id SETTINGS ") +
        clickhouse::merge_tree_settings(true));
    run("CREATE MATERIALIZED VIEW tidemark.kept__mv TO tidemark.kept AS SELECT message_id AS id, properties "
        "AS said, "
        "_version, toUInt8(_sign < 0) AS _deleted FROM bronze.hooks__changes WHERE properties != ''");
    run(std::string("CREATE TABLE tidemark.sums (said String, amount Int64, _rows Int64) ENGINE = "
                    "SummingMergeTree ORDER BY said SETTINGS ") +
        clickhouse::merge_tree_settings(true));
    run("CREATE MATERIALIZED VIEW tidemark.sums__mv TO tidemark.sums AS SELECT properties AS said, "
        "toInt64(7) * sum(toInt64(_sign)) AS amount, sum(toInt64(_sign)) AS _rows FROM bronze.hooks__changes "
        "GROUP BY said");
    auto columns = clickhouse::table_columns(*pool_.lease(), "bronze", "hooks");
    ASSERT_OK(columns);
    for (const auto& column : *columns)
      if (!column.name.starts_with('_')) table_.columns.push_back(column.name);
    for (const char* to :
         {"bronze.hooks (message_id, properties, _version, _committed_at, _cut)",
          "bronze.hooks__changes (message_id, properties, _sign, _version, _committed_at, _cut)"})
      run(fmt::format(
          "INSERT INTO {} SELECT concat('m', toString(number)), ['ann lives here', 'bob', 'ann', ''][number "
          "+ 1], "
          "{}toUInt128('{}') + number * 10, now64(6), 1 FROM numbers(4)",
          to, std::string_view(to).find("__changes") == std::string_view::npos ? "" : "toInt8(1), ",
          fmt::to_string(make_version(1, 1, 1))));
  }

  std::string kept() {
    return ask(
        "SELECT arrayStringConcat(groupArray(concat(id, ':', said)), ' ') FROM (SELECT * FROM tidemark.kept "
        "FINAL WHERE _deleted = 0 ORDER BY id)");
  }
  std::string sums() {
    return ask(
        "SELECT arrayStringConcat(groupArray(concat(said, ':', toString(amount))), ' ') FROM (SELECT said, "
        "sum(amount) AS amount, sum(_rows) AS n FROM tidemark.sums GROUP BY said HAVING n > 0 ORDER BY "
        "said)");
  }

  ErasableTable table_{.name = "hooks", .key = {"message_id"}};
  const std::string select_ =
      "SELECT message_id, replaceAll(h.properties, 'ann', 'x') AS properties, ['ann'] AS texts FROM "
      "bronze.hooks__current AS h WHERE position(h.properties, 'ann') > 0";
};

TEST_F(RedactedRowsTest, WhatIsMadeOfThemFollowsAndNothingIsLeft) {
  ASSERT_EQ(kept(), "m0:ann lives here m1:bob m2:ann");
  auto put = put_images_aside(pool_, 7, table_, select_);
  ASSERT_OK(put);
  EXPECT_EQ(put->rows, 2u);
  EXPECT_EQ(put->texts, std::vector<std::string>{"ann"});
  EXPECT_EQ(put->keys.size(), 2u);
  for (int times = 0; times < 2; ++times) {  // once more after a kill
    ASSERT_OK(take_place(pool_, 7, table_));
    ASSERT_OK(correct_dependents(pool_, 7, table_, stop_));
    EXPECT_EQ(ask("SELECT groupArray(properties) FROM (SELECT properties FROM bronze.hooks__current ORDER BY "
                  "message_id)"),
              "['x lives here','bob','x','']");
    EXPECT_EQ(kept(), "m0:x lives here m1:bob m2:x");
    EXPECT_EQ(sums(), ":7 bob:7 x:7 x lives here:7");
  }
  auto again = asks_again(pool_, 7, table_, select_);
  ASSERT_OK(again);
  EXPECT_FALSE(*again);
  auto never =
      asks_again(pool_, 7, table_, "SELECT message_id, 'y' AS properties FROM bronze.hooks__current");
  ASSERT_OK(never);
  EXPECT_TRUE(*never);
  ASSERT_OK(remove_old_images(pool_, 7, table_));
  ASSERT_OK(drop_images(pool_, 7, table_));
  TraceCounts counts;
  ASSERT_OK(remove_texts(pool_, put->texts, put->keys, counts));
  EXPECT_TRUE(counts.left.empty()) << counts.left.begin()->first;
  for (const char* where :
       {"bronze.hooks WHERE properties", "tidemark.kept WHERE said", "tidemark.sums WHERE said"})
    EXPECT_EQ(ask(fmt::format("SELECT count() FROM {} LIKE '%ann%'", where)), "0") << where;
  EXPECT_EQ(ask("SELECT uniqExact(message_id, properties) FROM bronze.hooks"), "4");
  EXPECT_EQ(kept(), "m0:x lives here m1:bob m2:x");
  EXPECT_EQ(sums(), ":7 bob:7 x:7 x lives here:7");
}

TEST_F(RedactedRowsTest, SelectsThatFitNoTableAreTold) {
  auto told = [&](const std::string& select) {
    auto set = columns_to_set(*pool_.lease(), table_, select);
    return set ? "" : set.error().describe();
  };
  EXPECT_EQ(told(select_), "");
  EXPECT_THAT(told("SELECT 'x' AS properties"), HasSubstr("no column `message_id`, the key of its table"));
  EXPECT_THAT(told("SELECT 'm' AS message_id, 1 AS body"), HasSubstr("the table hooks has no column `body`"));
  EXPECT_THAT(told("SELECT 'm' AS message_id, ['a'] AS texts"), HasSubstr("sets no column"));
  auto rows = has_rows(pool_, select_);
  ASSERT_OK(rows);
  EXPECT_TRUE(*rows);
}

TEST(RedactionFiles, SayTheirTable) {
  std::string pattern = std::string(TIDEMARK_BINARY_DIR) + "/redactions-XXXXXX";
  std::filesystem::path root = mkdtemp(pattern.data());
  std::filesystem::create_directories(root / "redactions");
  auto write = [&](const char* name, const char* text) { std::ofstream(root / "redactions" / name) << text; };
  config::Project project;
  project.root = root;
  project.insert_tables.push_back(
      {.source = "files", .database = "files", .table = "documents", .key = {"id"}});
  project.insert_tables.push_back({.source = "files", .database = "files", .table = "log"});
  write("a.sql", "-- table: bronze.hooks\n-- description: why\nSELECT 1 AS message_id\n");
  write("b.sql", "-- table: files.documents\nSELECT 1 AS id\n");
  auto loaded = load_redactions(project, {"hooks"});
  EXPECT_EQ(config::render(loaded.errors), "");
  ASSERT_EQ(loaded.redactions.size(), 2u);
  EXPECT_EQ(loaded.find("redactions/a")->description, "why");
  EXPECT_EQ(loaded.find("a"), nullptr);
  write("a.sql", "-- table: bronze.hook\n-- tabel: x\nSELECT {y:Int8} AS message_id\n");
  write("b.sql", "-- table: files.log\nSELECT 1 AS id\n");
  write("c.sql", "SELECT 1 AS id\n");
  std::string errors = config::render(load_redactions(project, {"hooks"}).errors);
  EXPECT_THAT(errors, HasSubstr("redactions/a.sql:1:11: the rows of `bronze.hook` cannot be rewritten (did "
                                "you mean `bronze.hooks`?)"));
  EXPECT_THAT(errors, HasSubstr("unknown key `tabel` in a redaction's header (did you mean `table`?)"));
  EXPECT_THAT(errors, HasSubstr("a redaction has no parameters"));
  EXPECT_THAT(errors, HasSubstr("the rows of `files.log` cannot be rewritten"));
  EXPECT_THAT(errors, HasSubstr("does not say whose rows it rewrites"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace tidemark::profiles
