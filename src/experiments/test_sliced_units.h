// For tests: 400 units and their rows in tables that are sorted by the unit, with granules so small that
// units are made slice by slice (sliced_units.h); the metrics are of every kind.
#pragma once

#include "clickhouse/test_server.h"
#include "experiments/exposure_model.h"
#include "experiments/sliced_units.h"
#include "experiments/test_experiment.h"
#include "experiments/unit_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tidemark::experiments {

class SlicedUnitsTest : public testing::Test {
 protected:
  SlicedUnitsTest() : client_(clickhouse::TestServer::shared().client()) {
    auto texts = metric_files;
    texts.emplace_back("experiments/checkout.yaml", experiment_file("exclude"));
    texts.emplace_back("metrics/early.yaml",
                       "metric: early\nkind: time_to_event\nfrom: bronze.events\nunit: unit\ntime: "
                       "at\ndelay: -2h\nwindow: 24h\n");
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

  uint64_t count(const std::string& sql) {
    auto found = client_.query("SELECT count() FROM (" + sql + ")");
    EXPECT_TRUE(found) << found.error().describe();
    return found ? found->columns[0].get<uint64_t>(0) : 0;
  }

  static constexpr int64_t at_us = start_us + 12 * 24 * hour_us;
  clickhouse::Client client_;
  ExperimentFiles files_;
  std::vector<const Metric*> metrics_;
};

}  // namespace tidemark::experiments
