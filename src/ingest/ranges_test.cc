// A copy whose ranges are read in transactions of their own, while everything moves: rows to other pages, to
// other keys, away and back; stopped between ranges, again and again.
#include "ingest/test_pipeline.h"

#include <thread>

namespace tidemark::ingest {
namespace {

class RangesTest : public PipelineTest {
 protected:
  // Pages of 8 kB with some 15 rows, ranges of 128: a table of a few thousand rows has several.
  void make_large_things(int rows) {
    make_things();
    run("ALTER TABLE things SET (fillfactor = 100)");
    run(fmt::format("INSERT INTO things SELECT n, repeat('x', 400), n FROM generate_series(1, {}) n", rows));
    options.snapshot.range_megabytes = 1;
  }

  // Random changes until told to stop; each moves rows about, or ends them.
  struct Writer {
    explicit Writer(const std::string& url, int rows) {
      thread = std::thread([this, url, rows] {
        auto connection = postgres::Connection::open({.url = url});
        if (!connection) return;
        for (uint64_t turn = 0; !stop; ++turn) {
          int id = static_cast<int>(turn * 7919 % static_cast<uint64_t>(rows)) + 1;
          const std::string statements[] = {
              // To another page, with and without its large value.
              fmt::format("UPDATE things SET number = number + 1 WHERE id BETWEEN {} AND {}", id, id + 30),
              fmt::format("UPDATE things SET text = repeat('y', 3000) WHERE id = {}", id),
              fmt::format("DELETE FROM things WHERE id = {}", id),
              fmt::format(
                  "INSERT INTO things VALUES ({0}, 'back', {0}) ON CONFLICT (id) DO UPDATE SET number "
                  "= excluded.number",
                  id),
              fmt::format("UPDATE things SET id = id + 1000000 WHERE id = {} AND NOT EXISTS (SELECT FROM "
                          "things o WHERE o.id = {} + 1000000)",
                          id, id),
              fmt::format("INSERT INTO things VALUES ({}, 'new', 5) ON CONFLICT DO NOTHING",
                          2'000'000 + turn),
              fmt::format("WITH gone AS (DELETE FROM things WHERE id = {} + 1000000 RETURNING *) SELECT 1",
                          id),
              "VACUUM things",
          };
          if (auto done = connection->execute(statements[turn % std::size(statements)])) ++changes;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      });
    }
    ~Writer() { end(); }
    void end() {
      stop = true;
      if (thread.joinable()) thread.join();
    }
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> changes{0};
    std::thread thread;
  };

