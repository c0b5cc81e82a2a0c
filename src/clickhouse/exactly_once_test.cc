// The facts about ClickHouse that exactly-once rests on, against the real server. Each test states one; when
// a new version of the library changes one, this is where it shows.
#include "clickhouse/retry.h"
#include "clickhouse/test_server.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace tidemark::clickhouse {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

const std::atomic<bool> go_on{false};

class ExactlyOnce : public testing::Test {
 protected:
  ExactlyOnce() : client(server.client()), pool(server.endpoint()), database(server.database()) {}

  void run(const std::string& sql) {
    auto outcome = client.execute(sql);
    if (!outcome) ADD_FAILURE() << sql << ": " << outcome.error().describe();
  }
  // One number, as text.
  std::string ask(const std::string& sql) {
    auto text = client.query_text(sql);
    if (!text) return text.error().describe();
    if (!text->empty()) text->pop_back();
    return *text;
  }
  std::string named(const std::string& table) { return database + "." + table; }

  // (k, v, at) rows; every row a month further on.
  static Block rows(int64_t first, int64_t count) {
    Block block;
    block.add("k", ColumnType::of(TypeKind::int64));
    block.add("v", ColumnType::of(TypeKind::int64));
    block.add("at", ColumnType::of(TypeKind::date32));
    for (int64_t row = first; row < first + count; ++row) {
      block.columns[0].append(row);
      block.columns[1].append(int64_t{10});
      block.columns[2].append(static_cast<int32_t>((row - first) * 31));
    }
    return block;
  }
  Status insert(const std::string& table, const Block& block, const std::string& token) {
    RetryPolicy policy;
    policy.deadline = std::chrono::seconds(30);
    return insert_exactly_once(pool, table, block, token, {}, policy, go_on);
  }

  static constexpr const char* window = " SETTINGS non_replicated_deduplication_window = 1000";
  // A Null table with two views: a sum and the rows themselves. `settings` for the two targets.
  void make_null_with_two_views(const std::string& settings) {
    run("CREATE TABLE " + named("source") + " (k Int64, v Int64, at Date32) ENGINE = Null");
    run("CREATE TABLE " + named("sums") +
        " (k Int64, n Int64, total Int64) ENGINE = SummingMergeTree ORDER BY k" + settings);
    run("CREATE TABLE " + named("latest") +
        " (k Int64, v Int64, at Date32) ENGINE = ReplacingMergeTree ORDER BY k" + settings);
    run("CREATE MATERIALIZED VIEW " + named("sums_view") + " TO " + named("sums") +
        " AS SELECT k % 10 AS k, toInt64(count()) AS n, sum(v) AS total FROM " + named("source") +
        " GROUP BY k");
    run("CREATE MATERIALIZED VIEW " + named("latest_view") + " TO " + named("latest") +
        " AS SELECT k, v, at FROM " + named("source"));
  }
  std::string counted() { return ask("SELECT sum(n), sum(total) FROM " + named("sums")); }
  // Without FINAL: physical rows.
  std::string kept() { return ask("SELECT count() FROM " + named("latest")); }

  TestServer& server = TestServer::shared();
  Client client;
  ClientPool pool;
  std::string database;
};

TEST_F(ExactlyOnce, ARepeatedTokenThroughANullTableCountsOnceInEveryView) {
  make_null_with_two_views(window);
  ASSERT_OK(insert(named("source"), rows(0, 100), "a:1"));
  ASSERT_OK(insert(named("source"), rows(0, 100), "a:1"));
  EXPECT_EQ(counted(), "100\t1000");
  EXPECT_EQ(kept(), "100");
  // Other contents under the same token are dropped too: the token is the identity, not the rows.
  ASSERT_OK(insert(named("source"), rows(500, 50), "a:1"));
  EXPECT_EQ(counted(), "100\t1000");
  EXPECT_EQ(kept(), "100");
  // The same contents under another token count.
  ASSERT_OK(insert(named("source"), rows(0, 100), "a:2"));
  EXPECT_EQ(counted(), "200\t2000");
}

TEST_F(ExactlyOnce, WithoutTheWindowOnTheTargetsRowsAreCountedTwice) {
  make_null_with_two_views("");
  ASSERT_OK(insert(named("source"), rows(0, 100), "b:1"));
  ASSERT_OK(insert(named("source"), rows(0, 100), "b:1"));
  EXPECT_EQ(counted(), "200\t2000");
}

