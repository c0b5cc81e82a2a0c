// Tables that change, come, go and fail while others flow, by value, on a real server.
#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

class TableChangesTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    hooks.reset = [this](const std::vector<std::string>& tables) -> Status {
      if (std::find(tables.begin(), tables.end(), "things") == tables.end()) return {};
      return pool.execute("TRUNCATE TABLE IF EXISTS witness.sums");
    };
  }

  TableStatus status_of(const std::string& table) {
    for (const auto& one : pipeline->status().tables)
      if (one.table == "bronze." + table) return one;
    return {};
  }
  // Every table is followed, and the warehouse has the columns that the source has.
  bool followed() {
    auto status = pipeline->status();
    if (status.state != "streaming") return false;
    for (const auto& table : status.tables) {
      if (table.state != "live") return false;
      std::string name = table.table.substr(7);
      std::string there =
          ask("SELECT string_agg(attname, ',' ORDER BY attname COLLATE \"C\") FROM pg_attribute WHERE "
              "attrelid = '" +
              name + "'::regclass AND attnum > 0 AND NOT attisdropped");
      if (there !=
          ask_warehouse("SELECT arrayStringConcat(arraySort(groupArray(name)), ',') FROM system.columns "
                        "WHERE database = 'bronze' AND table = '" +
                        name + "__current'"))
        return false;
    }
    return true;
  }
  // What is looked at now and then is looked at at once.
  bool soon(const std::function<bool()>& done) {
    return eventually([&] {
      if (done()) return true;
      clock.skip(std::chrono::seconds(6));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return false;
    });
  }
  void expect_followed() {
    EXPECT_TRUE(soon([&] { return followed(); })) << describe();
    expect_equal();
  }
  std::string describe() {
    auto status = pipeline->status();
    std::string text = status.state + " " + status.error;
    for (const auto& table : status.tables)
      text += "; " + table.table + " " + table.state + " " + table.error + " " + table.note;
    return text;
  }
  // As of which place of the log its copy is.
  std::string copied_as_of(const std::string& table) {
    return ask_warehouse("SELECT from_lsn FROM tidemark.captured_tables FINAL WHERE name = '" + table + "'");
  }
};

TEST_F(TableChangesTest, OldRowsReadTheDefaultsOfAddedColumns) {
  run("CREATE TYPE mood AS ENUM ('sad', 'very happy')");
  for (const char* table : {"constant", "computed"}) {
    run(
        fmt::format("CREATE TABLE {0} (id bigint PRIMARY KEY, n int); INSERT INTO {0} SELECT i, i FROM "
                    "generate_series(1, 500) i",
                    table));
  }
  start();
  expect_equal();
  std::string before = copied_as_of("constant");
  run("INSERT INTO constant VALUES (1001, 1); UPDATE constant SET n = -1 WHERE id = 1");
  const char* constants[] = {"int DEFAULT 7",
                             "bigint NOT NULL DEFAULT -9223372036854775808",
                             "smallint DEFAULT 3",
                             "numeric(10,2) DEFAULT 1.5",
                             "numeric DEFAULT 12345678901234567890.000100",
                             "real DEFAULT 1.1",
                             "double precision DEFAULT 0.1",
                             "text DEFAULT 'it''s \"so\" \\ ü 日'",
                             "varchar(5) DEFAULT ''",
                             "char(5) DEFAULT 'ab'",
                             "boolean DEFAULT true",
                             "boolean NOT NULL DEFAULT false",
                             "date DEFAULT '1900-01-01'",
                             "timestamp DEFAULT '2024-02-29 12:34:56.789'",
                             "timestamptz DEFAULT now()",
                             "timestamptz NOT NULL DEFAULT '2024-06-01 12:00:00+05:30'",
                             "time DEFAULT '24:00'",
                             "interval DEFAULT '1 day -0.5 seconds'",
                             "uuid DEFAULT '0123dead-beef-4567-89ab-cdef01234567'",
                             "bytea DEFAULT '\\x00ff5c22'",
                             "json DEFAULT '{\"a\":  1.0}'",
                             "jsonb DEFAULT '{\"b\": [null]}'",
                             "inet DEFAULT '10.0.0.1/8'",
                             "mood DEFAULT 'very happy'",
                             "money DEFAULT 12.34",
                             "int",
                             "text DEFAULT current_user"};
  std::string alter;
  for (size_t index = 0; index < std::size(constants); ++index)
    alter += fmt::format("{} ADD COLUMN c{} {}", index == 0 ? "" : ",", index, constants[index]);
  run("ALTER TABLE constant" + alter);
  run("INSERT INTO constant (id, n) VALUES (1002, 1); INSERT INTO constant (id, c0) VALUES (1003, NULL)");
  run("BEGIN; ALTER TABLE constant ADD COLUMN later int DEFAULT 5; ALTER TABLE constant ALTER later SET "
      "DEFAULT 6; "
      "INSERT INTO constant (id) VALUES (1004); ALTER TABLE constant ALTER later DROP DEFAULT; INSERT INTO "
      "constant "
      "(id) VALUES (1005); UPDATE constant SET n = 0 WHERE id IN (2, 1002); COMMIT");
  run("ALTER TABLE computed ADD COLUMN a double precision DEFAULT random(), ADD COLUMN b bigserial, ADD "
      "COLUMN c uuid "
      "NOT NULL DEFAULT gen_random_uuid()");
  run("INSERT INTO computed (id, n) VALUES (1001, 1)");
  expect_followed();
  EXPECT_EQ(copied_as_of("constant"), before) << "it was not copied again";
  run("ALTER TABLE computed ADD COLUMN d int[] DEFAULT '{1,NULL}', ADD COLUMN e text[] NOT NULL DEFAULT "
      "'{\"a,b\"}'");
  expect_followed();
}

