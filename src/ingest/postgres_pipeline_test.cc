// Postgres to ClickHouse, by value: what a stream can say, and what the warehouse must then hold.
#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

TEST_F(PipelineTest, CopyThenEveryKindOfChange) {
  make_things();
  run("CREATE TABLE history (at timestamptz, note text)");
  run("INSERT INTO things SELECT n, 't' || n, n FROM generate_series(1, 1000) n");
  run("INSERT INTO history SELECT now(), 'n' || n FROM generate_series(1, 100) n");
  start();
  expect_equal();
  run("UPDATE things SET number = number * 2 WHERE id % 3 = 0");
  run("DELETE FROM things WHERE id % 7 = 0");
  run("UPDATE things SET id = id + 10000 WHERE id % 5 = 0");
  run("BEGIN; UPDATE things SET id = -1 WHERE id = 1; UPDATE things SET id = 1 WHERE id = 2; UPDATE things "
      "SET id "
      "= 2 WHERE id = -1; COMMIT");
  run("BEGIN; INSERT INTO things VALUES (77777, 'x', 1); UPDATE things SET number = 5 WHERE id = 77777; "
      "DELETE "
      "FROM things WHERE id = 77777; INSERT INTO things VALUES (77777, 'y', 2); COMMIT");
  run("BEGIN; INSERT INTO things VALUES (88888, 'x', 1); SAVEPOINT s; UPDATE things SET number = 9; ROLLBACK "
      "TO s; "
      "COMMIT");
  run("INSERT INTO history VALUES (now(), 'same'), (now(), 'same'), (NULL, NULL)");
  expect_equal();
}

TEST_F(PipelineTest, LargeValuesThatTheStreamLeavesOutAreKept) {
  make_things();
  run("INSERT INTO things SELECT n, " + large("a") + ", n FROM generate_series(1, 20) n");
  start();
  run("UPDATE things SET number = 100 WHERE id = 1");
  run("UPDATE things SET id = 102 WHERE id = 2");
  run("BEGIN; UPDATE things SET number = 3000 WHERE id = 3; UPDATE things SET id = 103 WHERE id = 3; UPDATE "
      "things "
      "SET number = 1 WHERE id = 103; COMMIT");
  run("BEGIN; INSERT INTO things VALUES (50, " + large("b") +
      ", 1); UPDATE things SET number = 2 WHERE id = 50; COMMIT");
  expect_equal();
  run("ALTER TABLE things REPLICA IDENTITY FULL");
  run("UPDATE things SET number = 7 WHERE id < 10");
  run("UPDATE things SET id = id + 1000 WHERE id = 4");
  run("DELETE FROM things WHERE id = 5");
  expect_equal();
  EXPECT_EQ(ask_warehouse("SELECT min(length(text)) FROM bronze.things__current"), "5000");
}

TEST_F(PipelineTest, RowsThatExchangeADeferrableKeyStay) {
  make_things();
  run("ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (id) DEFERRABLE, REPLICA IDENTITY "
      "FULL");
  run("CREATE TABLE plain (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n int); ALTER TABLE plain "
      "REPLICA "
      "IDENTITY FULL");
  run("INSERT INTO things SELECT n, " + large("a") +
      ", n FROM generate_series(1, 30) n; INSERT INTO plain SELECT n, n FROM generate_series(1, 30) n");
  start();
  expect_equal();
  run("UPDATE things SET id = id + 1; UPDATE plain SET id = id + 1");
  expect_equal();
  run("UPDATE things SET id = 33 - id; UPDATE plain SET id = 37 - id, n = n + 1 WHERE id > 5");
  expect_equal();
  // Through the key of another row, and on; and the one that is there goes.
  run("BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE things SET id = 4 WHERE number = 7; UPDATE things SET id "
      "= 100 "
      "WHERE number = 7; UPDATE things SET id = 5 WHERE number = 8; DELETE FROM things WHERE id = 5 AND "
      "number <> "
      "8; INSERT INTO plain VALUES (6, 1000); UPDATE plain SET n = n + 1 WHERE id = 6; DELETE FROM plain "
      "WHERE id "
      "= 6 AND n < 1000; COMMIT");
  expect_equal();
}

TEST_F(PipelineTest, ALargeTransactionFlowsWhileItArrives) {
  make_things();
  start();
  run("BEGIN; INSERT INTO things SELECT n, repeat('x', 1000), n FROM generate_series(1, 70000) n; UPDATE "
      "things SET "
      "number = 1 WHERE id <= 100; DELETE FROM things WHERE id > 69900; COMMIT");
  run("INSERT INTO things VALUES (0, 'after', 1)");
  expect_equal();
}

