// The sums that come out of ClickHouse against the same computed unit by unit in plain C++, over random
// exposures and events: units in two variants, repeated and late exposures, events before, at the edges of
// and after windows, NULLs, negative values, variants nobody declared.
#include "experiments/experiment_sums.h"

#include "clickhouse/test_server.h"
#include "experiments/experiment_files.h"
#include "experiments/exposure_model.h"
#include "experiments/test_experiment.h"
#include "experiments/unit_table.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace tidemark::experiments {
namespace {

struct Seen {
  int unit;
  std::string variant;  // empty: NULL
  int64_t at_us;
  std::string country;
};
struct Happened {
  int unit;
  std::string event;
  int64_t at_us;
  std::optional<int> cents;
};

class ExperimentSumsTest : public testing::Test {
 protected:
  ExperimentSumsTest() : client_(clickhouse::TestServer::shared().client()) {}

  void run(const std::string& sql) {
    auto done = client_.execute(sql);
    ASSERT_TRUE(done) << sql.substr(0, 500) << "\n" << done.error().describe();
  }

  void deploy(const Experiment& experiment) {
    run("DROP DATABASE IF EXISTS tidemark_experiments SYNC");
    run("CREATE DATABASE tidemark_experiments");
    run("CREATE TABLE " + exposures_table(experiment) +
        "__1 ENGINE = MergeTree ORDER BY unit AS SELECT * FROM " + exposures_relation(experiment));
    run("CREATE VIEW " + exposures_table(experiment) + " AS SELECT * FROM " + exposures_table(experiment) +
        "__1");
    // A generation with so many rows that reading the log itself is quicker.
    run("CREATE TABLE " + exposures_table(experiment) +
        "__2 ENGINE = MergeTree ORDER BY number AS SELECT number FROM numbers(1000)");
  }

  void make_rows(uint64_t seed) {
    std::mt19937_64 random(seed);
    auto below = [&](uint64_t bound) { return random() % bound; };
    run("DROP DATABASE IF EXISTS bronze SYNC");
    run("CREATE DATABASE bronze");
    run("CREATE TABLE bronze.seen (experiment String, unit Int32, variant Nullable(String), at DateTime64(6, "
        "'UTC'), "
        "country Nullable(String)) ENGINE = MergeTree ORDER BY tuple()");
    for (const char* name : {"events", "more_events"})
      run(fmt::format(
          "CREATE TABLE bronze.{} (unit Int64, event LowCardinality(String), at DateTime64(3, 'UTC'), "
          "value Nullable(Decimal(12, 2))) ENGINE = MergeTree ORDER BY tuple()",
          name));
    for (const char* name : {"seen", "events", "more_events"})
      run(fmt::format("CREATE VIEW bronze.{0}__current AS SELECT * FROM bronze.{0}", name));
    seen_.clear();
    std::string rows;
    for (int unit = 0; unit < 300; ++unit) {
      std::string variant = std::vector<std::string>{"control", "green", "blue", "blue"}[below(4)];
      for (uint64_t times = below(4); times > 0; --times) {
        std::string shown =
            below(12) == 0 ? std::vector<std::string>{"green", "pink", ""}[below(3)] : variant;
        Seen seen{unit, shown,
                  start_us + static_cast<int64_t>(below(12 * 24 * 4)) * hour_us / 4 - 24 * hour_us,
                  "land " + std::to_string(below(30))};
        rows += fmt::format("{}('{}', {}, {}, fromUnixTimestamp64Micro({}, 'UTC'), '{}')",
                            rows.empty() ? "" : ", ", "green button", unit,
                            shown.empty() ? "NULL" : "'" + shown + "'", seen.at_us, seen.country);
        seen_.push_back(seen);
      }
      rows += fmt::format("{}('another', {}, 'green', fromUnixTimestamp64Micro({}, 'UTC'), NULL)",
                          rows.empty() ? "" : ", ", unit, start_us);
    }
    run("INSERT INTO bronze.seen VALUES " + rows);
    make_events("events", events_, 8000, below);
    make_events("more_events", more_events_, 3000, below);
  }