TEST_F(TableChangesTest, ColumnsAreFollowedByNumber) {
  make_things();
  run("ALTER TABLE things ADD COLUMN price numeric(10,2), ADD COLUMN short varchar(10), ADD COLUMN sure int "
      "NOT NULL "
      "DEFAULT 1, ADD COLUMN gone int, ADD COLUMN gone_too text");
  run("INSERT INTO things SELECT n, 't' || n, n, n / 7.0, 's', n, n, 'x' FROM generate_series(1, 300) n");
  run("CREATE TABLE others (id int PRIMARY KEY, n int); INSERT INTO others VALUES (1, 1)");
  start();
  expect_equal();
  std::string before = copied_as_of("things");
  // Without rows, between rows of one transaction, and at once.
  run("ALTER TABLE things RENAME COLUMN short TO brief");
  expect_followed();
  run("BEGIN; INSERT INTO things (id, number, brief) VALUES (1001, 1, 'old'); ALTER TABLE things ALTER brief "
      "TYPE text; "
      "ALTER TABLE things RENAME COLUMN brief TO long; INSERT INTO things (id, number, long) VALUES (1002, "
      "2, "
      "repeat('l', 50)); ALTER TABLE things ALTER price TYPE numeric(14,2); UPDATE things SET price = "
      "123456789012.34 "
      "WHERE id = 1001; ALTER TABLE things DROP COLUMN gone; DELETE FROM things WHERE id = 5; ALTER TABLE "
      "things DROP "
      "COLUMN gone_too; INSERT INTO things (id, number) VALUES (1003, 3); COMMIT");
  run("INSERT INTO others VALUES (2, 2)");
  expect_followed();
  run("ALTER TABLE things ALTER sure DROP NOT NULL, ADD COLUMN gone text DEFAULT 'again'; INSERT INTO things "
      "(id, "
      "number, sure) VALUES (1004, 4, NULL)");
  expect_followed();
  run("UPDATE things SET sure = 0 WHERE sure IS NULL; ALTER TABLE things ALTER sure SET NOT NULL; ALTER "
      "TABLE things "
      "DROP COLUMN gone; ALTER TABLE things ADD COLUMN gone int; INSERT INTO things (id, number, gone) "
      "VALUES (1005, 5, "
      "5)");
  expect_followed();
  EXPECT_EQ(copied_as_of("things"), before) << "it was not copied again";
  // What models know under the old name goes on to be right.
  run("ALTER TABLE things RENAME COLUMN number TO amount; INSERT INTO things (id, amount) VALUES (1006, 6); "
      "DELETE FROM "
      "things WHERE id = 7; UPDATE things SET amount = amount + 1 WHERE id < 20");
  ASSERT_TRUE(soon([&] { return followed(); })) << describe();
  EXPECT_TRUE(parity().tables.at(1).equal());
  EXPECT_EQ(ask_warehouse("SELECT sum(total) FROM witness.sums"), ask("SELECT sum(amount) FROM things"));
  EXPECT_NE(status_of("things").note.find("number is now called amount"), std::string::npos) << describe();
  EXPECT_EQ(copied_as_of("things"), before);
}

