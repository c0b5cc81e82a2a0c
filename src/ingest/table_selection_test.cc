// Columns and rows that a project leaves out of a table: copied, streamed, verified and changed, on a real
// server, by value.
#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

class TableSelectionTest : public PipelineTest {
 protected:
  config::TableOptions& options_of(const std::string& table) {
    for (auto& one : options.source.options)
      if (one.table == table) return one;
    options.source.options.push_back({.table = table});
    return options.source.options.back();
  }
  std::string columns_of(const std::string& table) {
    return ask_warehouse(
        "SELECT arrayStringConcat(groupArray(name), ',') FROM (SELECT name FROM system.columns WHERE "
        "database "
        "= 'bronze' AND table = '" +
        table + "' AND name NOT LIKE '\\_%' ORDER BY position)");
  }
  std::string error_of(const std::string& table) {
    for (const auto& one : pipeline->status().tables)
      if (one.table == "bronze." + table) return one.error;
    return "no such table";
  }
  bool all_live() {
    auto status = pipeline->status();
    return status.state == "streaming" &&
           std::all_of(status.tables.begin(), status.tables.end(),
                       [](const TableStatus& table) { return table.state == "live"; });
  }
  std::string copied_as_of(const std::string& table) {
    return ask_warehouse("SELECT from_lsn FROM tidemark.captured_tables FINAL WHERE name = '" + table + "'");
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
  std::string refusal() {
    auto prepared = prepare();
    return prepared ? "" : prepared.error().describe() + " | " + prepared.error().remedy;
  }
};

TEST_F(TableSelectionTest, WhatIsLeftOutNeverComes) {
  run("CREATE TABLE people (id int, region text, ssn text, name text, PRIMARY KEY (id, region)); "
      "CREATE TABLE orders (id int PRIMARY KEY, status text, note text); ALTER TABLE orders REPLICA IDENTITY "
      "FULL; ALTER TABLE orders ALTER note SET STORAGE EXTERNAL; "
      "CREATE TABLE wide (a int, id int PRIMARY KEY, b text, c int); ALTER TABLE wide ALTER b SET STORAGE "
      "EXTERNAL; "
      "CREATE TABLE parted (id int, kind int, secret text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind); "
      "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 (secret text, kind "
      "int NOT NULL, id int NOT NULL); ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2)");
  run("INSERT INTO people SELECT n, CASE n % 3 WHEN 0 THEN 'eu' ELSE 'us' END, 'secret ' || n, 'p' || n FROM "
      "generate_series(1, 300) n; INSERT INTO orders SELECT n, CASE n % 2 WHEN 0 THEN 'draft' ELSE 'open' "
      "END, "
      "repeat('n', 3000) FROM generate_series(1, 200) n; INSERT INTO wide SELECT n, n, repeat('b', 3000), n "
      "FROM generate_series(1, 100) n; INSERT INTO parted SELECT n, 1 + n % 2, 'secret' FROM "
      "generate_series(1, 100) n");
  options_of("people").exclude = {"ssn"};
  options_of("people").row_filter = "region = 'eu' -- and nobody else";
  options_of("orders").row_filter = "status <> 'draft' OR id < 10";
  options_of("orders").drop_columns = true;
  options_of("wide").columns = {"b", "id"};
  options_of("parted").exclude = {"secret"};
  options_of("parted").row_filter = "id > 10";
  start();
  expect_equal();
  EXPECT_EQ(columns_of("people"), "id,region,name");
  EXPECT_EQ(columns_of("wide"), "id,b");
  EXPECT_EQ(columns_of("parted"), "id,kind");
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.people"), "100");
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.orders"), "104");
  EXPECT_EQ(ask_warehouse("SELECT count(), min(id) FROM bronze.parted"), "90\t11");

  // In, out, in and out again; with what the list does not have; a large value that is not sent.
  run("UPDATE people SET region = 'eu' WHERE id IN (1, 2); UPDATE people SET region = 'us' WHERE id IN (3, "
      "6); "
      "UPDATE people SET ssn = 'other', name = 'n' WHERE id < 20; DELETE FROM people WHERE id BETWEEN 30 AND "
      "40; INSERT INTO people VALUES (1000, 'eu', 's', 'new'), (1001, 'us', 's', 'not'); BEGIN; UPDATE "
      "people "
      "SET region = 'eu' WHERE id = 4; UPDATE people SET region = 'us' WHERE id = 4; COMMIT");
  run("UPDATE orders SET status = 'open' WHERE id IN (20, 22); UPDATE orders SET status = 'draft' WHERE id "
      "IN "
      "(21, 23, 5); UPDATE orders SET id = id + 1000 WHERE id IN (2, 4, 101); INSERT INTO orders VALUES "
      "(500, "
      "'draft', 'x'), (501, 'open', 'x')");
  run("UPDATE wide SET c = c + 1; UPDATE wide SET a = 0, id = id + 1000 WHERE id < 5; ALTER TABLE wide ADD "
      "COLUMN later int DEFAULT 1; UPDATE wide SET later = 2");
  run("UPDATE parted SET kind = 3 - kind WHERE id % 5 = 0; UPDATE parted SET id = id - 100 WHERE id BETWEEN "
      "15 "
      "AND 25; UPDATE parted SET id = id + 1000 WHERE id BETWEEN 1 AND 4; UPDATE parted SET secret = "
      "'other'");
  expect_equal();
  EXPECT_EQ(
      ask_warehouse("SELECT groupArray(id) FROM (SELECT id FROM bronze.people__current WHERE id < 7 ORDER "
                    "BY id)"),
      "[1,2]");
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.people__current"),
            ask("SELECT count(*) FROM people WHERE region = 'eu'"));
  EXPECT_EQ(
      ask_warehouse("SELECT groupArray((id, status)) FROM (SELECT id, status FROM bronze.orders__current "
                    "WHERE id IN (2, 5, 20, 21, 22, 23, 500, 501, 1002, 1101) ORDER BY id)"),
      "[(5,'draft'),(20,'open'),(22,'open'),(501,'open'),(1101,'open')]");
  EXPECT_EQ(
      ask("SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_publication_rel r, unnest(prattrs) k "
          "JOIN pg_attribute a ON a.attnum = k WHERE prrelid = attrelid AND prrelid = 'people'::regclass"),
      "id,name,region")
      << "what is left out does not leave the server";

