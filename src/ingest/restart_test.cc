// Being stopped, failing half way, and starting again: nothing is lost, nothing counts twice, and what cannot
// be made good is refused.
#include "base/limits.h"
#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

class RestartTest : public PipelineTest {
 protected:
  // after_parts fails once for each time it is armed: the cut is then planned, its rows are in, and there is
  // no fence.
  void fail_before_the_fence() {
    hooks.after_parts = [this](uint64_t, Version, const std::vector<std::string>&) -> Status {
      if (armed.exchange(false)) return fail(ErrorKind::dependency_down, "failed on purpose");
      return {};
    };
  }
  std::atomic<bool> armed{false};
};

TEST_F(RestartTest, ACutWithoutItsFenceIsReplayedAndCountsOnce) {
  fail_before_the_fence();
  make_things();
  run("INSERT INTO things SELECT n, " + large("a") + ", n FROM generate_series(1, 30) n");
  start();
  expect_equal();
  const std::string transactions[] = {
      "INSERT INTO things SELECT n, 'new', n FROM generate_series(100, 200) n",
      "UPDATE things SET number = number + 1",
      // What only a replay that completes a part again would stumble over: the row that had the text is gone.
      "UPDATE things SET number = 5 WHERE id = 1; DELETE FROM things WHERE id = 1",
      "UPDATE things SET id = 502 WHERE id = 2; DELETE FROM things WHERE id = 502",
      "INSERT INTO things VALUES (300, 'x', 1); TRUNCATE things; INSERT INTO things VALUES (1, 'y', 2)",
  };
  for (const auto& transaction : transactions) {
    SCOPED_TRACE(transaction);
    armed = true;
    run("BEGIN; " + transaction + "; COMMIT");
    ASSERT_TRUE(eventually([&] { return !armed; }));
    expect_equal();
    auto status = pipeline->status();
    EXPECT_EQ(status.state, "streaming") << status.error;
    EXPECT_EQ(status.tables.at(0).quarantined, 0u);
  }
}

TEST_F(RestartTest, ALargeTransactionOfSeveralPartsIsReplayedToTheSameParts) {
  fail_before_the_fence();
  make_things();
  start();
  expect_equal();
  armed = true;
  run("BEGIN; INSERT INTO things SELECT n, repeat('x', 1000), n FROM generate_series(1, 70000) n; UPDATE "
      "things SET "
      "number = 1 WHERE id <= 20000; COMMIT");
  ASSERT_TRUE(eventually([&] { return !armed; }));
  run("UPDATE things SET number = 3 WHERE id = 5");
  expect_equal();
}

TEST_F(RestartTest, StoppedAndStartedAnewItGoesOnFromItsFence) {
  make_things();
  run("INSERT INTO things SELECT n, 't', n FROM generate_series(1, 100) n");
  start();
  expect_equal();
  for (int round = 0; round < 3; ++round) {
    run("UPDATE things SET number = number + 1 WHERE id % 2 = 0");
    pipeline->stop();
    run(fmt::format("INSERT INTO things VALUES ({}, 'while away', 1)", 1000 + round));
    start();
    expect_equal();
  }
  EXPECT_EQ(pipeline->status().epoch, 1u);
}

TEST_F(RestartTest, AnIdleSourceMovesItsSlotAndStillKnowsHowFreshItIs) {
  make_things();
  start();
  run("INSERT INTO things VALUES (1, 'x', 1)");
  expect_equal();
  ASSERT_TRUE(eventually([&] { return pipeline->status().as_of_micros > 0; }));
  uint64_t cut = pipeline->status().last_cut;
  // Log of other databases.
  auto other = postgres::Connection::open({.url = cluster().url()});
  ASSERT_OK(other);
  ASSERT_OK(other->execute("CREATE TABLE IF NOT EXISTS noise AS SELECT n FROM generate_series(1, 1000) n"));
  ASSERT_OK(other->execute("DROP TABLE noise"));
  std::string wanted = ask("SELECT pg_current_wal_insert_lsn()::text");
  ASSERT_TRUE(eventually([&] {
    clock.skip(std::chrono::microseconds(limits::idle_fence_every_us + 1));
    return ask("SELECT (confirmed_flush_lsn >= '" + wanted +
               "')::text FROM pg_replication_slots WHERE slot_name = 'pipeline_test'") == "true";
  }));
  pipeline->stop();
  start();
  ASSERT_TRUE(eventually([&] { return pipeline->status().state == "streaming"; }));
  EXPECT_GT(pipeline->status().as_of_micros, 0) << "an idle source is not one that never had data";
  EXPECT_EQ(pipeline->status().last_cut, cut) << "a fence without rows is no cut";
  run("INSERT INTO things VALUES (2, 'y', 1)");
  expect_equal();
}