TEST_F(ExactlyOnce, AMergeTreeSourceNeedsTheWindowToo) {
  run("CREATE TABLE " + named("plain") + " (k Int64, v Int64, at Date32) ENGINE = MergeTree ORDER BY k");
  ASSERT_OK(insert(named("plain"), rows(0, 10), "c:1"));
  ASSERT_OK(insert(named("plain"), rows(0, 10), "c:1"));
  EXPECT_EQ(ask("SELECT count() FROM " + named("plain")), "20");
  run("CREATE TABLE " + named("windowed") + " (k Int64, v Int64, at Date32) ENGINE = MergeTree ORDER BY k" +
      window);
  ASSERT_OK(insert(named("windowed"), rows(0, 10), "c:1"));
  ASSERT_OK(insert(named("windowed"), rows(0, 10), "c:1"));
  EXPECT_EQ(ask("SELECT count() FROM " + named("windowed")), "10");
}

TEST_F(ExactlyOnce, ATableWithAWindowAndAViewCountsOnceInBoth) {
  run("CREATE TABLE " + named("bronze") + " (k Int64, v Int64, at Date32) ENGINE = MergeTree ORDER BY k" +
      window);
  run("CREATE TABLE " + named("sums") +
      " (k Int64, n Int64, total Int64) ENGINE = SummingMergeTree ORDER BY k" + window);
  run("CREATE MATERIALIZED VIEW " + named("view") + " TO " + named("sums") +
      " AS SELECT k, toInt64(count()) AS n, sum(v) AS total FROM " + named("bronze") + " GROUP BY k");
  for (int round = 0; round < 3; ++round) ASSERT_OK(insert(named("bronze"), rows(0, 10), "d:1"));
  EXPECT_EQ(ask("SELECT count() FROM " + named("bronze")), "10");
  EXPECT_EQ(counted(), "10\t100");
}

TEST_F(ExactlyOnce, TwoViewsIntoOneTargetBothCount) {
  run("CREATE TABLE " + named("source") + " (k Int64, v Int64, at Date32) ENGINE = Null");
  run("CREATE TABLE " + named("sums") +
      " (k Int64, n Int64, total Int64) ENGINE = SummingMergeTree ORDER BY k" + window);
  for (const char* view : {"one", "two"})
    run("CREATE MATERIALIZED VIEW " + named(view) + " TO " + named("sums") +
        " AS SELECT k, toInt64(1) AS n, v AS total FROM " + named("source"));
  for (int round = 0; round < 2; ++round) ASSERT_OK(insert(named("source"), rows(0, 10), "e:1"));
  EXPECT_EQ(counted(), "20\t200");
}

TEST_F(ExactlyOnce, ATokenIsRememberedAcrossKillMinusNine) {
  make_null_with_two_views(std::string(window) + ", fsync_after_insert = 1, fsync_part_directory = 1");
  ASSERT_OK(insert(named("source"), rows(0, 100), "f:1"));
  uint64_t before = server.server().restarts();
  ASSERT_EQ(kill(server.server().child_pid(), SIGKILL), 0);
  // The retry rides over the restart.
  ASSERT_OK(insert(named("source"), rows(0, 100), "f:1"));
  EXPECT_GT(server.server().restarts() + 1, before);
  client = server.client();
  EXPECT_EQ(counted(), "100\t1000");
  EXPECT_EQ(kept(), "100");
}

TEST_F(ExactlyOnce, ABlockOverManyPartitionsCountsOnce) {
  run("CREATE TABLE " + named("source") + " (k Int64, v Int64, at Date32) ENGINE = Null");
  run("CREATE TABLE " + named("latest") +
      " (k Int64, v Int64, at Date32) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY k" + window);
  run("CREATE MATERIALIZED VIEW " + named("view") + " TO " + named("latest") + " AS SELECT k, v, at FROM " +
      named("source"));
  for (int round = 0; round < 2; ++round) ASSERT_OK(insert(named("source"), rows(0, 240), "g:1"));
  EXPECT_EQ(kept(), "240");
  EXPECT_GT(std::stoi(ask("SELECT uniqExact(toYYYYMM(at)) FROM " + named("latest"))), 200);
  // Straight into the partitioned table as well.
  for (int round = 0; round < 2; ++round) ASSERT_OK(insert(named("latest"), rows(1000, 240), "g:2"));
  EXPECT_EQ(kept(), "480");
}