TEST_F(TableChangesTest, WhatCannotBeFollowedIsCopiedWhileOthersFlow) {
  make_things();
  run("INSERT INTO things SELECT n, 't' || n, n FROM generate_series(1, 3000) n");
  run("CREATE TABLE others (id int PRIMARY KEY, n int)");
  start();
  expect_equal();
  std::string before = copied_as_of("others");
  int next = 0;
  auto write = [&] {
    run(fmt::format("INSERT INTO others VALUES ({0}, {0}); UPDATE others SET n = n + 1 WHERE id = {0} / 2",
                    ++next));
  };
  // A type whose values the server writes anew by an expression; a key; exchanged names.
  for (const char* change :
       {"ALTER TABLE things ALTER number TYPE int USING number * 2",
        "ALTER TABLE things ALTER number TYPE int USING "
        "number + 1",
        "ALTER TABLE things DROP CONSTRAINT things_pkey; ALTER TABLE things ADD COLUMN part int NOT NULL "
        "DEFAULT 0; ALTER "
        "TABLE things ADD PRIMARY KEY (id, part)",
        "ALTER TABLE things RENAME COLUMN id TO key",
        "BEGIN; ALTER TABLE things ADD COLUMN a text, ADD COLUMN b text; UPDATE things SET a = 'a', b = 'b'; "
        "ALTER TABLE "
        "things RENAME a TO c; ALTER TABLE things RENAME b TO a; ALTER TABLE things RENAME c TO b; COMMIT"}) {
    SCOPED_TRACE(change);
    std::string copied = copied_as_of("things");
    write();
    run(change);
    run("UPDATE things SET number = number + 1 WHERE number % 10 = 0; DELETE FROM things WHERE number % 97 = "
        "0");
    write();
    EXPECT_TRUE(soon([&] { return copied_as_of("things") != copied; })) << describe();
    expect_followed();
  }
  EXPECT_EQ(copied_as_of("others"), before);
}

TEST_F(TableChangesTest, ADeferrableKeyNeedsItsOldRows) {
  run("CREATE TABLE things (id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, code int NOT NULL, number "
      "bigint NOT NULL); CREATE UNIQUE INDEX by_code ON things (code, id); ALTER TABLE things REPLICA "
      "IDENTITY "
      "USING INDEX by_code; INSERT INTO things SELECT n, n, n FROM generate_series(1, 10) n");
  auto refused = prepare();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("of two rows that exchange their keys"), std::string::npos)
      << refused.error().describe();
  run("ALTER TABLE things REPLICA IDENTITY FULL");
  start();
  run("UPDATE things SET id = id + 1");
  expect_equal();
}

