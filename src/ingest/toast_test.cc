// Large values that Postgres leaves out of the stream when an update does not touch them (TOAST): kept under
// every replica identity, in the key, while rows are being copied, and for rows the warehouse does not have.
#include "ingest/source_images.h"
#include "ingest/test_parts.h"
#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

class ToastTest : public PipelineTest {
 protected:
  void make_table(const std::string& name, const std::string& columns) {
    run(fmt::format("CREATE TABLE {} ({})", name, columns));
  }
  void expect_missing(uint64_t rows) {
    auto report = parity();
    ASSERT_EQ(report.tables.size(), 1u);
    EXPECT_EQ(report.tables[0].missing, rows);
    EXPECT_EQ(report.tables[0].extra + report.tables[0].different, 0u);
  }
};

TEST_F(ToastTest, EveryReplicaIdentityKeepsWhatAnUpdateLeavesOut) {
  const std::string identities[] = {"DEFAULT", "FULL", "USING INDEX things_code"};
  make_table("things",
             "id bigint PRIMARY KEY, text text, number bigint NOT NULL, code int NOT NULL, more bytea");
  run("ALTER TABLE things ALTER text SET STORAGE EXTERNAL, ALTER more SET STORAGE EXTERNAL");
  run("CREATE UNIQUE INDEX things_code ON things (code, id)");
  std::string row = large("a") + ", n, n, convert_to(" + large("m") + ", 'UTF8')";
  run("INSERT INTO things SELECT n, " + row + " FROM generate_series(1, 200) n");
  start();
  int next = 0;
  for (const auto& identity : identities) {
    SCOPED_TRACE(identity);
    run("ALTER TABLE things REPLICA IDENTITY " + identity);
    int first = 1 + 60 * next++;
    auto at = [&](int offset) { return std::to_string(first + offset); };
    run("UPDATE things SET number = number + 1 WHERE id BETWEEN " + at(0) + " AND " + at(20));
    run("UPDATE things SET id = id + 10000 WHERE id = " + at(0));
    run("UPDATE things SET code = code + 1000 WHERE id = " + at(1));
    run("UPDATE things SET text = " + large("b") + " WHERE id = " + at(2));
    run("UPDATE things SET more = NULL WHERE id = " + at(3));
    // Several changes of a row in one part, each leaving out what the one before had sent.
    run("BEGIN; UPDATE things SET text = " + large("c") + " WHERE id = " + at(4) +
        "; UPDATE things SET number = 5 WHERE id = " + at(4) +
        "; UPDATE things SET id = id + 20000 WHERE id = " + at(4) +
        "; UPDATE things SET number = 6 WHERE id = " + at(4) + " + 20000; COMMIT");
    run("BEGIN; DELETE FROM things WHERE id = " + at(5) + "; INSERT INTO things SELECT " + at(5) +
        ", 'small', 1, 5000 + " + at(5) + ", NULL; UPDATE things SET number = 2 WHERE id = " + at(5) +
        "; COMMIT");
    run("DELETE FROM things WHERE id = " + at(6));
    expect_equal();
  }
  EXPECT_EQ(pipeline->status().tables.at(0).quarantined, 0u);
}

TEST_F(ToastTest, AKeyThatIsLargeItself) {
  // Wider than a page's quarter together with the text, so the key goes out of line, too.
  make_table("things", "id text, part int, text text, number bigint NOT NULL, PRIMARY KEY (id, part)");
  run("ALTER TABLE things ALTER id SET STORAGE EXTERNAL, ALTER text SET STORAGE EXTERNAL");
  std::string key = "repeat(chr(65 + n), 2500)";
  run("INSERT INTO things SELECT " + key + ", n, " + large("a") + ", n FROM generate_series(1, 10) n");
  start();
  EXPECT_EQ(
      ask("SELECT (pg_relation_size(reltoastrelid) > 50000)::text FROM pg_class WHERE relname = 'things'"),
      "true");
  run("UPDATE things SET number = number + 1");
  run("UPDATE things SET part = part + 100 WHERE number = 3");
  run("UPDATE things SET id = repeat('z', 2600) WHERE number = 4");
  run("DELETE FROM things WHERE number = 5");
  run("ALTER TABLE things REPLICA IDENTITY FULL");
  run("UPDATE things SET number = number + 100");
  expect_equal();
  EXPECT_EQ(ask_warehouse("SELECT max(length(id)), min(length(text)) FROM bronze.things__current"),
            "2600\t5000");
}