// The window counts parts, not inserts: a block over n partitions takes n places in it.
TEST_F(ExactlyOnce, TheWindowCountsOnePlaceForEachPartition) {
  run("CREATE TABLE " + named("latest") +
      " (k Int64, v Int64, at Date32) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY k SETTINGS "
      "non_replicated_deduplication_window = 100");
  ASSERT_OK(insert(named("latest"), rows(0, 240), "w:1"));
  ASSERT_OK(insert(named("latest"), rows(0, 240), "w:1"));
  RecordProperty("kept_rows", kept());
  EXPECT_NE(kept(), "240") << "the window now remembers inserts: part_partitions bounds may be lifted";
}

TEST_F(ExactlyOnce, AViewThatFailsHalfWayIsHealedByTheSameToken) {
  run("CREATE TABLE " + named("source") + " (k Int64, v Int64, at Date32) ENGINE = Null");
  run("CREATE TABLE " + named("switch") + " (broken UInt8) ENGINE = Memory");
  run("INSERT INTO " + named("switch") + " VALUES (1)");
  for (const char* target : {"first", "second", "third"})
    run("CREATE TABLE " + named(target) + " (k Int64, v Int64) ENGINE = SummingMergeTree ORDER BY k" +
        window);
  for (const char* target : {"first", "third"})
    run("CREATE MATERIALIZED VIEW " + named(target) + "_view TO " + named(target) + " AS SELECT k, v FROM " +
        named("source"));
  run("CREATE MATERIALIZED VIEW " + named("second_view") + " TO " + named("second") +
      " AS SELECT k, v + throwIf((SELECT max(broken) FROM " + named("switch") + ") = 1) AS v FROM " +
      named("source"));
  auto failed = insert(named("source"), rows(0, 10), "h:1");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::refused) << failed.error().describe();
  run("TRUNCATE TABLE " + named("switch"));
  run("INSERT INTO " + named("switch") + " VALUES (0)");
  for (int round = 0; round < 2; ++round) ASSERT_OK(insert(named("source"), rows(0, 10), "h:1"));
  for (const char* target : {"first", "second", "third"})
    EXPECT_EQ(ask("SELECT count(), sum(v) FROM " + named(target)), "10\t100") << target;
}

TEST_F(ExactlyOnce, AFullBlockStaysOneBlockInTheTableAndInItsViews) {
  make_null_with_two_views(window);
  run("CREATE TABLE " + named("direct") + " (k Int64, v Int64, at Date32) ENGINE = MergeTree ORDER BY k" +
      window);
  Block block;
  for (const char* name : {"k", "v"}) block.add(name, ColumnType::of(TypeKind::int64));
  block.add("at", ColumnType::of(TypeKind::date32));
  for (int64_t row = 0; row < 131'072; ++row) {
    block.columns[0].append(row);
    block.columns[1].append(row);
    block.columns[2].append(int32_t{0});
  }
  run("SYSTEM STOP MERGES");
  ASSERT_OK(insert(named("source"), block, "i:1"));
  ASSERT_OK(insert(named("direct"), block, "i:1"));
  for (const char* table : {"sums", "latest", "direct"})
    EXPECT_EQ(
        ask(fmt::format("SELECT count() FROM system.parts WHERE database = '{}' AND table = '{}' AND active",
                        database, table)),
        "1")
        << table;
  run("SYSTEM START MERGES");
}

TEST_F(ExactlyOnce, WithoutATokenEqualRowsAreBothKept) {
  run("CREATE TABLE " + named("events") + " (k Int64, v Int64) ENGINE = MergeTree ORDER BY k" + window);
  for (int round = 0; round < 2; ++round) run("INSERT INTO " + named("events") + " VALUES (1, 1)");
  EXPECT_EQ(ask("SELECT count() FROM " + named("events")), "2");
  Block block;
  for (const char* name : {"k", "v"}) {
    block.add(name, ColumnType::of(TypeKind::int64));
    block.columns.back().append(int64_t{2});
  }
  for (int round = 0; round < 2; ++round) ASSERT_OK(client.insert(named("events"), block));
  EXPECT_EQ(ask("SELECT count() FROM " + named("events") + " WHERE k = 2"), "2");
  QueryOptions options;
  options.settings["insert_deduplication_token"] = "only-the-token";
  for (int round = 0; round < 2; ++round) ASSERT_OK(client.insert(named("events"), block, options));
  EXPECT_EQ(ask("SELECT count() FROM " + named("events") + " WHERE k = 2"), "3");
}