TEST_F(TableChangesTest, AKeyChangesWhileTheIdentityIsAnIndex) {
  run("CREATE TABLE things (id bigint PRIMARY KEY, code int NOT NULL, number bigint NOT NULL); CREATE UNIQUE "
      "INDEX "
      "by_code ON things (code, id); ALTER TABLE things REPLICA IDENTITY USING INDEX by_code; INSERT INTO "
      "things "
      "SELECT n, n % 7, n FROM generate_series(1, 500) n");
  start();
  expect_equal();
  run("UPDATE things SET code = code + 1 WHERE id % 9 = 0; UPDATE things SET id = id + 1000 WHERE id % 11 = "
      "0");
  run("BEGIN; DELETE FROM things WHERE id = 5; ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY "
      "KEY "
      "(id, code); UPDATE things SET code = 100 WHERE id % 13 = 0; COMMIT");
  run("UPDATE things SET id = id + 5000, code = code + 1 WHERE id % 17 = 0; DELETE FROM things WHERE code = "
      "3");
  expect_followed();
  // The index does not say which row of the new key it is.
  run("ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (number)");
  run("UPDATE things SET code = code + 1 WHERE number % 5 = 0");
  EXPECT_TRUE(soon([&] { return status_of("things").state == "failed"; })) << describe();
  EXPECT_NE(status_of("things").error.find("REPLICA IDENTITY index"), std::string::npos) << describe();
  run("ALTER TABLE things REPLICA IDENTITY DEFAULT; UPDATE things SET number = -number WHERE number % 6 = 0");
  expect_followed();
}

TEST_F(TableChangesTest, ABacklogOfSeveralFormsIsReadByEach) {
  make_things();
  run("INSERT INTO things SELECT n, 't', n FROM generate_series(1, 100) n");
  run("CREATE TABLE others (id int PRIMARY KEY, a int, b int); INSERT INTO others VALUES (1, 10, 20)");
  start();
  expect_equal();
  pipeline->stop();
  run("INSERT INTO things VALUES (1001, 'x', 1); ALTER TABLE things ADD COLUMN c int DEFAULT 3; INSERT INTO "
      "things VALUES "
      "(1002, 'x', 2, 4); UPDATE things SET number = 9 WHERE id = 3");
  // Nobody can say what `b` was at each place.
  run("ALTER TABLE others RENAME a TO c; INSERT INTO others VALUES (2, 1, 2); ALTER TABLE others RENAME b TO "
      "a; INSERT "
      "INTO others VALUES (3, 1, 2); ALTER TABLE others DROP COLUMN c; INSERT INTO others VALUES (4, 5); "
      "ALTER TABLE "
      "others ADD COLUMN c int DEFAULT 8; INSERT INTO others VALUES (5, 6, 7)");
  start();
  expect_followed();
}

TEST_F(TableChangesTest, TablesComeAndGoWhileOthersFlow) {
  make_things();
  run("CREATE TABLE leaves (id int PRIMARY KEY); INSERT INTO leaves VALUES (1)");
  start();
  expect_equal();
  pipeline->stop();
  run("CREATE TABLE added (id int PRIMARY KEY, n int, big text); ALTER TABLE added ALTER big SET STORAGE "
      "EXTERNAL; INSERT "
      "INTO added SELECT i, i, repeat('b', 3000) FROM generate_series(1, 5000) i");
  options.source.tables = {"things", "added"};
  options.tables_with_changes = {"things", "added"};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    auto connection = postgres::Connection::open({.url = cluster().url("pipeline")});
    for (int round = 0; !stop && connection; ++round) {
      auto done =
          connection->execute(fmt::format("INSERT INTO things VALUES ({0}, 'w', {0}); BEGIN; UPDATE added "
                                          "SET n = n + 1 WHERE id = 1 + {0} % 5000; DELETE "
                                          "FROM added WHERE id = 1 + ({0} * 7) % 5000; INSERT INTO added "
                                          "VALUES ({0} + 10000, {0}, NULL); UPDATE things "
                                          "SET number = number + 1 WHERE id = {0} / 2; COMMIT",
                                          round));
      EXPECT_TRUE(done) << (done ? "" : done.error().describe());
    }
  });
  start();
  EXPECT_TRUE(soon([&] { return status_of("added").state == "live"; })) << describe();
  stop = true;
  writer.join();
  expect_followed();
  EXPECT_EQ(pipeline->status().tables.size(), 2U);
  // Taken out and in again: what it missed is in the copy.
  pipeline->stop();
  options.source.tables = {"things"};
  start();
  expect_equal();
  pipeline->stop();
  run("UPDATE added SET n = -1 WHERE id % 3 = 0; TRUNCATE leaves");
  options.source.tables = {"things", "added"};
  start();
  expect_followed();
}