  template <class Below>
  void make_events(const char* table, std::map<int, std::vector<Happened>>& events, int count, Below below) {
    events.clear();
    std::string rows;
    for (int index = 0; index < count; ++index) {
      Happened event{
          static_cast<int>(below(330)), std::vector<std::string>{"view", "view", "cart", "buy"}[below(4)],
          start_us + static_cast<int64_t>(below(24 * 24 * 4)) * hour_us / 4 - 6 * 24 * hour_us, std::nullopt};
      if (below(10) != 0) event.cents = static_cast<int>(below(10'000)) - 500;
      rows += fmt::format("{}({}, '{}', fromUnixTimestamp64Milli({}, 'UTC'), {})", rows.empty() ? "" : ", ",
                          event.unit, event.event, event.at_us / 1000,
                          event.cents ? fmt::format("{}", *event.cents / 100.0) : "NULL");
      events[event.unit].push_back(event);
    }
    run(fmt::format("INSERT INTO bronze.{} VALUES {}", table, rows));
  }

  struct Unit {
    size_t arm = 0;
    int64_t first_us = 0;
    std::string country;
  };

  // Exposed units by the policy, as of a time.
  std::map<int, Unit> exposed(const Experiment& experiment, int64_t at_us, int64_t& multiple,
                              int64_t& unknown) {
    std::map<int, std::vector<Seen>> by_unit;
    for (const Seen& seen : seen_)
      if (!seen.variant.empty() && seen.at_us >= *experiment.start_us && seen.at_us < *experiment.end_us)
        by_unit[seen.unit].push_back(seen);
    std::map<int, Unit> units;
    for (auto& [unit, list] : by_unit) {
      std::map<std::string, int64_t> firsts;
      for (const Seen& seen : list) {
        auto [found, added] = firsts.emplace(seen.variant, seen.at_us);
        found->second = std::min(found->second, seen.at_us);
      }
      std::erase_if(firsts, [&](const auto& one) { return one.second > at_us; });
      if (firsts.empty()) continue;
      bool many = firsts.size() > 1;
      multiple += many;
      if (many && experiment.multiple_exposure == MultipleExposure::exclude) continue;
      auto first = *std::min_element(firsts.begin(), firsts.end(), [](const auto& left, const auto& right) {
        return std::pair(left.second, left.first) < std::pair(right.second, right.first);
      });
      size_t arm = 0;
      while (arm < experiment.variants.size() && experiment.variants[arm].name != first.first) ++arm;
      if (arm == experiment.variants.size()) {
        ++unknown;
        continue;
      }
      Unit found{arm, first.second, ""};
      // The level at the first exposure; of several at one time the smallest.
      std::pair<int64_t, std::string> best{INT64_MAX, ""};
      for (const Seen& seen : list)
        if (seen.variant == first.first) best = std::min(best, {seen.at_us, seen.country});
      found.country = best.second;
      units[unit] = found;
    }
    return units;
  }

  // A unit's value between two times; `counts` says which events.
  double total(const std::map<int, std::vector<Happened>>& events, int unit, const std::string& event,
               int64_t low, int64_t high, int64_t at_us, bool values) {
    double sum = 0;
    auto found = events.find(unit);
    if (found == events.end()) return 0;
    for (const Happened& one : found->second)
      if ((event.empty() || one.event == event) && one.at_us >= low && one.at_us < high && one.at_us <= at_us)
        sum += values ? one.cents.value_or(0) / 100.0 : 1;
    return sum;
  }

  bool did_funnel(int unit, int64_t low, int64_t high, int64_t at_us) {
    std::vector<std::string> steps{"view", "cart", "buy"};
    std::vector<std::pair<int64_t, size_t>> done;
    for (const Happened& one : events_[unit])
      if (one.at_us >= low && one.at_us < high && one.at_us <= at_us)
        done.emplace_back(one.at_us, std::find(steps.begin(), steps.end(), one.event) - steps.begin());
    std::sort(done.begin(), done.end());
    size_t reached = 0;
    for (const auto& [at, step] : done) reached += reached < 3 && step == reached;
    return reached == 3;
  }

  void check(const Experiment& experiment, const ExperimentFiles& files, int64_t at_us, bool deployed);

  clickhouse::Client client_;
  std::vector<Seen> seen_;
  std::map<int, std::vector<Happened>> events_, more_events_;  // by unit
};

void expect_near(double actual, double expected, const std::string& where) {
  EXPECT_NEAR(actual, expected, 1e-9 * std::max(1.0, std::abs(expected))) << where;
}

void ExperimentSumsTest::check(const Experiment& experiment, const ExperimentFiles& files, int64_t at_us,
                               bool deployed) {
  std::vector<const Metric*> metrics;
  for (const MetricUse& use : experiment.goals) metrics.push_back(files.metric(use.metric));
  auto sums = read_sums(client_, experiment, metrics,
                        {.at_us = at_us,
                         .exposures = deployed ? std::string() : exposures_relation(experiment),
                         .dimensions = {"country"}});
  ASSERT_TRUE(sums) << sums.error().describe();
  int64_t multiple = 0, unknown = 0;
  auto units = exposed(experiment, at_us, multiple, unknown);
  EXPECT_EQ(sums->counters.multiple, multiple);
  EXPECT_EQ(sums->counters.unknown, unknown);
  std::vector<int64_t> counts(3);
  for (const auto& [unit, known] : units) ++counts[known.arm];
  EXPECT_EQ(sums->counters.units, counts);

  std::vector<double> capped;
  auto buys = [&](int unit, const Unit& known, int64_t low_hours, int64_t hours, bool values) {
    int64_t low = known.first_us + low_hours * hour_us;
    int64_t high = hours < 0 ? *experiment.end_us : low + hours * hour_us;
    return total(events_, unit, "buy", low, high, at_us, values);
  };
  for (const auto& [unit, known] : units) capped.push_back(buys(unit, known, 0, 72, true));
  double cap =
      capped.empty()
          ? 0
          : (std::nth_element(capped.begin(),
                              capped.begin() + static_cast<long>(0.9 * static_cast<double>(capped.size())),
                              capped.end()),
             capped[static_cast<size_t>(0.9 * static_cast<double>(capped.size()))]);
  std::vector<std::vector<ArmSums>> expected(metrics.size(), std::vector<ArmSums>(3));
  std::vector<std::vector<double>> spend(3);
  std::map<std::string, std::vector<ArmSums>> revenue_by_country;
  for (const auto& [unit, known] : units) {
    auto before = [&](const std::map<int, std::vector<Happened>>& events, const char* event, int64_t days,
                      bool values) {
      return total(events, unit, event, known.first_us - days * 24 * hour_us, known.first_us, at_us, values);
    };
    auto add = [&](size_t metric, std::array<double, variables> values) {
      expected[metric][known.arm].add_unit(values);
    };
    add(0, {std::min(1.0, buys(unit, known, 0, 72, false)), 0,
            std::min(1.0, before(events_, "buy", 5, false)), 0});
    add(1, {buys(unit, known, 1, 48, false), 0, 0, 0});
    std::array<double, variables> revenue{buys(unit, known, 0, -1, true), 0, before(events_, "buy", 14, true),
                                          0};
    add(2, revenue);
    auto& by_country = revenue_by_country[known.country];
    by_country.resize(3);
    by_country[known.arm].add_unit(revenue);
    add(3, {std::min(cap, buys(unit, known, 0, 72, true)), 0, 0, 0});
    int64_t late = known.first_us - hour_us;
    add(4, {buys(unit, known, -1, 72, true),
            total(more_events_, unit, "view", late, late + 72 * hour_us, at_us, false),
            before(events_, "buy", 5, true), before(more_events_, "view", 5, false)});
    int64_t after = known.first_us + 48 * hour_us;
    if (after + 24 * hour_us <= at_us)
      add(5, {std::min(1.0, total(events_, unit, "", after, after + 24 * hour_us, at_us, false)), 0, 0, 0});
    add(6, {did_funnel(unit, known.first_us, known.first_us + 72 * hour_us, at_us) ? 1.0 : 0.0, 0, 0, 0});
    double spent = total(events_, unit, "", known.first_us, known.first_us + 72 * hour_us, at_us, true);
    spend[known.arm].push_back(spent);
    add(7, {spent, 0, 0, 0});
    if (known.first_us + 24 * hour_us <= at_us) {
      double first = 24 * 3600;
      for (const Happened& one : events_[unit])
        if (one.event == "buy" && one.at_us >= known.first_us && one.at_us <= at_us)
          first = std::min(first, static_cast<double>(one.at_us - known.first_us) / 1e6);
      add(8, {first, 0, 0, 0});
    }
  }
  for (size_t metric = 0; metric < metrics.size(); ++metric)
    for (size_t arm = 0; arm < 3; ++arm) {
      const ArmSums& found = sums->metrics[metric].arms[arm];
      std::string where = metrics[metric]->name + " " + experiment.variants[arm].name;
      EXPECT_EQ(found.units, expected[metric][arm].units) << where;
      for (Variable left : variables_of(sums->metrics[metric].shape)) {
        expect_near(found.sum[left], expected[metric][arm].sum[left], where);
        for (Variable right : variables_of(sums->metrics[metric].shape))
          expect_near(found.products[left][right], expected[metric][arm].products[left][right], where);
      }
    }
  if (!capped.empty()) expect_near(sums->metrics[3].cap.value_or(-1), cap, "cap");
  for (size_t arm = 0; arm < 3; ++arm) {
    if (spend[arm].empty()) continue;
    std::sort(spend[arm].begin(), spend[arm].end());
    expect_near(sums->metrics[7].quantiles[arm].quantile,
                spend[arm][static_cast<size_t>(0.75 * static_cast<double>(spend[arm].size()))], "quantile");
  }
  // Twenty largest countries, the rest together; each unit once.
  ASSERT_EQ(sums->dimensions.size(), 1u);
  std::vector<ArmSums> others(3);
  size_t named = 0;
  for (const DimensionLevel& level : sums->dimensions[0].levels) {
    if (level.level == "(other)") continue;
    ++named;
    for (size_t arm = 0; arm < 3; ++arm)
      expect_near(level.metrics[2].arms[arm].products[value][value_before],
                  revenue_by_country[level.level][arm].products[value][value_before], level.level);
    revenue_by_country.erase(level.level);
  }
  for (const auto& [country, arms] : revenue_by_country)
    for (size_t arm = 0; arm < 3; ++arm) others[arm] += arms[arm];
  EXPECT_EQ(revenue_by_country.empty(), named < 20u);
  if (!revenue_by_country.empty()) {
    const DimensionLevel& last = sums->dimensions[0].levels.back();
    EXPECT_EQ(last.level, "(other)");
    for (size_t arm = 0; arm < 3; ++arm) {
      EXPECT_EQ(last.units[arm], others[arm].units);
      expect_near(last.metrics[2].arms[arm].sum[value], others[arm].sum[value], "(other)");
    }
  }
}

TEST_F(ExperimentSumsTest, are_what_plain_code_computes) {
  const char* given = std::getenv("TIDEMARK_SEED");
  uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  for (uint64_t round = 0; round < 2; ++round) {
    SCOPED_TRACE(fmt::format("TIDEMARK_SEED={}", seed + round));
    make_rows(seed + round);
    for (const char* policy : {"exclude", "first_seen"}) {
      auto texts = metric_files;
      texts.emplace_back("experiments/checkout.yaml", experiment_file(policy));
      ExperimentFiles files = read_experiments(texts);
      ASSERT_TRUE(files.errors.empty()) << config::render(files.errors);
      for (int64_t day : {-1, 4, 7, 20}) {
        SCOPED_TRACE(fmt::format("{} day {}", policy, day));
        // A log that has hardly more rows than the model is read itself.
        if (day == 7) deploy(files.experiments[0]);
        check(files.experiments[0], files, start_us + day * 24 * hour_us + hour_us / 3, day >= 7);
      }
    }
  }
}

// Each point of a series is what the same question says of that moment alone.
TEST_F(ExperimentSumsTest, of_a_series_are_those_of_each_moment) {
  make_rows(7);
  for (const char* policy : {"exclude", "first_seen"}) {
    auto texts = metric_files;
    texts.emplace_back("experiments/checkout.yaml", experiment_file(policy));
    ExperimentFiles files = read_experiments(texts);
    ASSERT_TRUE(files.errors.empty()) << config::render(files.errors);
    const Experiment& experiment = files.experiments[0];
    std::vector<const Metric*> metrics;
    for (const MetricUse& use : experiment.goals) metrics.push_back(files.metric(use.metric));
    std::vector<int64_t> points_us;
    for (int64_t day : {1, 5, 9}) points_us.push_back(start_us + day * 24 * hour_us + hour_us / 3);
    UnitSeries series(client_, experiment, metrics);
    auto filled = series.fill(exposures_relation(experiment), points_us);
    ASSERT_TRUE(filled) << filled.error().describe();
    for (size_t point = 0; point < points_us.size(); ++point) {
      SCOPED_TRACE(fmt::format("{} point {}", policy, point));
      auto then = series.at(point);
      ASSERT_TRUE(then) << then.error().describe();
      SumsOptions options{
          .at_us = points_us[point], .exposures = exposures_relation(experiment), .dimensions = {"country"}};
      auto found = sums_of_units(client_, experiment, then->query, {.all = then->units}, options);
      auto alone = read_sums(client_, experiment, metrics, options);
      ASSERT_TRUE(found) << found.error().describe();
      ASSERT_TRUE(alone) << alone.error().describe();
      const Counters &left = found->counters, &right = alone->counters;
      EXPECT_EQ(left.units, right.units);
      EXPECT_EQ(std::tie(left.multiple, left.unknown, left.seen, left.first_us, left.last_us),
                std::tie(right.multiple, right.unknown, right.seen, right.first_us, right.last_us));
      if (point + 1 == points_us.size()) {
        EXPECT_GT(left.multiple, 0);
      }
      for (size_t metric = 0; metric < metrics.size(); ++metric) {
        EXPECT_EQ(found->metrics[metric].cap, alone->metrics[metric].cap);
        for (size_t arm = 0; arm < 3; ++arm) {
          const ArmSums &one = found->metrics[metric].arms[arm], &other = alone->metrics[metric].arms[arm];
          std::string where = metrics[metric]->name + " " + experiment.variants[arm].name;
          EXPECT_EQ(one.units, other.units) << where;
          for (Variable variable : variables_of(found->metrics[metric].shape)) {
            expect_near(one.sum[variable], other.sum[variable], where);
            expect_near(one.products[variable][value], other.products[variable][value], where);
          }
        }
      }
      for (size_t level = 0; level < alone->dimensions[0].levels.size(); ++level)
        EXPECT_EQ(found->dimensions[0].levels.at(level).units, alone->dimensions[0].levels[level].units);
    }
  }
}

}  // namespace
}  // namespace tidemark::experiments