TEST_F(PipelineTest, TruncateBetweenRows) {
  make_things();
  run("INSERT INTO things SELECT n, 't', n FROM generate_series(1, 500) n");
  start();
  run("BEGIN; INSERT INTO things VALUES (1000, 'before', 5); UPDATE things SET number = 6 WHERE id = 1; "
      "TRUNCATE "
      "things; INSERT INTO things VALUES (1, 'after', 7), (2, 'after', 8); COMMIT");
  run("UPDATE things SET number = 9 WHERE id = 2");
  expect_equal();
  run("TRUNCATE things");
  expect_equal();
}

TEST_F(PipelineTest, ABadValueIsQuarantinedAndMendedByTheNextGoodOne) {
  run("CREATE TABLE things (id bigint PRIMARY KEY, text text, number bigint NOT NULL, price numeric(10,2))");
  run("ALTER TABLE things ALTER COLUMN text SET STORAGE EXTERNAL");
  for (const char* identity : {"DEFAULT", "FULL"}) {
    SCOPED_TRACE(identity);
    run(std::string("ALTER TABLE things REPLICA IDENTITY ") + identity);
    if (!pipeline) start();
    run("DELETE FROM things");
    run("INSERT INTO things VALUES (1, 'good', 1, 1), (2, 'good', 2, 2), (3, 'good', 3, 3)");
    run("UPDATE things SET price = 'NaN', number = 10 WHERE id < 3");
    auto report = parity();
    ASSERT_EQ(report.tables.size(), 1u);
    EXPECT_EQ(report.tables[0].missing, 2u) << "what is in quarantine is missing, and counted once";
    EXPECT_GE(pipeline->status().tables[0].quarantined, 2u);
    run("UPDATE things SET price = 5, number = 11 WHERE id = 1");
    run("DELETE FROM things WHERE id = 2");
    expect_equal();
  }
  EXPECT_EQ(ask_warehouse("SELECT count() FROM tidemark.quarantine FINAL"), "4");
}

TEST_F(PipelineTest, AnUpdateOfAQuarantinedRowDoesNotStopTheSource) {
  run("CREATE TABLE things (id bigint PRIMARY KEY, text text, number bigint NOT NULL, price numeric(10,2))");
  run("ALTER TABLE things ALTER COLUMN text SET STORAGE EXTERNAL");
  start();
  run("INSERT INTO things VALUES (1, " + large("a") + ", 1, 'NaN')");
  run("UPDATE things SET price = 1");  // good now, and the stream leaves out the text: see toast_test.cc
  run("INSERT INTO things VALUES (2, 'x', 1, 1)");
  expect_equal();
  run("UPDATE things SET text = 'sent' WHERE id = 1");
  expect_equal();
}

TEST_F(PipelineTest, VerifyFindsWhatIsPlantedAndIsSilentWhileWritesGoOn) {
  make_things();
  run("INSERT INTO things SELECT n, 't', n FROM generate_series(1, 5000) n");
  start();
  expect_equal();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    auto connection = postgres::Connection::open({.url = cluster().url("pipeline")});
    for (int round = 0; !stop && connection; ++round) {
      auto done = connection->execute(fmt::format(
          "UPDATE things SET number = number + 1 WHERE id % 50 = {0}; DELETE FROM things WHERE id = "
          "{1}; INSERT INTO things VALUES ({2}, 'new', 1)",
          round % 50, 4000 + round, 10'000 + round));
      if (!done) break;
    }
  });
  for (int round = 0; round < 3; ++round) {
    auto report = parity();
    EXPECT_TRUE(!report.tables.empty() && report.tables[0].equal())
        << (report.tables.empty() || report.tables[0].examples.empty() ? "" : report.tables[0].examples[0]);
  }
  stop = true;
  writer.join();
  expect_equal();
  const std::string version = "toUInt128('" + fmt::format("{}", make_version(1, 2'000'000, 1)) + "')";
  std::string columns = "INSERT INTO bronze.things (id, text, number, _version, _deleted, _cut) ";
  // Newer than the rows they replace and older than the snapshot verify takes.
  warehouse(columns +
            "SELECT id, 'wrong', number, _version + 1, 0, 0 FROM bronze.things FINAL WHERE id = 10");
  warehouse(columns + "SELECT id, '', 0, _version + 1, 1, 0 FROM bronze.things FINAL WHERE id IN (11, 12)");
  warehouse(columns + "VALUES (-5, 'extra', 0, " + version + ", 0, 0)");
  auto report = parity();
  ASSERT_EQ(report.tables.size(), 1u);
  EXPECT_EQ(report.tables[0].different, 1u);
  EXPECT_EQ(report.tables[0].missing, 2u);
  EXPECT_EQ(report.tables[0].extra, 1u);
}

}  // namespace
}  // namespace tidemark::ingest