// With a token an INSERT SELECT is dropped as a whole when repeated. ORDER BY ALL is what keeps its blocks
// the same when the source has parts that merge in between; without it only a source that cannot change is
// safe.
TEST_F(ExactlyOnce, AnInsertSelectIsHeldToItsToken) {
  run("CREATE TABLE " + named("copy") + " (k Int64) ENGINE = MergeTree ORDER BY k" + window);
  QueryOptions options;
  for (const char* select :
       {"SELECT number FROM numbers(300000) ORDER BY ALL", "SELECT number FROM numbers(300000)"}) {
    run("TRUNCATE TABLE " + named("copy"));
    options.settings["insert_deduplication_token"] = select;
    for (int round = 0; round < 2; ++round)
      ASSERT_OK(client.execute(fmt::format("INSERT INTO {} {}", named("copy"), select), options));
    EXPECT_EQ(ask("SELECT count() FROM " + named("copy")), "300000") << select;
  }
}

TEST_F(ExactlyOnce, ANullForAColumnThatHasNoneIsRefused) {
  run("CREATE TABLE " + named("strict") + " (k Int64, v Int64) ENGINE = MergeTree ORDER BY k" + window);
  Block block;
  block.add("k", ColumnType::of(TypeKind::int64));
  block.add("v", ColumnType::of(TypeKind::int64).as_nullable());
  block.columns[0].append(int64_t{1});
  block.columns[1].append_null();
  EXPECT_FALSE(insert(named("strict"), block, "j:1"));
  EXPECT_EQ(ask("SELECT count() FROM " + named("strict")), "0");
}

TEST_F(ExactlyOnce, ReplacingMergeTreeFinalDropsDeletedRowsByItself) {
  run("CREATE TABLE " + named("state") +
      " (k Int64, v String, _version UInt128, _deleted UInt8) ENGINE = ReplacingMergeTree(_version, "
      "_deleted) ORDER BY k" +
      window);
  auto put = [&](const char* values) { run("INSERT INTO " + named("state") + " VALUES " + values); };
  std::string final =
      "SELECT groupArray((k, v)) FROM (SELECT * FROM " + named("state") + " FINAL ORDER BY k)";
  put("(1, 'a', 10, 0), (2, 'b', 10, 0)");
  put("(1, 'a', 20, 1)");
  EXPECT_EQ(ask(final), "[(2,'b')]");
  // Born again, later version.
  put("(1, 'c', 30, 0)");
  EXPECT_EQ(ask(final), "[(1,'c'),(2,'b')]");
  // The delete arrives again, late: older versions never win.
  put("(1, 'a', 20, 1)");
  EXPECT_EQ(ask(final), "[(1,'c'),(2,'b')]");
  // Merges keep what FINAL shows.
  put("(2, 'b', 40, 1)");
  run("OPTIMIZE TABLE " + named("state") + " FINAL");
  EXPECT_EQ(ask(final), "[(1,'c')]");
  // A tombstone survives a merge, so that an older row that arrives after it stays dead.
  put("(2, 'late', 35, 0)");
  EXPECT_EQ(ask(final), "[(1,'c')]");
  // Without FINAL one sees the tombstone.
  EXPECT_EQ(ask("SELECT count() FROM " + named("state") + " WHERE _deleted = 1"), "1");
}

TEST_F(ExactlyOnce, StopsAtItsDeadlineAndWhenTold) {
  Endpoint nobody;
  nobody.port = 1;
  ClientPool dead(nobody);
  RetryPolicy policy;
  policy.deadline = std::chrono::milliseconds(200);
  int tries = 0;
  policy.on_retry = [&](const Error&, int) { ++tries; };
  auto late = insert_exactly_once(dead, "t", rows(0, 1), "x", {}, policy, go_on);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::dependency_down);
  EXPECT_GT(tries, 2);
  std::atomic<bool> stop{false};
  policy.deadline = std::chrono::seconds(600);
  policy.on_retry = [&](const Error&, int attempt) { stop = attempt == 3; };
  auto stopped = insert_exactly_once(dead, "t", rows(0, 1), "x", {}, policy, stop);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace tidemark::clickhouse
