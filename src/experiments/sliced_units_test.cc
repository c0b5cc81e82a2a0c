// Units made slice by slice against units made at once, row by row, with a metric of every kind.
#include "experiments/sliced_units.h"

#include "clickhouse/test_server.h"
#include "experiments/exposure_model.h"
#include "experiments/test_experiment.h"
#include "experiments/unit_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tidemark::experiments {
namespace {

class SlicedUnitsTest : public testing::Test {
 protected:
  SlicedUnitsTest() : client_(clickhouse::TestServer::shared().client()) {
    auto texts = metric_files;
    texts.emplace_back("experiments/checkout.yaml", experiment_file("exclude"));
    files_ = read_experiments(texts);
    for (const MetricUse& use : experiment().goals) metrics_.push_back(files_.metric(use.metric));
  }

  const Experiment& experiment() const { return files_.experiments[0]; }

  void run(const std::string& sql) {
    auto done = client_.execute(sql);
    ASSERT_TRUE(done) << sql.substr(0, 500) << "\n" << done.error().describe();
  }

  // 400 units, `unit` being the SQL of one's name out of `number`; a tenth sees two variants, some see one
  // that nobody declared, and some events are of others: few of each if most rows are to count. A row in 50
  // has no time. Values are quarters, whose sums are exact in any order.
  void make_rows(const std::string& unit, const std::string& events_order, bool most_count = false) {
    for (const char* database : {"bronze", "tidemark_experiments"}) {
      run(fmt::format("DROP DATABASE IF EXISTS {} SYNC", database));
      run(fmt::format("CREATE DATABASE {}", database));
    }
    auto instant = [](int salt, int hours) {
      return fmt::format("fromUnixTimestamp64Micro({} + toInt64(cityHash64(tm_row, {}) % {}) * {}, 'UTC')",
                         start_us, salt, hours * 4, hour_us / 4);
    };
    run(fmt::format(
        "CREATE TABLE bronze.seen ENGINE = MergeTree ORDER BY tuple() AS SELECT 'green button' AS "
        "experiment, {} AS unit, if(tm_row >= 400, 'blue', ['control', 'green', '{}'][1 + number "
        "% 3]) AS variant, {} AS at, toString(number % 7) AS country FROM (SELECT tm_row, tm_row % 400 AS "
        "number FROM (SELECT number AS tm_row FROM numbers({})))",
        unit, most_count ? "blue" : "pink", instant(1, 9 * 24), most_count ? 404 : 440));
    int salt = 2;
    for (const char* name : {"events", "more_events"}) {
      run(fmt::format(
          "CREATE TABLE bronze.{} ENGINE = MergeTree ORDER BY {} SETTINGS index_granularity = 16, "
          "allow_nullable_key = 1 AS SELECT "
          "{} AS "
          "unit, ['view', 'cart', 'buy'][1 + cityHash64(tm_row, {}) % 3] AS event, if(tm_row % 50 = 0, NULL, "
          "{}) AS at, (cityHash64(tm_row) % 100) / 4 AS value FROM (SELECT tm_row, cityHash64(tm_row, {}) % "
          "{} "
          "AS number FROM (SELECT number AS tm_row FROM numbers(20000)))",
          name, events_order, unit, salt, instant(salt + 1, 14 * 24), salt + 2, most_count ? 410 : 420));
      salt += 3;
    }
    for (const char* name : {"seen", "events", "more_events"})
      run(fmt::format("CREATE VIEW bronze.{0}__current AS SELECT * FROM bronze.{0}", name));
    std::string model = exposures_table(experiment());
    run(fmt::format(
        "CREATE TABLE {}__1 ENGINE = MergeTree ORDER BY (unit, variant) SETTINGS index_granularity = "
        "8 AS SELECT * FROM {}",
        model, exposures_relation(experiment())));
    run(fmt::format("CREATE VIEW {0} AS SELECT * FROM {0}__1", model));
  }