  // Damage, and parity brings back those rows and no others.
  warehouse("ALTER TABLE bronze.orders DELETE WHERE id IN (20, 22, 501) SETTINGS mutations_sync = 1");
  auto asked = pipeline->resync("orders");
  ASSERT_OK(asked);
  ASSERT_TRUE(eventually([&] {
    auto record = pipeline->parity("orders");
    return record && record->answered >= *asked;
  }));
  expect_equal();

  // A column that comes is taken, from the first row on; one that a list does not name is nobody's business.
  std::string wide_copied = copied_as_of("wide");
  run("ALTER TABLE people ADD COLUMN age int; UPDATE people SET age = id WHERE region = 'eu'");
  ASSERT_TRUE(soon([&] { return columns_of("people") == "id,region,name,age" && all_live(); }))
      << error_of("people");
  run("UPDATE people SET age = age + 1 WHERE id % 2 = 0; ALTER TABLE orders DROP COLUMN note; INSERT INTO "
      "orders VALUES (700, 'open')");
  ASSERT_TRUE(soon([&] { return columns_of("orders") == "id,status"; })) << columns_of("orders");
  expect_equal();
  EXPECT_EQ(copied_as_of("wide"), wide_copied);

  // A column that is left out gets another name: it must not come in under it.
  run("ALTER TABLE people RENAME COLUMN ssn TO number; UPDATE people SET number = 'still secret'");
  ASSERT_TRUE(soon([&] { return error_of("people").find("has no column ssn") != std::string::npos; }))
      << error_of("people");
  run("INSERT INTO orders VALUES (600, 'open')");
  ASSERT_TRUE(eventually(
      [&] { return ask_warehouse("SELECT count() FROM bronze.orders__current WHERE id = 600") == "1"; }));
  pipeline->stop();
  EXPECT_NE(refusal().find("table people has no column ssn"), std::string::npos) << refusal();

  // Other columns and other rows from the next start on.
  options_of("people").exclude = {"number", "name"};
  options_of("orders").row_filter = "status = 'draft'";
  options_of("parted").row_filter = "";
  start();
  ASSERT_TRUE(soon([&] { return all_live(); })) << error_of("people") << error_of("orders");
  run("UPDATE orders SET status = 'draft' WHERE id = 600; UPDATE people SET age = 1 WHERE id = 9; UPDATE "
      "parted SET secret = 'x'");
  expect_equal();
  EXPECT_EQ(columns_of("people"), "id,region,age") << "nothing is kept of it";
  EXPECT_EQ(ask_warehouse("SELECT countIf(status = 'draft'), countIf(status != 'draft') FROM "
                          "bronze.orders__current"),
            ask("SELECT count(*) FROM orders WHERE status = 'draft'") + "\t0");
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.parted__current"), "100");
}

