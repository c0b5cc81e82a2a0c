// A batch source on a real Postgres and a real ClickHouse: first load, runs by cursor, late commits, deletes,
// kills. After each step every table is compared by value, and table "things" by its witness
// (test_pipeline.h).
#include "ingest/batch_pipeline.h"

#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

class BatchTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    options.source.mode = config::PostgresSource::Mode::batch;
    options.source.batch.cursor = {"changed_at"};
    // Only runs that are asked for.
    options.source.batch.every_seconds = 86'400;
    options.source.batch.deletes_every_seconds = 86'400;
  }
  void TearDown() override {
    batch.reset();
    PipelineTest::TearDown();
  }

  void make_things() {
    run("CREATE TABLE things (id bigint PRIMARY KEY, number bigint NOT NULL, text text, "
        "changed_at timestamptz DEFAULT now())");
    run("CREATE INDEX ON things (changed_at)");
  }
  void make_witness() {
    warehouse("CREATE DATABASE IF NOT EXISTS witness");
    warehouse(
        "CREATE TABLE IF NOT EXISTS witness.sums (k UInt8, rows Int64, total Int64) ENGINE = "
        "SummingMergeTree ORDER BY k SETTINGS non_replicated_deduplication_window = 1000");
    warehouse(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS witness.view TO witness.sums AS SELECT 1 AS k, "
        "sum(toInt64(_sign)) AS rows, sum(number * _sign) AS total FROM bronze.things__changes");
  }
  Status prepare_batch() {
    batch.reset();
    batch = std::make_unique<BatchPipeline>(options, pool, hooks, clock, on_cut);
    return batch->prepare();
  }
  void start_batch() {
    ASSERT_OK(prepare_batch());
    if (ask_warehouse("EXISTS TABLE bronze.things__changes") == "1") make_witness();
    batch->start();
    ASSERT_TRUE(eventually([&] { return batch->status().state == "idle"; })) << batch->status().error;
  }
  void load_now() {
    auto position = batch->ask_for_fence();
    ASSERT_OK(position);
    ASSERT_TRUE(eventually([&] { return batch->status().ladder.fenced >= *position; }))
        << batch->status().state << " " << batch->status().error;
  }
  std::string change_rows() { return ask_warehouse("SELECT count() FROM witness.log"); }
  // Every change row by itself.
  void keep_log() {
    warehouse(
        "CREATE TABLE IF NOT EXISTS witness.log (id Int64, _sign Int8, _op String) ENGINE = MergeTree ORDER "
        "BY id "
        "SETTINGS non_replicated_deduplication_window = 1000");
    warehouse(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS witness.log_view TO witness.log AS SELECT id, _sign, _op "
        "FROM "
        "bronze.things__changes");
  }

  std::unique_ptr<BatchPipeline> batch;
  std::function<void(const CutEvent&)> on_cut;
};

TEST_F(BatchTest, LoadsThenFollowsByCursor) {
  make_things();
  run("INSERT INTO things SELECT g, g * 10, 'row ' || g, now() - interval '1 day' FROM generate_series(1, "
      "20000) g");
  start_batch();
  expect_equal();
  keep_log();
  run("INSERT INTO things SELECT g, g, 'new', now() FROM generate_series(20001, 20100) g");
  run("UPDATE things SET number = 1, changed_at = now() WHERE id <= 50");
  load_now();
  expect_equal();
  EXPECT_EQ(ask_warehouse(
                "SELECT concat(toString(countIf(_op = 'insert')), ' ', toString(countIf(_op = 'update'))) "
                "FROM witness.log"),
            "100 100");
}

TEST_F(BatchTest, RowsReadAgainMakeNoChangeRows) {
  make_things();
  run("INSERT INTO things SELECT g, g, 'x', now() FROM generate_series(1, 1000) g");
  start_batch();
  keep_log();
  std::string versions = ask_warehouse("SELECT count(), max(_version) FROM bronze.things");
  load_now();
  load_now();
  EXPECT_EQ(change_rows(), "0");
  EXPECT_EQ(ask_warehouse("SELECT count(), max(_version) FROM bronze.things"), versions);
  expect_equal();
}

