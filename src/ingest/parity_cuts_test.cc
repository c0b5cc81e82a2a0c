// Tables that are brought back by parity while changes go on, and when the log is lost, by value, on a real
// server. The witness (sums over change rows) tells whether a cut of parity counted exactly once.
#include "ingest/test_pipeline.h"

namespace tidemark::ingest {
namespace {

class ParityCutsTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    hooks.reset = [this](const std::vector<std::string>& tables) -> Status {
      for (const auto& table : tables) reset_.push_back(table);
      if (std::find(tables.begin(), tables.end(), "things") == tables.end()) return {};
      return pool.execute("TRUNCATE TABLE IF EXISTS witness.sums");
    };
    hooks.after_parts = [this](uint64_t cut, Version, const std::vector<std::string>& tables) -> Status {
      if (armed_.load() && cut > (uint64_t{1} << 40) && armed_.exchange(false))
        return fail(ErrorKind::dependency_down, "failed on purpose");
      std::lock_guard lock(mutex_);
      if (cut > (uint64_t{1} << 40)) touched_.insert(tables.begin(), tables.end());
      return {};
    };
  }
  void begin() {
    start();
    expect_equal();
    reset_.clear();
  }
  // Rows as the pipeline would have lost them: bronze and its change rows agree, and both are wrong.
  void lose(const std::string& condition) {
    warehouse(
        "INSERT INTO bronze.things__changes (id, text, number, _sign, _op, _version, _cut) SELECT id, "
        "text, number, -1, 'delete', _version, 1 FROM bronze.things FINAL WHERE " +
        condition);
    warehouse(
        "INSERT INTO bronze.things (id, _deleted, _version, _cut) SELECT id, 1, _version + 1, 1 FROM "
        "bronze.things FINAL WHERE " +
        condition);
  }
  void invent(const std::string& rows) {
    warehouse(
        "INSERT INTO bronze.things__changes (id, text, number, _sign, _op, _version, _cut) SELECT id, "
        "text, number, 1, 'insert', 5, 1 FROM (" +
        rows + ")");
    warehouse(
        "INSERT INTO bronze.things (id, text, number, _deleted, _version, _cut) SELECT id, text, "
        "number, 0, 5, 1 FROM (" +
        rows + ")");
  }
  // Adds to the number of rows, in both.
  void shift(const std::string& condition) {
    for (const char* side : {"number, -1", "number + 1000, 1"})
      warehouse(
          fmt::format("INSERT INTO bronze.things__changes (id, text, number, _sign, _op, _version, "
                      "_cut) SELECT id, text, {}, 'update', _version, 1 FROM bronze.things FINAL WHERE "
                      "{}",
                      side, condition));
    warehouse(
        "INSERT INTO bronze.things (id, text, number, _deleted, _version, _cut) SELECT id, text, "
        "number + 1000, 0, _version + 1, 1 FROM bronze.things FINAL WHERE " +
        condition);
  }
  ParityRecord brought_back(const std::string& table) {
    auto asked = pipeline->resync(table);
    EXPECT_TRUE(asked) << asked.error().describe();
    if (!asked) return {};
    EXPECT_TRUE(eventually([&] { return pipeline->parity(table)->answered >= *asked; }))
        << pipeline->status().tables.at(0).note;
    return *pipeline->parity(table);
  }
  std::string leftovers() {
    return ask_warehouse(
        "SELECT count() FROM system.tables WHERE database = 'bronze' AND position(name, '__parity') > 0");
  }

  std::atomic<bool> armed_{false};
  std::mutex mutex_;
  std::set<std::string> touched_;
  std::vector<std::string> reset_;
};