TEST_F(TableSelectionTest, WhatPostgresWouldRefuseLaterIsRefusedBefore) {
  run("CREATE TABLE users (id int PRIMARY KEY, region text NOT NULL, ssn text)");
  options.source.tables = {"users"};
  auto& chosen = options_of("users");
  auto refused = [&](const std::string& words) {
    std::string said = refusal();
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_EQ(ask("SELECT count(*) FROM pg_publication WHERE pubname = 'pipeline_test'"), "0");
    EXPECT_EQ(ask("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'pipeline_test'"), "0");
  };
  chosen.exclude = {"id"};
  refused("column id is part of the primary key of users");
  chosen.exclude = {};
  chosen.columns = {"id", "regoin"};
  refused("table users has no column regoin");
  chosen.columns = {};
  chosen.row_filter = "regoin = 'eu'";
  refused("`where` of table users");
  chosen.row_filter = "region = 'eu'";
  refused("names other columns than those of its REPLICA IDENTITY (default: \"id\")");
  run("ALTER TABLE users REPLICA IDENTITY FULL");
  chosen.exclude = {"ssn"};
  refused("leaves out columns that its REPLICA IDENTITY (full) has");
  chosen.exclude = {};
  ASSERT_OK(prepare());
  run("CREATE UNIQUE INDEX by_region ON users (region, id); ALTER TABLE users REPLICA IDENTITY USING INDEX "
      "by_region");
  ASSERT_OK(prepare());
  chosen.row_filter = "";
  chosen.columns = {"id", "ssn"};
  refused("leaves out columns that its REPLICA IDENTITY (index) has");
  pipeline.reset();
}

// The role reads some columns and may not see the others; its publication is the owner's.
TEST_F(TableSelectionTest, GrantsOnColumnsAreEnough) {
  run("CREATE TABLE users (id int PRIMARY KEY, region text NOT NULL, ssn text); INSERT INTO users SELECT n, "
      "'eu', repeat('s', 1000) FROM generate_series(1, 3000) n; ANALYZE users");
  run("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN REPLICATION; GRANT SELECT (id, region) ON users "
      "TO "
      "reader");
  options.source.url = Secret(cluster().url("pipeline", "reader"));
  options.source.tables = {"users"};
  options.snapshot.range_megabytes = 1;
  EXPECT_NE(refusal().find("may not read it"), std::string::npos) << refusal();
  options_of("users").exclude = {"ssn"};
  options_of("users").row_filter = "id > 10 AND id <= 10000";
  EXPECT_NE(refusal().find(" ADD TABLE "), std::string::npos) << refusal();
  run("CREATE PUBLICATION pipeline_test FOR TABLE users (id, region) WHERE (id > 10 AND id < 10000) WITH "
      "(publish_via_partition_root = true)");
  ASSERT_OK(prepare());
  pipeline->start();
  ASSERT_TRUE(eventually([&] {
    return pipeline->status().error.find("which is not this role's, has another condition for users") !=
           std::string::npos;
  })) << pipeline->status().error;
  pipeline.reset();
  options_of("users").row_filter = ask("SELECT pg_get_expr(prqual, prrelid) FROM pg_publication_rel");
  start();
  run("UPDATE users SET region = 'us', ssn = 'x' WHERE id < 100; INSERT INTO users VALUES (10001, 'eu'), "
      "(9000, "
      "'eu')");
  expect_equal();
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.users__current"), "2991");
  pipeline.reset();
  run("DROP OWNED BY reader; DROP ROLE reader");
}

TEST(SameCondition, IsOneButForBlanksAndParentheses) {
  EXPECT_TRUE(postgres::same_condition("((a = 1))", " a = 1\n"));
  EXPECT_TRUE(postgres::same_condition("(a = ')') AND (b)", "((a = ')') AND (b))"));
  EXPECT_FALSE(postgres::same_condition("(a) AND (b)", "a) AND (b"));
  EXPECT_FALSE(postgres::same_condition("a = 'x '", "a = 'x'"));
  EXPECT_FALSE(postgres::same_condition("", "a"));
  EXPECT_TRUE(postgres::same_condition("", " "));
}

}  // namespace
}  // namespace tidemark::ingest