TEST_F(RestartTest, WhatTheSlotKeepsIsKnown) {
  make_things();
  run("ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'");
  run("SELECT pg_reload_conf()");
  start();
  auto slot = [&] { return pipeline->status().slot.value_or(SlotHealth{}); };
  ASSERT_TRUE(eventually([&] { return slot().left_bytes.has_value(); }));
  EXPECT_EQ(slot().wal_status, "reserved");
  EXPECT_EQ(slot().warning, "");
  EXPECT_GT(*slot().left_bytes, 500'000'000u);
  run("INSERT INTO things SELECT n, repeat('x', 1000), n FROM generate_series(1, 5000) n");
  ASSERT_TRUE(eventually([&] { return slot().seconds_left.has_value(); }));
  EXPECT_GT(slot().log_bytes_per_second, 0);
  expect_equal();

  // Nobody reads, and the server removes what was not read.
  pipeline.reset();
  run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
  run("SELECT pg_reload_conf()");
  run("INSERT INTO things VALUES (6000, 'in the log that goes', 1)");
  ASSERT_TRUE(eventually([&] {
    run("SELECT pg_logical_emit_message(false, 'noise', 'x'), pg_switch_wal()");
    run("CHECKPOINT");
    return ask("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'pipeline_test'") == "lost";
  }));
  auto refused = prepare();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("replication slot pipeline_test was invalidated"), std::string::npos)
      << refused.error().describe();
  EXPECT_NE(refused.error().remedy.find("SELECT pg_drop_replication_slot('pipeline_test')"),
            std::string::npos)
      << refused.error().remedy;
  run("ALTER SYSTEM RESET max_slot_wal_keep_size");
  run("SELECT pg_reload_conf()");
  // As it was told.
  run("SELECT pg_drop_replication_slot('pipeline_test')");
  start();
  expect_equal();
  EXPECT_EQ(pipeline->status().epoch, 2u) << "by parity, under a new epoch";
  ASSERT_TRUE(eventually([&] { return slot().wal_status == "reserved"; }));
  EXPECT_EQ(slot().left_bytes, std::nullopt) << "the server has no bound";
}

TEST(SlotWarning, IsOneForEachThreshold) {
  auto name = [](const SlotHealth& health) {
    std::string warning = slot_warning(health);
    return warning.substr(0, warning.find(':'));
  };
  constexpr uint64_t gigabyte = 1ULL << 30;
  EXPECT_EQ(name({.wal_status = "reserved", .retained_bytes = gigabyte / 2}), "");
  EXPECT_EQ(name({.wal_status = "extended", .left_bytes = gigabyte, .seconds_left = 4'000}), "");
  EXPECT_EQ(name({.wal_status = "extended", .left_bytes = gigabyte, .seconds_left = 3'000}),
            "slot_invalid_soon");
  EXPECT_EQ(name({.wal_status = "unreserved", .left_bytes = 0}), "slot_unreserved");
  EXPECT_EQ(name({.wal_status = "lost", .seconds_left = 0}), "slot_lost");
  EXPECT_EQ(name({.wal_status = "extended", .retained_bytes = 20 * gigabyte}), "slot_retains_much");
  EXPECT_EQ(name({.wal_status = "extended", .retained_bytes = 20 * gigabyte, .left_bytes = gigabyte}), "");
  EXPECT_EQ(name({.wal_status = "extended", .retained_bytes = 2 * gigabyte, .acknowledged_seconds_ago = 700}),
            "slot_stands_still");
  EXPECT_EQ(name({.wal_status = "reserved", .acknowledged_seconds_ago = 7'000}), "")
      << "nothing happens there";
}

TEST_F(RestartTest, ABacklogOfNothingButBadRowsIsPassedOnce) {
  run("CREATE TABLE things (id bigint PRIMARY KEY, text text, number bigint NOT NULL, price numeric(10,2))");
  start();
  expect_equal();
  pipeline->stop();
  run("INSERT INTO things SELECT n, repeat('x', 200), n, 'NaN' FROM generate_series(1, 60000) n");
  start();
  EXPECT_EQ(parity().tables.at(0).missing, 60'000u);
  EXPECT_EQ(pipeline->status().tables.at(0).quarantined, 60'000u);
  run("DELETE FROM things");
  run("INSERT INTO things VALUES (1, 'good', 1, 1)");
  expect_equal();
}

TEST_F(RestartTest, ANewEpochCopiesEverythingAgain) {
  make_things();
  run("INSERT INTO things VALUES (1, 'x', 1)");
  run("CREATE TABLE shaped (id int PRIMARY KEY, value int); INSERT INTO shaped VALUES (1, 1)");
  start();
  expect_equal();
  pipeline->stop();
  run("ALTER TABLE shaped ALTER value TYPE text");
  std::vector<std::string> rows_when_told;
  hooks.before_copy = [&](const std::vector<std::string>&) -> Status {
    rows_when_told.push_back(ask_warehouse("SELECT count() FROM bronze.shaped"));
    return {};
  };
  run("CREATE TABLE added (id int PRIMARY KEY)");
  run("INSERT INTO added VALUES (1); INSERT INTO things VALUES (2, 'y', 2)");
  options.recopy = true;
  hooks.reset = [&](const std::vector<std::string>&) { return pool.execute("TRUNCATE TABLE witness.sums"); };
  start();
  ASSERT_TRUE(eventually([&] { return pipeline->status().state == "streaming"; }));
  expect_equal();
  EXPECT_EQ(pipeline->status().epoch, 2u);
  ASSERT_FALSE(rows_when_told.empty());
  EXPECT_EQ(rows_when_told.front(), "1") << "who waits for copies is told before anything is emptied";
}

TEST_F(RestartTest, StopsAtOnceWhileTheWarehouseIsAway) {
  make_things();
  clickhouse::TestServer server;
  clickhouse::ClientPool away(server.endpoint());
  PostgresPipeline other(options, away, {}, clock, nullptr);
  ASSERT_OK(other.prepare());
  server.server().stop();
  other.start();
  // Its own connection, which is not that of who watches the slot, has told whose server it is: now it asks
  // the warehouse where it was.
  ASSERT_TRUE(eventually([&] {
    return ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidemark shop' AND state = "
               "'idle' AND query LIKE '%pg_control_system%'") == "1";
  }));
  auto before = std::chrono::steady_clock::now();
  other.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
}

}  // namespace
}  // namespace tidemark::ingest