TEST_F(ToastTest, WhileRowsAreCopiedTheyChange) {
  make_things();
  run("INSERT INTO things SELECT n, " + large("a") + ", n FROM generate_series(1, 4000) n");
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    auto connection = postgres::Connection::open({.url = cluster().url("pipeline")});
    for (int round = 0; !stop && connection; ++round) {
      auto done = connection->execute(
          fmt::format("BEGIN; UPDATE things SET number = number + 1 WHERE id % 400 = {0}; UPDATE things SET "
                      "id = id + 100000 "
                      "WHERE id = {1}; UPDATE things SET number = 0 WHERE id = {1} + 100000; COMMIT",
                      round % 400, 1 + round));
      EXPECT_TRUE(done) << done.error().describe();
      if (!done) break;
    }
  });
  // Seen or not seen by the copy, this one ends after it.
  auto late = postgres::Connection::open({.url = cluster().url("pipeline")});
  ASSERT_OK(late);
  ASSERT_OK(late->execute("BEGIN; UPDATE things SET number = -1 WHERE id = 3999"));
  std::thread commits([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the slot waits for it
    EXPECT_TRUE(late->execute("COMMIT"));
  });
  start();
  commits.join();
  expect_missing(0);
  stop = true;
  writer.join();
  expect_equal();
  EXPECT_EQ(ask_warehouse("SELECT min(length(text)), max(length(text)) FROM bronze.things__current"),
            "5000\t5000");
}

TEST_F(ToastTest, ARowThatIsNotInTheWarehouseIsReadFromPostgres) {
  make_table("things",
             "id bigint, kind text, text text, number bigint NOT NULL, price numeric(10,2), PRIMARY KEY "
             "(id, kind)");
  run("ALTER TABLE things ALTER text SET STORAGE EXTERNAL");
  start();
  run("INSERT INTO things SELECT n, 'it''s', repeat(chr((64 + n)::int), 5000), n, 'NaN' FROM "
      "generate_series(1, 8) n");
  // Good now, and the stream leaves out the text.
  run("UPDATE things SET price = 1 WHERE id = 1");
  run("UPDATE things SET price = 2, id = 100 WHERE id = 2");
  run("BEGIN; UPDATE things SET price = 3 WHERE id = 3; UPDATE things SET number = 30 WHERE id = 3; COMMIT");
  // Gone again before anybody can look.
  run("BEGIN; UPDATE things SET price = 4 WHERE id = 4; DELETE FROM things WHERE id = 4; COMMIT");
  run("BEGIN; UPDATE things SET price = 5 WHERE id = 5; UPDATE things SET text = 'sent' WHERE id = 5; "
      "COMMIT");
  run("UPDATE things SET number = 60 WHERE id = 6");
  expect_missing(3);  // 6, 7 and 8 still do not fit
  run("UPDATE things SET price = 6 WHERE id > 5");
  expect_equal();
}

TEST_F(ToastTest, WhatWasReadFromPostgresIsTheSameInAReplay) {
  CapturedTable table = test_table(true);
  std::atomic<bool> stop{false};
  ASSERT_OK(pool.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  int asked = 0;
  ImageReader source = [&](const CapturedTable& of, const Block& keys) -> Result<Block> {
    Block found;
    for (const auto& column : of.source.columns) found.add(column.name, column.target);
    for (size_t row = 0; row < keys.rows(); ++row)
      append_row(found, keys.columns[0].get<int64_t>(row), {"as of reading " + std::to_string(++asked), 1});
    return found;
  };
  for (size_t count : {2U, 0U}) {
    Block keys;
    keys.add("id", ColumnType::of(TypeKind::int64));
    for (size_t row = 0; row < count; ++row) keys.columns[0].append<int64_t>(static_cast<int64_t>(row));
    std::string token = fmt::format("s:1:7:things:{}:source", count);
    auto first = read_once(pool, source, table, keys, token, true, {}, stop);
    ASSERT_OK(first);
    int before = asked;
    auto again = read_once(pool, source, table, keys, token, true, {}, stop);
    ASSERT_OK(again);
    EXPECT_EQ(asked, before);
    EXPECT_EQ(again->rows(), count);
    EXPECT_EQ(text_of(*again), text_of(*first));
  }
}

TEST_F(ToastTest, ARowThatTheStreamInsertsWithoutItsValue) {
  // As a row filter does, which lets a row in by an update.
  CapturedTable table = test_table(true);
  Part part =
      make_part(table, {insert(1, {unchanged, 5}), update(1, {unchanged, 6}), insert(2, {unchanged, 7})});
  auto nothing = [&](const CapturedTable&, const Block&) -> Result<Block> {
    Block found;
    for (const auto& column : table.source.columns) found.add(column.name, column.target);
    return found;
  };
  auto source = [&](const CapturedTable& of, const Block& keys) -> Result<Block> {
    EXPECT_EQ(keys.rows(), 2U);
    Block found = *nothing(of, keys);
    append_row(found, 1, {"from the source", 99});
    return found;
  };
  auto changes = complete(part, nothing, source);
  ASSERT_OK(changes);
  EXPECT_EQ(changes->refused.size(), 1U);
  EXPECT_EQ(changes->missing_old, 0U);
  ASSERT_EQ(part.rows.rows(), 2U);
  EXPECT_EQ(values_of(part.rows, 0), (Values{"from the source", 5}));
  EXPECT_EQ(values_of(part.rows, 1), (Values{"from the source", 6}));
  ASSERT_EQ(changes->rows.rows(), 3U);
  EXPECT_EQ(values_of(changes->rows, 0), (Values{"from the source", 5}));
}

}  // namespace
}  // namespace tidemark::ingest