  // Of everybody but those that write, in seconds.
  double oldest_transaction() {
    return std::strtod(
        ask("SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::text FROM "
            "pg_stat_activity WHERE datname = 'pipeline' AND application_name = 'tidemark shop' AND "
            "(backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)")
            .c_str(),
        nullptr);
  }
  uint64_t ranges_in() {
    return std::strtoull(
        ask_warehouse("SELECT count() FROM tidemark.copied_ranges FINAL WHERE oid != 0").c_str(), nullptr,
        10);
  }
};

TEST_F(RangesTest, RowsMoveWhileRangesAreReadAndItIsStoppedBetweenThem) {
  constexpr int rows = 60'000;
  make_large_things(rows);
  run("CREATE TABLE log (value int); INSERT INTO log SELECT n FROM generate_series(1, 100) n");
  run("CREATE TABLE small (id int PRIMARY KEY, value text); INSERT INTO small VALUES (1, 'a'); ANALYZE");
  // Slow enough that it is stopped in the middle several times.
  options.snapshot.rows_per_second_max = 15'000;
  int after_copies = 0;
  hooks.after_copy = [&](Version, const std::vector<std::string>&) -> Status {
    ++after_copies;
    return {};
  };
  hooks.reset = [&](const std::vector<std::string>&) -> Status {
    if (ask_warehouse("EXISTS TABLE witness.sums") == "1") return pool.execute("TRUNCATE TABLE witness.sums");
    return {};
  };
  Writer writer(cluster().url("pipeline"), rows);
  ASSERT_OK(prepare());
  warehouse("CREATE DATABASE IF NOT EXISTS witness");
  warehouse(
      "CREATE TABLE witness.sums (k UInt8, rows Int64, total Int64) ENGINE = SummingMergeTree ORDER BY k "
      "SETTINGS non_replicated_deduplication_window = 1000");
  warehouse(
      "CREATE MATERIALIZED VIEW witness.view TO witness.sums AS SELECT 1 AS k, sum(toInt64(_sign)) AS rows, "
      "sum(number * _sign) AS total FROM bronze.things__changes");
  double oldest = 0;
  int stops = 0;
  uint64_t in = 0;
  bool told_how_long = false;
  auto begun = std::chrono::steady_clock::now();
  pipeline->start();
  while (true) {
    // A range more is in, or it streams.
    bool streams = false;
    ASSERT_TRUE(eventually([&] {
      oldest = std::max(oldest, oldest_transaction());
      auto status = pipeline->status();
      streams = status.state == "streaming";
      told_how_long |= status.copy_seconds_left.has_value();
      return streams || ranges_in() > in;
    })) << pipeline->status().error;
    if (streams) break;
    uint64_t now = ranges_in();
    EXPECT_GE(now, in) << "what was in is not forgotten";
    in = now;
    if (stops == 3) continue;
    ++stops;
    pipeline.reset();
    ASSERT_OK(prepare());
    pipeline->start();
    begun = std::chrono::steady_clock::now();
    oldest = 0;
  }
  std::chrono::duration<double> last_life = std::chrono::steady_clock::now() - begun;
  EXPECT_EQ(stops, 3);
  EXPECT_GE(ranges_in(), 20u);
  EXPECT_TRUE(told_how_long);
  EXPECT_EQ(after_copies, 1);
  EXPECT_LT(oldest, last_life.count() / 2) << "no transaction spans the copy";
  EXPECT_EQ(pipeline->status().epoch, 1u);
  EXPECT_GT(writer.changes, 100u);
  writer.end();
  expect_equal();
  for (const auto& table : pipeline->status().tables) EXPECT_EQ(table.quarantined, 0u) << table.table;
}

TEST_F(RangesTest, ATableThatIsWrittenAnewIsReadAgainAndOneWithOtherColumnsStartsOver) {
  constexpr int rows = 20'000;
  make_large_things(rows);
  run("CREATE TABLE parted (id int, kind int, text text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind)");
  for (int kind : {0, 1, 2})
    run(fmt::format("CREATE TABLE parted_{0} PARTITION OF parted FOR VALUES IN ({0})", kind));
  run("INSERT INTO parted SELECT n, n % 3, repeat('p', 400) FROM generate_series(1, 6000) n");
  run("DELETE FROM things WHERE id < 3000");
  options.tables_with_changes = {};
  options.snapshot.rows_per_second_max = 20'000;
  ASSERT_OK(prepare());
  pipeline->start();
  // Nobody analysed them.
  std::optional<int64_t> seconds_left;
  ASSERT_TRUE(eventually([&] {
    if (ranges_in() < 3) return false;
    seconds_left = pipeline->status().copy_seconds_left;
    return seconds_left.has_value();
  }));
  EXPECT_LT(*seconds_left, 60);
  for (const auto& table : pipeline->status().tables) {
    EXPECT_GT(table.copy_rows_estimate, 3'000u) << table.table;
    EXPECT_LT(table.copy_rows_estimate, 200'000u) << table.table;
  }
  // Its rows go to other pages, and the stream says nothing.
  run("VACUUM FULL things");
  ASSERT_TRUE(eventually([&] { return pipeline->status().state == "streaming"; }));
  expect_equal();
  EXPECT_EQ(ask_warehouse("SELECT uniq(text) FROM tidemark.copied_ranges FINAL WHERE oid = " +
                          ask("SELECT 'things'::regclass::oid")),
            "2");
  EXPECT_EQ(ask_warehouse("SELECT count() >= 5 FROM tidemark.copied_ranges FINAL WHERE oid = " +
                          ask("SELECT 'parted'::regclass::oid")),
            "1");
  EXPECT_EQ(pipeline->status().epoch, 1u);

  pipeline->stop();
  options.recopy = true;
  ASSERT_OK(prepare());
  options.recopy = false;
  pipeline->start();
  ASSERT_TRUE(eventually([&] {
    return ask_warehouse(
               "SELECT count() > 2 FROM tidemark.copied_ranges FINAL WHERE oid != 0 AND epoch = 2") == "1";
  }));
  run("ALTER TABLE things ADD added int DEFAULT 7");
  ASSERT_TRUE(eventually([&] { return pipeline->status().state == "streaming"; }));
  expect_equal();
  EXPECT_EQ(pipeline->status().epoch, 3u);
}

TEST_F(RangesTest, ATableThatIsEmptiedBetweenTwoTriesOfItsCopyIsEmpty) {
  make_large_things(6'000);
  auto other = postgres::Connection::open({.url = cluster().url("pipeline")});
  ASSERT_OK(other);
  // At once: all rows are in, and that they are is not written down.
  bool interrupted = false;
  hooks.after_copy = [&](Version, const std::vector<std::string>&) -> Status {
    if (std::exchange(interrupted, true)) return {};
    TRY_VOID(other->execute("DELETE FROM things WHERE id > 3"));
    return fail(ErrorKind::dependency_down, "ended here");
  };
  options.snapshot.range_megabytes = 1'000;
  options.tables_with_changes = {};
  start();
  EXPECT_TRUE(interrupted);
  EXPECT_EQ(pipeline->status().epoch, 2u);
  expect_equal();
  EXPECT_EQ(ask_warehouse("SELECT count() FROM bronze.things"), "3");

  // In ranges, some of which are in, with rows: those go by the stream, or with the table's pages.
  options.snapshot = {.range_megabytes = 1, .rows_per_second_max = 3'000};
  pipeline->stop();
  run("CREATE TABLE others (LIKE things INCLUDING ALL)");
  for (const char* table : {"others", "things"})
    run(fmt::format("INSERT INTO {} SELECT n, repeat('x', 400), n FROM generate_series(1000, 5000) n",
                    table));
  options.recopy = true;
  ASSERT_OK(prepare());
  options.recopy = false;
  warehouse("TRUNCATE TABLE tidemark.copied_ranges");
  pipeline->start();
  ASSERT_TRUE(eventually([&] {
    return ask_warehouse(
               "SELECT count() FROM (SELECT oid FROM tidemark.copied_ranges FINAL WHERE oid != 0 GROUP BY "
               "oid HAVING sum(rows) > 0)") == "2";
  }));
  pipeline.reset();
  run("DELETE FROM others; TRUNCATE things");
  for (const char* table : {"others", "things"})
    run(fmt::format("INSERT INTO {} VALUES (5000, 'again', 1)", table));
  ASSERT_OK(prepare());
  pipeline->start();
  ASSERT_TRUE(eventually([&] { return pipeline->status().state == "streaming"; }));
  expect_equal();
  for (const char* table : {"others", "things"})
    EXPECT_EQ(ask_warehouse(fmt::format("SELECT groupArray(id) FROM bronze.{}__current", table)), "[5000]")
        << table;
}

}  // namespace
}  // namespace tidemark::ingest