TEST_F(BatchTest, DeletedRowsAreFoundAndKeysThatChangedToo) {
  make_things();
  run("INSERT INTO things SELECT g, g, 'x', now() FROM generate_series(1, 5000) g");
  start_batch();
  run("DELETE FROM things WHERE id % 7 = 0");
  run("UPDATE things SET id = id + 100000, changed_at = now() WHERE id % 11 = 0");
  load_now();
  expect_equal();
  run("TRUNCATE things");
  load_now();
  expect_equal();
}

// Two transactions with now() before the first run, committed after it: one had written before, the other,
// which Postgres had given no number yet, writes afterwards.
TEST_F(BatchTest, RowsCommittedLateAreNotMissed) {
  make_things();
  options.source.batch.overlap = "1s";
  run("INSERT INTO things VALUES (1, 1, 'first', now())");
  start_batch();
  auto open = [&] {
    auto connection =
        postgres::Connection::open({.url = cluster().url("pipeline"), .application_name = "app"});
    EXPECT_TRUE(connection);
    return std::move(*connection);
  };
  auto writer = open();
  auto sleeper = open();
  ASSERT_OK(writer.execute("BEGIN"));
  ASSERT_OK(writer.execute("INSERT INTO things VALUES (2, 2, 'late', now())"));
  ASSERT_OK(sleeper.execute("BEGIN"));
  ASSERT_OK(sleeper.execute("SELECT 1"));
  std::string began = ask("SELECT extract(epoch FROM clock_timestamp())::text");
  // Newer rows, in two runs, more than the overlap away from the late ones.
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(eventually([&] {
      return ask(fmt::format("SELECT extract(epoch FROM clock_timestamp()) > {} + {}", began,
                             2.5 * (round + 1))) == "t";
    }));
    run(fmt::format("INSERT INTO things VALUES ({}, 3, 'newer', now())", 10 + round));
    load_now();
  }
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.things__current"), "3");
  ASSERT_OK(sleeper.execute("INSERT INTO things VALUES (3, 3, 'later', now())"));
  ASSERT_OK(writer.execute("COMMIT"));
  ASSERT_OK(sleeper.execute("COMMIT"));
  // By the cursor alone: a run that is asked for searches for deleted rows, which would find them, too.
  options.source.batch.every_seconds = 1;
  start_batch();
  ASSERT_TRUE(eventually([&] { return ask_warehouse("SELECT count() FROM bronze.things__current") == "5"; }))
      << ask_warehouse("SELECT groupArray(id) FROM bronze.things__current");
  expect_equal();
}

// Prepared before two runs, committed after them: no session holds its place meanwhile.
TEST_F(BatchTest, PreparedTransactionsAreNotMissed) {
  make_things();
  options.source.batch.overlap = "1s";
  run("INSERT INTO things VALUES (1, 1, 'first', now())");
  start_batch();
  run("BEGIN; INSERT INTO things VALUES (2, 2, 'late', now()); PREPARE TRANSACTION 'late'");
  std::string began = ask("SELECT extract(epoch FROM clock_timestamp())::text");
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(eventually([&] {
      return ask(fmt::format("SELECT extract(epoch FROM clock_timestamp()) > {} + {}", began,
                             1.5 * (round + 1))) == "t";
    }));
    run(fmt::format("INSERT INTO things VALUES ({}, 3, 'newer', now())", 10 + round));
    load_now();
  }
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.things__current"), "3");
  run("COMMIT PREPARED 'late'");
  // By the cursor alone, as above.
  options.source.batch.every_seconds = 1;
  start_batch();
  ASSERT_TRUE(eventually([&] { return ask_warehouse("SELECT count() FROM bronze.things__current") == "4"; }));
  expect_equal();
}