TEST_F(TableChangesTest, ATableThatTheWarehouseRefusesStopsAlone) {
  make_things();
  run("CREATE TABLE notes (id int PRIMARY KEY, n int); CREATE TABLE others (id int PRIMARY KEY, n int)");
  start();
  expect_equal();
  warehouse(
      "CREATE MATERIALIZED VIEW witness.trap ENGINE = Memory AS SELECT throwIf(n = 13, 'no thirteen') AS x "
      "FROM "
      "bronze.notes");
  run("BEGIN; INSERT INTO things VALUES (1, 'a', 1); INSERT INTO notes VALUES (1, 13); INSERT INTO others "
      "VALUES (1, 1); "
      "COMMIT");
  EXPECT_TRUE(soon([&] { return status_of("notes").state == "failed"; })) << describe();
  EXPECT_NE(status_of("notes").error.find("no thirteen"), std::string::npos) << describe();
  run("BEGIN; INSERT INTO things VALUES (2, 'b', 2); INSERT INTO notes VALUES (2, 2); INSERT INTO others "
      "VALUES (2, 2); "
      "COMMIT");
  EXPECT_TRUE(soon([&] { return ask_warehouse("SELECT count() FROM bronze.others__current") == "2"; }))
      << describe();
  EXPECT_EQ(ask_warehouse("SELECT concat(toString(sum(rows)), ' ', toString(sum(total))) FROM witness.sums"),
            "2 3");
  EXPECT_EQ(pipeline->status().state, "streaming");
  warehouse("DROP TABLE witness.trap SYNC");
  expect_followed();
  // Dropped by hand: made again and filled.
  warehouse("DROP TABLE bronze.others SYNC");
  run("INSERT INTO others VALUES (3, 3); INSERT INTO things VALUES (3, 'c', 3)");
  EXPECT_TRUE(soon([&] { return ask_warehouse("SELECT count() FROM bronze.others__current") == "3"; }))
      << describe();
  expect_followed();
}

TEST_F(TableChangesTest, ATableThatIsDroppedStaysAsItWas) {
  make_things();
  run("CREATE TABLE notes (id int PRIMARY KEY, n int); INSERT INTO notes VALUES (1, 1), (2, 2)");
  options.source.tables = {"things", "notes"};
  start();
  expect_equal();
  auto expect_dropped = [&] {
    EXPECT_TRUE(soon([&] { return status_of("notes").state == "dropped"; })) << describe();
    EXPECT_NE(status_of("notes").note.find("its rows stay"), std::string::npos) << describe();
    EXPECT_EQ(ask_warehouse("SELECT groupArray((id, n)) FROM (SELECT * FROM bronze.notes__current ORDER BY "
                            "id)"),
              "[(1,1),(2,2)]");
    expect_equal();  // of the other
    EXPECT_EQ(parity().tables.size(), 1U);
    EXPECT_EQ(status_of("things").state, "live") << describe();
  };
  run("BEGIN; DROP TABLE notes; INSERT INTO things VALUES (4, 'd', 4); COMMIT");
  expect_dropped();
  // It is named in the source's file, and no reason not to start.
  pipeline->stop();
  run("INSERT INTO things VALUES (5, 'e', 5)");
  start();
  expect_dropped();
  // Made again under its name it is another table.
  pipeline->stop();
  run("CREATE TABLE notes (id text PRIMARY KEY, words text); INSERT INTO notes VALUES ('x', 'y'), ('z', "
      "NULL)");
  start();
  expect_followed();
  EXPECT_EQ(ask_warehouse("SELECT groupArray(id) FROM (SELECT * FROM bronze.notes__current ORDER BY id)"),
            "['x','z']");
  EXPECT_EQ(pipeline->status().tables.size(), 2U);
  // Nothing is left: the source goes on, with an empty publication.
  run("DROP TABLE notes, things");
  EXPECT_TRUE(soon([&] {
    return status_of("notes").state == "dropped" && status_of("things").state == "dropped" &&
           pipeline->status().state == "streaming";
  })) << describe();
  // A name that was never there is a mistake still.
  pipeline->stop();
  options.source.tables = {"notes", "missing", "things"};
  auto refused = prepare();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("missing"), std::string::npos) << refused.error().describe();
}