TEST_F(ParityCutsTest, ATableIsBroughtBackWhileItChanges) {
  make_things();
  run("CREATE TABLE pairs (a text, b int, v numeric(10,2), n jsonb, PRIMARY KEY (b, a)); CREATE TABLE logs "
      "(line text)");
  run("INSERT INTO things SELECT n, 't' || n, n FROM generate_series(1, 45000) n; INSERT INTO pairs SELECT "
      "'a''' || n, n % 7, CASE WHEN n % 2 = 0 THEN n / 3.0 END, '{\"x\": 1}' FROM generate_series(1, 500) n");
  begin();
  lose("id % 10 = 1");
  shift("id % 10 = 2");
  invent(
      "SELECT toInt64(n + 1000000) AS id, 'never' AS text, toInt64(1) AS number FROM (SELECT number AS n "
      "FROM numbers(22000))");
  std::atomic<bool> enough{false};
  std::thread busy([&] {
    auto own = postgres::Connection::open({.url = cluster().url("pipeline")});
    for (int round = 0; own && !enough; ++round)
      if (!own->execute(
              fmt::format("UPDATE things SET number = number + 1 WHERE id % 1000 = {0}; DELETE FROM "
                          "things WHERE id = {0} + 5000; INSERT INTO things VALUES ({0} + 100000, "
                          "'new', 1)",
                          round)))
        return;
  });
  auto record = brought_back("bronze.things");
  enough = true;
  busy.join();
  EXPECT_EQ(record.state, "done") << record.error;
  EXPECT_EQ(record.extra, 22'000u);
  // Those that changed meanwhile came in with their change.
  EXPECT_LE(record.missing, 4500u);
  EXPECT_GT(record.missing, 3000u);
  EXPECT_LE(record.different, 4500u);
  EXPECT_GT(record.different, 3000u);
  expect_equal();
  EXPECT_EQ(leftovers(), "0");
  EXPECT_TRUE(reset_.empty()) << "nothing is emptied";
  EXPECT_EQ(brought_back("public.things").different, 0u);
  // By hand, of a table that nothing is derived from.
  warehouse("ALTER TABLE bronze.pairs DELETE WHERE b = 3 SETTINGS mutations_sync = 1");
  warehouse("ALTER TABLE bronze.pairs UPDATE v = -7 WHERE b = 4 SETTINGS mutations_sync = 1");
  auto pairs = brought_back("pairs");
  EXPECT_EQ(pairs.missing, 72u) << pairs.error;
  EXPECT_EQ(pairs.different, 71u) << pairs.error;
  expect_equal();
  auto log = pipeline->resync("logs");
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(pipeline->resync("nothing").error().kind, ErrorKind::config);
}

TEST_F(ParityCutsTest, WhatDidNotFitIsTriedAgain) {
  run("CREATE TABLE prices (id int PRIMARY KEY, price numeric(10,2)); INSERT INTO prices VALUES (1, 'NaN'), "
      "(2, "
      "'NaN'), (3, 1)");
  start();
  auto set_aside = [&] { return pipeline->status().tables.at(0).quarantined; };
  const std::string kept = "SELECT count() FROM tidemark.quarantine FINAL WHERE table LIKE 'prices%'";
  ASSERT_EQ(set_aside(), 2u);
  run("UPDATE prices SET price = 5 WHERE id = 1; INSERT INTO prices VALUES (4, 'NaN')");
  ASSERT_TRUE(eventually([&] { return set_aside() == 3; }));
  auto asked = pipeline->resync("prices");
  ASSERT_OK(asked);
  ASSERT_TRUE(eventually([&] { return pipeline->parity("prices")->answered >= *asked; }));
  EXPECT_EQ(pipeline->parity("prices")->error, "");
  EXPECT_EQ(set_aside(), 2u) << "one is good now";
  EXPECT_EQ(ask_warehouse(kept), "2");
  EXPECT_EQ(ask_warehouse("SELECT DISTINCT table FROM tidemark.quarantine"), "prices");
  EXPECT_EQ(ask_warehouse("SELECT groupArray(id) FROM (SELECT id FROM bronze.prices__current ORDER BY id)"),
            "[1,3]");
  auto dropped = pipeline->drop_quarantined("bronze.prices");
  ASSERT_OK(dropped);
  EXPECT_EQ(*dropped, 2u);
  EXPECT_EQ(set_aside(), 0u);
  EXPECT_EQ(ask_warehouse(kept), "0");
  EXPECT_EQ(pipeline->drop_quarantined("nothing").error().kind, ErrorKind::config);
}

TEST_F(ParityCutsTest, ACutThatIsInByHalfGoesInOnce) {
  make_things();
  run("INSERT INTO things SELECT n, 't' || n, n FROM generate_series(1, 3000) n");
  begin();
  // Its rows are in, and what follows from them failed: the next life sends it again.
  shift("id % 3 = 0");
  lose("id % 3 = 1");
  armed_ = true;
  EXPECT_EQ(brought_back("things").state, "done");
  EXPECT_FALSE(armed_);
  expect_equal();
  // Stopped while it is in by half: the next process finds it.
  shift("id % 5 = 0");
  hooks.after_parts = [](uint64_t cut, Version, const std::vector<std::string>&) -> Status {
    if (cut < (uint64_t{1} << 40)) return {};
    return fail(ErrorKind::dependency_down, "failed on purpose");
  };
  pipeline->stop();
  start();
  ASSERT_OK(pipeline->resync("things"));
  ASSERT_TRUE(eventually([&] {
    return ask_warehouse("SELECT planned FROM tidemark.parity FINAL WHERE table = 'things'") == "1";
  }));
  run("UPDATE things SET number = number + 1 WHERE id % 7 = 0");
  pipeline->stop();
  hooks.after_parts = {};
  start();
  ASSERT_TRUE(eventually([&] { return pipeline->parity("things")->answered == 2; }));
  expect_equal();
  EXPECT_EQ(leftovers(), "0");
  EXPECT_TRUE(reset_.empty());
}

TEST_F(ParityCutsTest, ALostSlotIsMadeGoodWithoutEmptyingAnything) {
  make_things();
  run("CREATE TABLE logs (line text); CREATE TABLE quiet (id int PRIMARY KEY, v text)");
  run("INSERT INTO things SELECT n, 't' || n, n FROM generate_series(1, 5000) n; INSERT INTO logs SELECT 'l' "
      "|| n FROM generate_series(1, 50) n; INSERT INTO quiet VALUES (1, 'a')");
  begin();
  auto lose_the_slot = [&](const std::string& meanwhile) {
    pipeline->stop();
    run("SELECT pg_drop_replication_slot('pipeline_test')");
    run(meanwhile);
  };
  lose_the_slot(
      "UPDATE things SET number = -number WHERE id % 10 = 0; DELETE FROM things WHERE id % 10 = 1; INSERT "
      "INTO "
      "things SELECT n, 'late', n FROM generate_series(6000, 6100) n; INSERT INTO logs VALUES ('late')");
  start();
  expect_equal();
  EXPECT_EQ(pipeline->status().epoch, 2u);
  auto record = pipeline->parity("things");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->missing, 101u);
  EXPECT_EQ(record->extra, 500u);
  EXPECT_EQ(record->different, 500u);
  EXPECT_EQ(reset_, std::vector<std::string>{"logs"}) << "a log cannot be compared by key";
  EXPECT_EQ(touched_, std::set<std::string>{"things"});
  EXPECT_EQ(leftovers(), "0");
  run("UPDATE things SET number = number + 1 WHERE id % 2 = 0; INSERT INTO quiet VALUES (2, 'b')");
  expect_equal();
  // A shape that changed meanwhile, and a failure in the middle.
  armed_ = true;
  lose_the_slot(
      "ALTER TABLE things ADD COLUMN more int DEFAULT 7; UPDATE things SET more = 8 WHERE id < 100; "
      "DELETE FROM quiet WHERE id = 1");
  start();
  expect_equal();
  EXPECT_FALSE(armed_);
  EXPECT_EQ(pipeline->status().epoch, 3u);
  EXPECT_EQ(leftovers(), "0");
  // Another timeline; then a log that ends before the warehouse does.
  std::atomic<bool> never{false};
  StateStore state(pool, apply_policy("test"), never);
  pipeline->stop();
  auto known = state.source("shop");
  ASSERT_TRUE(known && *known);
  (*known)->timeline += 1;
  ASSERT_OK(state.save(**known));
  start();
  expect_equal();
  EXPECT_EQ(pipeline->status().epoch, 4u);
  pipeline->stop();
  auto fenced = state.fenced("shop", 4);
  ASSERT_TRUE(fenced && *fenced);
  (*fenced)->end_lsn += uint64_t{1} << 32;
  ASSERT_OK(state.fence(**fenced));
  run("UPDATE things SET number = 3 WHERE id = 22");
  start();
  expect_equal();
  EXPECT_EQ(pipeline->status().epoch, 5u);
  EXPECT_EQ(pipeline->parity("things")->different, 1u);
}

}  // namespace
}  // namespace tidemark::ingest