// Rows that never change are told apart from those read before by their key; nobody searches for deleted
// ones.
TEST_F(BatchTest, AppendOnlyTablesGrow) {
  make_things();
  options.source.options = {{.table = "things", .append_only = true}};
  run("INSERT INTO things SELECT g, g, 'x', now() FROM generate_series(1, 3000) g");
  start_batch();
  keep_log();
  run("INSERT INTO things SELECT g, g, 'y', now() FROM generate_series(3001, 3500) g");
  load_now();
  load_now();
  EXPECT_EQ(change_rows(), "500");
  EXPECT_EQ(
      ask_warehouse("SELECT concat(toString(count()), ' ', toString(uniqExact(id))) FROM bronze.things"),
      "3500 3500");
  expect_equal();
  // A restart reads some rows again.
  start_batch();
  load_now();
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.things"), "3500");
  expect_equal();
}

TEST_F(BatchTest, TablesWithoutCursorAndWithNullsInIt) {
  make_things();
  run("CREATE TABLE plain (name text, part int, value numeric(20, 4), PRIMARY KEY (name, part))");
  run("INSERT INTO plain SELECT 'Name ' || g, g % 3, g / 7.0 FROM generate_series(1, 3000) g");
  run("INSERT INTO things SELECT g, g, 'x', CASE WHEN g % 2 = 0 THEN now() END FROM generate_series(1, 1000) "
      "g");
  start_batch();
  expect_equal();
  run("UPDATE plain SET value = 0 WHERE part = 1");
  run("DELETE FROM plain WHERE part = 2");
  run("INSERT INTO plain VALUES ('neu', 9, NULL)");
  run("UPDATE things SET number = -1 WHERE changed_at IS NULL AND id < 100");
  load_now();
  expect_equal();
  std::string rows = ask_warehouse("SELECT count() FROM bronze.plain");
  load_now();
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.plain"), rows);
}

// A change that leaves its cursor where it was is out of a run's reach; verify says so.
TEST_F(BatchTest, VerifyFindsAChangeWithoutAMovedCursor) {
  make_things();
  options.source.batch.overlap = "1s";
  run("INSERT INTO things SELECT g, g, 'x', now() - interval '1 hour' FROM generate_series(1, 1000) g");
  run("INSERT INTO things SELECT g, g, 'x', now() FROM generate_series(2001, 2010) g");
  start_batch();
  run("UPDATE things SET number = 0 WHERE id = 77");
  auto report = parity();
  ASSERT_EQ(report.tables.size(), 1U);
  EXPECT_EQ(report.tables[0].different, 1U);
  EXPECT_EQ(report.tables[0].missing + report.tables[0].extra, 0U);
  batch.reset();
  // With whole rows compared it is brought in.
  options.source.batch.compare_rows = true;
  start_batch();
  expect_equal();
}