  std::string model() const { return readable_table(exposures_table(experiment())); }

  size_t slices() {
    auto found = unit_slices(client_, experiment(), metrics_, model(), 60);
    EXPECT_TRUE(found) << found.error().describe();
    return found ? found->size() : 0;
  }

  bool most_rows() {
    ReadAsOf as_of{.at_us = at_us, .first_us = start_us};
    auto found = client_.query(
        most_rows_sql(experiment(), metrics_, "(" + exposed_sql(experiment(), model(), as_of) + ")", as_of));
    EXPECT_TRUE(found) << found.error().describe();
    return found && found->columns[0].get<uint8_t>(0) != 0;
  }

  // How many units, and how many of them are not in the other.
  void expect_same(bool keeps, size_t counting_nowhere) {
    ReadAsOf as_of{.at_us = at_us, .units_a_slice = 60, .keeps = keeps};
    UnitTable sliced(client_, experiment()), whole(client_, experiment());
    auto filled = sliced.fill(metrics_, model(), as_of);
    ASSERT_TRUE(filled) << filled.error().describe();
    as_of.units_a_slice = limits::slice_units;
    filled = whole.fill(metrics_, model(), as_of);
    ASSERT_TRUE(filled) << filled.error().describe();
    std::string but = keeps ? " EXCEPT number" : "";
    auto count = [&](const std::string& sql) {
      auto found = client_.query("SELECT count() FROM (" + sql + ")");
      EXPECT_TRUE(found) << found.error().describe();
      return found ? found->columns[0].get<uint64_t>(0) : 0;
    };
    auto without = [&](const UnitTable& one, const UnitTable& other) {
      return fmt::format("SELECT *{0} FROM {1} EXCEPT SELECT *{0} FROM {2}", but, one.name(), other.name());
    };
    EXPECT_EQ(count("SELECT 1 FROM " + sliced.name()), 400u);
    EXPECT_EQ(count("SELECT 1 FROM " + sliced.name() + " WHERE arm = 0"), counting_nowhere);
    EXPECT_EQ(count(without(sliced, whole)), 0u);
    EXPECT_EQ(count(without(whole, sliced)), 0u);
    if (keeps) {
      EXPECT_EQ(count("SELECT DISTINCT number FROM " + sliced.name()), 400u);
    }
  }

  static constexpr int64_t at_us = start_us + 12 * 24 * hour_us;
  clickhouse::Client client_;
  ExperimentFiles files_;
  std::vector<const Metric*> metrics_;
};

TEST_F(SlicedUnitsTest, are_those_that_are_made_at_once) {
  for (const char* unit : {"concat('user\\'s \\\\', toString(number))", "toInt32(number) - 200"}) {
    SCOPED_TRACE(unit);
    make_rows(unit, "unit");
    EXPECT_GT(slices(), 5u);
    EXPECT_FALSE(most_rows());
    for (bool keeps : {false, true}) expect_same(keeps, 160);  // two variants, or pink
  }
}

// Rows of others and of other times are left out behind the join then.
TEST_F(SlicedUnitsTest, are_those_that_are_made_at_once_where_most_rows_count) {
  make_rows("concat('user ', toString(number))", "unit", true);
  EXPECT_GT(slices(), 5u);
  EXPECT_TRUE(most_rows());
  for (bool keeps : {false, true}) expect_same(keeps, 3);  // two variants
}

TEST_F(SlicedUnitsTest, are_not_where_a_table_would_be_read_again_for_each) {
  make_rows("toString(number)", "at");
  EXPECT_EQ(slices(), 1u);
  make_rows("toString(number)", "unit");
  EXPECT_GT(slices(), 5u);
  auto draft = unit_slices(client_, experiment(), metrics_, exposures_relation(experiment()), 60);
  ASSERT_TRUE(draft) << draft.error().describe();
  EXPECT_EQ(draft->size(), 1u);
}

}  // namespace
}  // namespace tidemark::experiments
