// What is INSERTed, with a real ClickHouse: every row once, the highest version wins, whatever is killed or
// merged in between. A witness adds the change rows up.
#include "ingest/insert_pipeline.h"

#include "clickhouse/test_server.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

class InsertPipelineTest : public testing::Test {
 protected:
  InsertPipelineTest() : pool_(clickhouse::TestServer::shared().endpoint(), 8) {}

  void SetUp() override {
    for (const char* database : {"witness", "shop", "bronze", "tidemark"})
      warehouse(fmt::format("DROP DATABASE IF EXISTS {} SYNC", database));
    table_ = {.source = "shop",
              .database = "shop",
              .table = "things",
              .columns = {{"id", *parse_column_type("UInt32")},
                          {"value", *parse_column_type("Nullable(Int64)")},
                          {"version", *parse_column_type("UInt64")},
                          {"gone", *parse_column_type("UInt8")}},
              .key = {"id"},
              .version = "version",
              .deleted = "gone"};
  }
  void TearDown() override { pipeline_.reset(); }

  void warehouse(const std::string& sql) {
    auto done = pool_.execute(sql);
    ASSERT_TRUE(done) << done.error().describe() << "\n" << sql;
  }
  std::string ask(const std::string& sql) {
    auto text = pool_.lease()->query_text(sql);
    if (!text) return text.error().describe();
    if (!text->empty()) text->pop_back();
    return *text;
  }
  void prepare() {
    pipeline_ = std::make_unique<InsertPipeline>(
        InsertPipelineOptions{.table = table_, .tables_with_changes = {"shop_things"}}, pool_, ModelHooks(),
        system_clock(), nullptr);
    ASSERT_OK(pipeline_->prepare());
    warehouse("CREATE DATABASE IF NOT EXISTS witness");
    warehouse(
        "CREATE TABLE IF NOT EXISTS witness.sums (k UInt8, rows Int64, total Int64) ENGINE = "
        "SummingMergeTree "
        "ORDER BY k SETTINGS non_replicated_deduplication_window = 1000");
    warehouse(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS witness.view TO witness.sums AS SELECT 1 AS k, "
        "sum(toInt64(_sign)) AS rows, sum(ifNull(value, 0) * _sign) AS total FROM "
        "bronze.shop_things__changes");
  }
  void start() {
    prepare();
    pipeline_->start();
  }
  void settle() {
    auto position = pipeline_->ask_for_fence();
    ASSERT_OK(position);
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (pipeline_->status().ladder.fenced < *position || !pipeline_->at_fence()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << pipeline_->status().error;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  bool eventually(const std::function<bool()>& done) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  std::string difference() {
    return ask(
        "SELECT count() FROM (SELECT * FROM shop.things FINAL EXCEPT SELECT * FROM "
        "bronze.shop_things__current "
        "UNION ALL SELECT * FROM bronze.shop_things__current EXCEPT SELECT * FROM shop.things FINAL)");
  }
  void expect_equal() {
    EXPECT_EQ(difference(), "0");
    if (table_.key.empty()) return;
    EXPECT_EQ(ask("SELECT sum(rows), sum(total) FROM witness.sums"),
              ask("SELECT count(), sum(ifNull(value, 0)) FROM shop.things FINAL"));
  }

  clickhouse::ClientPool pool_;
  config::InsertTable table_;
  std::unique_ptr<InsertPipeline> pipeline_;
};

TEST_F(InsertPipelineTest, TheHighestVersionWinsWheneverItComes) {
  start();
  warehouse("INSERT INTO shop.things VALUES (1, 10, 1, 0), (2, 20, 5, 0), (3, NULL, 1, 0)");
  settle();
  expect_equal();
  warehouse("INSERT INTO shop.things VALUES (1, 11, 2, 0), (2, 21, 4, 0)");  // the second is late
  warehouse("INSERT INTO shop.things VALUES (3, 1, 2, 0), (3, 2, 2, 0)");    // of equals the last
  warehouse("INSERT INTO shop.things VALUES (2, 20, 5, 0)");                 // once more
  settle();
  EXPECT_EQ(
      ask("SELECT groupArray((id, value)) FROM (SELECT * FROM bronze.shop_things__current ORDER BY id)"),
      "[(1,11),(2,20),(3,2)]");
  expect_equal();
  warehouse("INSERT INTO shop.things VALUES (1, 0, 3, 1), (2, 0, 4, 1)");  // gone; the second is late
  settle();
  EXPECT_EQ(ask("SELECT groupArray(id) FROM (SELECT * FROM bronze.shop_things__current ORDER BY id)"),
            "[2,3]");
  expect_equal();
  auto status = pipeline_->status();
  EXPECT_EQ(status.source, "shop.things");
  EXPECT_EQ(status.tables.at(0).table, "bronze.shop_things");
  EXPECT_EQ(status.tables.at(0).state, "live");
}

TEST_F(InsertPipelineTest, NothingIsLostOrCountedTwiceWhileWritersAndStopsGoOn) {
  start();
  std::atomic<bool> writing{true};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 3; ++writer)
    writers.emplace_back([&, writer] {
      clickhouse::Client client(clickhouse::TestServer::shared().endpoint());
      for (int number = 0; writing; ++number)
        EXPECT_TRUE(client.execute(fmt::format(
            "INSERT INTO shop.things SELECT number % 50, number + {0}, {0} * 10 + {1}, number % 11 = 0 "
            "FROM numbers(20)",
            number, writer)));
    });
  for (int round = 0; round < 6; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    if (round == 3) warehouse("OPTIMIZE TABLE tidemark.inbox_shop_things FINAL");
    pipeline_->stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    start();
  }
  writing = false;
  for (auto& writer : writers) writer.join();
  settle();
  expect_equal();
  EXPECT_TRUE(eventually([&] {
    return ask("SELECT count() FROM system.parts WHERE database = 'tidemark' AND table = 'inbox_shop_things' "
               "AND "
               "active AND rows > 0") == "1";
  })) << "the inbox is emptied but for its newest part";
}

TEST_F(InsertPipelineTest, ATableThatWasThereIsTakenOverAndDeletesAreNoticed) {
  warehouse("CREATE DATABASE shop");
  warehouse(
      "CREATE TABLE shop.things (id UInt32, value Nullable(Int64), version UInt64, gone UInt8, extra String) "
      "ENGINE "
      "= ReplacingMergeTree(version, gone) ORDER BY id");
  warehouse("INSERT INTO shop.things SELECT number, number, 1, number % 7 = 0, '' FROM numbers(1000)");
  start();
  auto same = [&] {
    return ask("SELECT count(), sum(value) FROM bronze.shop_things__current") ==
           ask("SELECT count(), sum(value) FROM shop.things FINAL");
  };
  ASSERT_TRUE(eventually(same));
  // In the table and not in the inbox, as after a server that died between the two.
  pipeline_->stop();
  warehouse("DETACH TABLE tidemark.feed_shop_things");
  warehouse("INSERT INTO shop.things VALUES (1, 500, 2, 0, ''), (2000, 1, 1, 0, '')");
  warehouse("ATTACH TABLE tidemark.feed_shop_things");
  start();
  ASSERT_TRUE(eventually(same));
  warehouse("DELETE FROM shop.things WHERE id BETWEEN 100 AND 199");
  ASSERT_TRUE(eventually(same));
  EXPECT_EQ(ask("SELECT sum(rows), sum(total) FROM witness.sums"),
            ask("SELECT count(), sum(value) FROM shop.things FINAL"));
}

TEST_F(InsertPipelineTest, WithoutAVersionTheLastInsertWinsAndWithoutAKeyEachRowIsKept) {
  table_.version.clear();
  table_.deleted.clear();
  start();
  warehouse("INSERT INTO shop.things VALUES (1, 1, 9, 0), (1, 2, 8, 0)");
  warehouse("INSERT INTO shop.things VALUES (1, 3, 7, 0)");
  settle();
  EXPECT_EQ(ask("SELECT value FROM bronze.shop_things__current"), "3");
  expect_equal();
  pipeline_.reset();
  SetUp();
  table_.key.clear();
  table_.version.clear();
  table_.deleted.clear();
  pipeline_ =
      std::make_unique<InsertPipeline>(InsertPipelineOptions{.table = table_, .tables_with_changes = {}},
                                       pool_, ModelHooks(), system_clock(), nullptr);
  ASSERT_OK(pipeline_->prepare());
  pipeline_->start();
  warehouse("INSERT INTO shop.things SELECT 1, 1, 1, 0 FROM numbers(300000)");
  warehouse("INSERT INTO shop.things SELECT 1, 1, 1, 0 FROM numbers(5)");
  settle();
  EXPECT_EQ(ask("SELECT count() FROM bronze.shop_things"), "300005");
}

TEST_F(InsertPipelineTest, AnotherShapeIsToldAndChangesNothing) {
  warehouse("CREATE DATABASE shop");
  warehouse(
      "CREATE TABLE shop.things (id UInt64, value Nullable(Int64), version UInt64, gone UInt8) ENGINE = "
      "MergeTree ORDER BY id");
  pipeline_ =
      std::make_unique<InsertPipeline>(InsertPipelineOptions{.table = table_, .tables_with_changes = {}},
                                       pool_, ModelHooks(), system_clock(), nullptr);
  auto prepared = pipeline_->prepare();
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().kind, ErrorKind::config);
  EXPECT_NE(prepared.error().message.find("`id` of type UInt64"), std::string::npos);
}

}  // namespace
}  // namespace tidemark::ingest
