// A private Postgres, a private ClickHouse and a pipeline between them, for tests. Table "things" has a
// witness: sums over its change rows, which are wrong for ever when a change row is lost or counted twice.
#pragma once

#include "clickhouse/test_server.h"
#include "ingest/parity.h"
#include "ingest/postgres_pipeline.h"
#include "postgres/replication_setup.h"
#include "postgres/test_cluster.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

// The system's clock, which a test can put forward.
class SkippingClock : public Clock {
 public:
  int64_t wall_micros() const override { return system_clock().wall_micros(); }
  int64_t monotonic_micros() const override { return system_clock().monotonic_micros() + skipped_; }
  void skip(std::chrono::microseconds duration) { skipped_ += duration.count(); }

 private:
  std::atomic<int64_t> skipped_{0};
};

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() : pool(clickhouse::TestServer::shared().endpoint(), 12) {}

  static postgres::TestCluster& cluster() { return postgres::TestCluster::shared(TIDEMARK_BINARY_DIR); }

  void SetUp() override {
    auto admin = postgres::Connection::open({.url = cluster().url()});
    ASSERT_OK(admin);
    ASSERT_OK(admin->execute("DROP DATABASE IF EXISTS pipeline WITH (FORCE)"));
    ASSERT_OK(admin->execute("CREATE DATABASE pipeline"));
    for (const char* database : {"witness", "bronze", "tidemark"})
      warehouse(fmt::format("DROP DATABASE IF EXISTS {} SYNC", database));
    auto opened = postgres::Connection::open({.url = cluster().url("pipeline")});
    ASSERT_OK(opened);
    source.emplace(std::move(*opened));
    options.source.name = "shop";
    options.source.url = Secret(cluster().url("pipeline"));
    options.source.slot = "pipeline_test";
    options.source.publication = "pipeline_test";
    options.source.tables = {"*"};
    options.tables_with_changes = {"things"};
  }
  void TearDown() override {
    pipeline.reset();
    auto dropped = postgres::drop_slot(*source, options.source.slot);
    EXPECT_TRUE(dropped) << dropped.error().describe();
  }

  void run(const std::string& sql) {
    auto done = source->execute(sql);
    ASSERT_TRUE(done) << done.error().describe() << "\n" << sql;
  }
  std::string ask(const std::string& sql) {
    auto rows = source->query(sql);
    EXPECT_TRUE(rows) << rows.error().describe() << "\n" << sql;
    return rows && rows->size() == 1 ? std::string(rows->at(0, 0)) : "";
  }
  void warehouse(const std::string& sql) {
    auto done = pool.execute(sql);
    ASSERT_TRUE(done) << done.error().describe() << "\n" << sql;
  }
  std::string ask_warehouse(const std::string& sql) {
    auto text = pool.lease()->query_text(sql);
    if (!text) return text.error().describe();
    if (!text->empty()) text->pop_back();
    return *text;
  }

  void make_things() {
    run("CREATE TABLE things (id bigint PRIMARY KEY, text text, number bigint NOT NULL)");
    // Kept out of line and not compressed, so that an update of another column does not send it.
    run("ALTER TABLE things ALTER COLUMN text SET STORAGE EXTERNAL");
  }
  static std::string large(const std::string& seed) { return "repeat('" + seed + "', 5000)"; }

  Status prepare() {
    pipeline = std::make_unique<PostgresPipeline>(options, pool, hooks, clock, nullptr);
    return pipeline->prepare();
  }
  void start() {
    ASSERT_OK(prepare());
    if (ask_warehouse("EXISTS TABLE bronze.things__changes") == "1") {
      warehouse("CREATE DATABASE IF NOT EXISTS witness");
      warehouse(
          "CREATE TABLE IF NOT EXISTS witness.sums (k UInt8, rows Int64, total Int64) ENGINE = "
          "SummingMergeTree ORDER BY k SETTINGS non_replicated_deduplication_window = 1000");
      warehouse(
          "CREATE MATERIALIZED VIEW IF NOT EXISTS witness.view TO witness.sums AS SELECT 1 AS k, "
          "sum(toInt64(_sign)) AS rows, sum(number * _sign) AS total FROM bronze.things__changes");
    }
    pipeline->start();
    ASSERT_TRUE(eventually([&] { return pipeline->status().state == "streaming"; }));
  }

  ParityReport parity() {
    std::atomic<bool> stop{false};
    auto report = verify_tables(options.source, pool, {.fence_timeout = std::chrono::seconds(20)}, stop);
    EXPECT_TRUE(report) << report.error().describe();
    return report ? *report : ParityReport{};
  }
  // Waits for the stream, compares every table by value and the sums.
  void expect_equal() {
    auto report = parity();
    EXPECT_FALSE(report.tables.empty());
    for (const auto& table : report.tables)
      EXPECT_TRUE(table.equal()) << table.table << ": missing " << table.missing << " extra " << table.extra
                                 << " different " << table.different << " "
                                 << (table.examples.empty() ? "" : table.examples[0]);
    if (ask_warehouse("EXISTS TABLE witness.sums") != "1") return;
    EXPECT_EQ(
        ask_warehouse("SELECT concat(toString(sum(rows)), ' ', toString(sum(total))) FROM witness.sums"),
        ask("SELECT count(*)::text || ' ' || coalesce(sum(number), 0)::text FROM things"));
  }

  // Until `done`, or half a minute has passed.
  static bool eventually(const std::function<bool()>& done) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  clickhouse::ClientPool pool;
  SkippingClock clock;
  PipelineOptions options;
  ModelHooks hooks;
  std::optional<postgres::Connection> source;
  std::unique_ptr<PostgresPipeline> pipeline;
};

}  // namespace tidemark::ingest