TEST_F(TableChangesTest, PartitionsComeAndGo) {
  make_things();
  options.source.tables = {"things", "parts", "parent"};
  run("CREATE TABLE parts (id int, at int, n text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); CREATE "
      "TABLE parts_1 "
      "PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE TABLE parts_2 (n text, extra int, at int NOT "
      "NULL, id int NOT "
      "NULL); ALTER TABLE parts_2 DROP COLUMN extra; ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES "
      "FROM (10) TO "
      "(20)");
  run("CREATE TABLE parent (id int PRIMARY KEY, n int); CREATE TABLE child (more int) INHERITS (parent); "
      "INSERT INTO "
      "parent VALUES (1, 1); INSERT INTO child VALUES (2, 2, 2)");
  run("INSERT INTO parts SELECT i, i % 20, 'copied' FROM generate_series(1, 200) i");
  start();
  auto expect_parts = [&] {
    EXPECT_TRUE(soon([&] { return followed(); })) << describe();
    auto report = parity();
    for (const auto& table : report.tables)
      EXPECT_TRUE(table.equal() || table.table == "bronze.parent") << table.table;
  };
  expect_parts();
  run("CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (20) TO (30); INSERT INTO parts VALUES (1001, "
      "25, 'new'), "
      "(1002, 15, 'two'); UPDATE parts SET at = 22 WHERE id = 3; DELETE FROM parts WHERE id = 14");
  expect_parts();
  run("CREATE TABLE loose (id int NOT NULL, at int NOT NULL, n text); INSERT INTO loose VALUES (2001, 35, "
      "'before')");
  run("ALTER TABLE parts ATTACH PARTITION loose FOR VALUES FROM (30) TO (40); INSERT INTO parts VALUES "
      "(2002, 36, 'after')");
  EXPECT_TRUE(soon(
      [&] { return ask_warehouse("SELECT count() FROM bronze.parts__current WHERE id = 2001") == "1"; }));
  expect_parts();
  // Made, filled and attached at once: Postgres says nothing of its rows as rows of this table.
  run("BEGIN; CREATE TABLE fresh (LIKE parts INCLUDING ALL); INSERT INTO fresh VALUES (5001, 45, 'before'); "
      "ALTER TABLE parts ATTACH PARTITION fresh FOR VALUES FROM (40) TO (50); INSERT INTO parts VALUES "
      "(5002, 46, "
      "'after'); COMMIT");
  EXPECT_TRUE(soon([&] {
    return ask_warehouse(
               "SELECT groupArray(id) FROM (SELECT id FROM bronze.parts__current WHERE at >= 40 "
               "ORDER BY id)") == "[5001,5002]";
  }));
  expect_parts();
  run("ALTER TABLE parts DETACH PARTITION parts_2; INSERT INTO parts_2 (id, at, n) VALUES (3001, 12, 'nobody "
      "sees it')");
  EXPECT_TRUE(
      soon([&] { return ask_warehouse("SELECT count() FROM bronze.parts__current WHERE at = 12") == "0"; }));
  expect_parts();
  pipeline->stop();
  run("INSERT INTO parts_2 (id, at, n) VALUES (3002, 13, 'nor this'); DROP TABLE parts_1; ALTER TABLE parts "
      "ADD COLUMN "
      "extra int DEFAULT 4; INSERT INTO parts VALUES (4001, 21, 'x', 5)");
  start();
  expect_parts();
  // Of an inherited table only its own rows.
  EXPECT_EQ(ask_warehouse("SELECT groupArray(id) FROM bronze.parent__current"), "[1]");
  run("INSERT INTO child VALUES (3, 3, 3); INSERT INTO parent VALUES (4, 4); BEGIN; INSERT INTO things "
      "VALUES (1, 'a', 1); "
      "TRUNCATE things, parent CASCADE; INSERT INTO things VALUES (2, 'b', 2); INSERT INTO parent VALUES (5, "
      "5); COMMIT");
  expect_parts();
  EXPECT_EQ(ask_warehouse("SELECT groupArray(id) FROM bronze.parent__current"), "[5]");
}

}  // namespace
}  // namespace tidemark::ingest