// The first load ends somewhere in the middle; the next life goes on without losing or doubling a row, and
// without starting over.
TEST_F(BatchTest, GoesOnWhereItWasInterrupted) {
  make_things();
  run("INSERT INTO things SELECT g, g, repeat('x', 100), now() FROM generate_series(1, 400000) g");
  ASSERT_OK(prepare_batch());
  make_witness();
  batch->start();
  ASSERT_TRUE(eventually([&] { return batch->status().last_cut >= 2; }));
  batch.reset();
  auto loaded = std::stoull(ask_warehouse("SELECT count() FROM bronze.things"));
  EXPECT_GT(loaded, 0U);
  EXPECT_LT(loaded, 400'000U);
  run("UPDATE things SET number = number + 1, changed_at = now() WHERE id % 1000 = 0");
  run("DELETE FROM things WHERE id % 5000 = 1");
  start_batch();
  EXPECT_LT(batch->status().tables[0].copy_rows, 400'000U - loaded / 2) << "the first load began anew";
  load_now();
  expect_equal();
}

TEST_F(BatchTest, ACutInDoubtIsSentAgainAsItWas) {
  make_things();
  run("INSERT INTO things SELECT g, g, 'x', now() FROM generate_series(1, 1000) g");
  start_batch();
  run("UPDATE things SET number = number * 2, changed_at = now() WHERE id <= 500");
  batch.reset();
  // Dies when all parts are in and the fence is not.
  hooks.after_parts = [](uint64_t, Version, const std::vector<std::string>&) -> Status {
    return fail(ErrorKind::dependency_down, "killed here");
  };
  options.source.batch.every_seconds = 1;
  ASSERT_OK(prepare_batch());
  batch->start();
  ASSERT_TRUE(eventually([&] { return batch->status().state == "waiting"; }));
  batch.reset();
  hooks.after_parts = nullptr;
  // The source has moved on: the cut in doubt cannot be read a second time.
  run("UPDATE things SET number = number + 7, changed_at = now() WHERE id <= 250");
  run("DELETE FROM things WHERE id BETWEEN 300 AND 400");
  start_batch();
  load_now();
  expect_equal();
}

TEST_F(BatchTest, EveryTypeOfKeyIsWalked) {
  run("CREATE TYPE mood AS ENUM ('bad', 'good')");
  const std::vector<std::pair<std::string, std::string>> keys = {
      {"smallint", "g"},
      {"numeric", "g / 3.0"},
      {"text", "'Ä' || g"},
      {"char(8)", "'c' || g"},
      {"uuid", "md5(g::text)::uuid"},
      {"date", "'1950-01-01'::date + g"},
      {"timestamp", "'1950-01-01'::timestamp + g * interval '1 hour 1 microsecond'"},
      {"bytea", "decode(md5(g::text), 'hex')"},
      {"interval", "g * interval '1 hour'"},
      {"time", "'00:00'::time + g * interval '7 seconds'"},
      {"double precision", "g / 3.0"},
      {"inet", "'10.0.0.0'::inet + g"}};
  for (size_t index = 0; index < keys.size(); ++index) {
    run(fmt::format("CREATE TABLE t{} (k {} PRIMARY KEY, v int)", index, keys[index].first));
    run(fmt::format("INSERT INTO t{} SELECT {}, g FROM generate_series(1, 9000) g", index,
                    keys[index].second));
  }
  options.tables_with_changes = {"t2", "t6"};
  start_batch();
  expect_equal();
  for (size_t index = 0; index < keys.size(); ++index) {
    run(fmt::format("DELETE FROM t{} WHERE v % 10 = 0", index));
    run(fmt::format("UPDATE t{} SET v = -v WHERE v % 10 = 1", index));
  }
  load_now();
  expect_equal();
}

TEST_F(BatchTest, ABrokenTableDoesNotStopTheOthers) {
  make_things();
  run("CREATE TABLE other (id int PRIMARY KEY, changed_at timestamptz)");
  start_batch();
  run("DROP TABLE other");
  run("INSERT INTO things VALUES (1, 1, 'x', now())");
  load_now();
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.things__current"), "1");
  ASSERT_TRUE(eventually([&] { return batch->status().tables[0].state == "failed"; }));
}

TEST_F(BatchTest, NeedsNoRightButToRead) {
  make_things();
  run("INSERT INTO things VALUES (1, 1, 'x', now())");
  run("DROP ROLE IF EXISTS reader");
  run("CREATE ROLE reader LOGIN");
  options.source.url = Secret(cluster().url("pipeline", "reader"));
  auto refused = prepare_batch();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::refused);
  run("GRANT SELECT ON things TO reader");
  start_batch();
  expect_equal();
  run("REVOKE SELECT ON things FROM reader");
  batch.reset();
  run("DROP ROLE reader");
}

}  // namespace
}  // namespace tidemark::ingest
