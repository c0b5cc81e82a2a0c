// Units that are kept against units that are read anew, cut after cut: random inserts, corrections, deletes
// and changes of who a row is about, in exposures and in events, late rows and rows of the future whose time
// comes, lists that could not be written down, processes that ended.
#include "experiments/exposure_model.h"
#include "experiments/kept_experiments.h"
#include "experiments/test_experiment.h"
#include "experiments/watched_units.h"
#include "models/test_warehouse.h"

#include <cmath>

namespace tidemark::experiments {
namespace {

struct Row {
  int unit = 0;
  std::string what;  // variant or event
  int64_t at_us = 0;
  int cents = 0;
};

// A mirrored table as ingest keeps it, and its rows.
struct Table {
  std::string name, columns;
  std::function<std::string(int id, const Row&)> values;
  std::map<int, Row> rows;
  int last_id = 0;
  std::string sent_rows, sent_changes;
};

class KeptUnitsTest : public models::ModelsTest {
 protected:
  void SetUp() override {
    ModelsTest::SetUp();
    run("DROP DATABASE IF EXISTS tidemark_experiments SYNC");
    random_.seed(models::test_seed());
    auto instant = [](int64_t at_us) { return fmt::format("fromUnixTimestamp64Micro({}, 'UTC')", at_us); };
    seen_ = {.name = "seen",
             .columns =
                 "id Int32, experiment String, unit Int32, variant String, at DateTime64(6, 'UTC'), "
                 "country String",
             .values = [=](int id, const Row& row) {
               return fmt::format("{}, 'green button', {}, '{}', {}, 'land {}'", id, row.unit, row.what,
                                  instant(row.at_us), row.unit % 3);
             }};
    for (const char* name : {"events", "more_events"})
      events_.push_back(
          {.name = name,
           .columns = "id Int32, unit Int32, event String, at DateTime64(6, 'UTC'), value Decimal(12, 2)",
           .values = [=](int id, const Row& row) {
             return fmt::format("{}, {}, '{}', {}, {}", id, row.unit, row.what, instant(row.at_us),
                                row.cents / 100.0);
           }});
    create("seen", seen_.columns, "id, experiment, unit, variant, at, country", "id");
    for (const Table& table : events_) create(table.name, table.columns, "id, unit, event, at, value", "id");
    auto texts = metric_files;
    texts.emplace_back("experiments/checkout.yaml",
                       experiment_file(below(2) == 0 ? "exclude" : "first_seen"));
    files_ = read_experiments(texts);
    ASSERT_TRUE(files_.errors.empty()) << config::render(files_.errors);
    metrics_ = metrics_of(files_, experiment());
    auto models = exposure_models(files_.experiments, {});
    for (auto& watched : watched_unit_models(files_)) models.push_back(std::move(watched));
    models_ = good(models);
    apply(models_);
    begin();
  }

  const Experiment& experiment() const { return files_.experiments[0]; }
  uint64_t below(uint64_t bound) { return random_() % bound; }

  // A process begins: of what the one before kept nothing is there.
  void begin() {
    runtime_.reset();
    kept_ = std::make_unique<KeptExperiments>(
        [this](const std::string& name) { return models_.find(name) != nullptr; });
    ASSERT_TRUE(drop_kept_units(client_));
    runtime_ = std::make_unique<models::Runtime>(
        models_, models::Runtime::Writers::one,
        models::WatchHooks{
            .touched = [this](clickhouse::Client& client, const models::TouchedKeys& keys) -> Status {
              kept_->touched(client, keys);
              return {};
            },
            .all_touched = {}});
  }

  Row random_row(bool exposure) {
    Row row{.unit = static_cast<int>(below(60))};
    row.what = exposure ? std::vector<std::string>{"control", "green", "blue",
                                                   "pink"}[below(10) == 0 ? 3 : row.unit % 3]
                        : std::vector<std::string>{"view", "cart", "buy", "buy"}[below(4)];
    if (exposure && below(12) == 0) row.what = "green";
    // Some of the future.
    row.at_us = now_us_ - static_cast<int64_t>(below(8 * 24)) * hour_us + (below(6) == 0 ? 30 * hour_us : 0);
    row.cents = static_cast<int>(below(10'000));
    return row;
  }

  void change(Table& table, bool exposure) {
    std::string tail = fmt::format(", '2026-01-01 00:00:00', {})", cut_);
    auto emit = [&](int id, const Row* before, const Row* after) {
      Version version = models_version();
      std::string number = fmt::format("{}", static_cast<uint64_t>(version));
      if (before != nullptr)
        table.sent_changes += fmt::format("({}, -1, 'u', {}{}", table.values(id, *before), number, tail);
      if (after != nullptr)
        table.sent_changes += fmt::format("({}, 1, 'i', {}{}", table.values(id, *after), number, tail);
      table.sent_rows += fmt::format("({}, {}, {}{}", table.values(id, after != nullptr ? *after : Row{}),
                                     number, after == nullptr ? 1 : 0, tail);
    };
    uint64_t action = below(10);
    if (table.rows.empty() || action < 5) {
      int id = ++table.last_id;
      table.rows[id] = random_row(exposure);
      emit(id, nullptr, &table.rows[id]);
      return;
    }
    auto found = std::next(table.rows.begin(), static_cast<ptrdiff_t>(below(table.rows.size())));
    Row before = found->second;
    if (action < 8) {
      found->second = random_row(exposure);
      if (below(2) == 0) found->second.unit = before.unit;
      emit(found->first, &before, &found->second);
      return;
    }
    emit(found->first, &before, nullptr);
    table.rows.erase(found);
  }

  uint64_t models_version() { return ++version_; }

  void send(Table& table) {
    if (table.sent_rows.empty()) return;
    run(fmt::format("INSERT INTO bronze.{}__changes VALUES {}", table.name, table.sent_changes));
    run(fmt::format("INSERT INTO bronze.{} VALUES {}", table.name, table.sent_rows));
    table.sent_rows.clear();
    table.sent_changes.clear();
  }

  void cut(int changes) {
    ++cut_;
    for (int number = 0; number < changes; ++number) {
      if (below(4) == 0)
        change(seen_, true);
      else
        change(events_[below(2)], false);
    }
    send(seen_);
    for (Table& table : events_) send(table);
    auto done =
        runtime_->after_cut(client_, cut_, make_version(1, cut_, 0), {"seen", "events", "more_events"});
    ASSERT_TRUE(done) << done.error().describe();
  }

  static void expect_near(double left, double right, const std::string& where) {
    EXPECT_NEAR(left, right, 1e-9 * std::max(1.0, std::abs(right))) << where;
  }

  static void expect_same(const MetricSums& kept, const MetricSums& anew, const std::string& level) {
    std::string where = kept.metric->name + " " + level;
    ASSERT_EQ(kept.arms.size(), anew.arms.size());
    for (size_t arm = 0; arm < kept.arms.size(); ++arm) {
      EXPECT_EQ(kept.arms[arm].units, anew.arms[arm].units) << where;
      for (Variable left : variables_of(kept.shape)) {
        expect_near(kept.arms[arm].sum[left], anew.arms[arm].sum[left], where);
        for (Variable right : variables_of(kept.shape))
          expect_near(kept.arms[arm].products[left][right], anew.arms[arm].products[left][right], where);
      }
    }
    EXPECT_EQ(kept.cap, anew.cap) << where;
    ASSERT_EQ(kept.quantiles.size(), anew.quantiles.size());
    for (size_t arm = 0; arm < kept.quantiles.size(); ++arm) {
      EXPECT_EQ(kept.quantiles[arm].lower, anew.quantiles[arm].lower) << where;
      EXPECT_EQ(kept.quantiles[arm].quantile, anew.quantiles[arm].quantile) << where;
      EXPECT_EQ(kept.quantiles[arm].upper, anew.quantiles[arm].upper) << where;
    }
  }

  // Asks both; what was kept says how it was come by.
  KeptExperiments::Answer ask() {
    SumsOptions options{.at_us = now_us_, .exposures = {}, .dimensions = {"country"}};
    auto kept = kept_->sums(client_, experiment(), metrics_, options);
    EXPECT_TRUE(kept) << kept.error().describe();
    options.exposures = exposures_relation(experiment());
    auto anew = read_sums(client_, experiment(), metrics_, options);
    EXPECT_TRUE(anew) << anew.error().describe();
    if (!kept || !anew) return {};
    EXPECT_TRUE(kept->kept);
    const Counters &left = kept->sums.counters, &right = anew->counters;
    EXPECT_EQ(left.units, right.units);
    EXPECT_EQ(std::tie(left.multiple, left.unknown, left.seen, left.first_us, left.last_us, left.units_a_day),
              std::tie(right.multiple, right.unknown, right.seen, right.first_us, right.last_us,
                       right.units_a_day));
    EXPECT_EQ(kept->sums.metrics.size(), anew->metrics.size());
    for (size_t index = 0; index < anew->metrics.size(); ++index)
      expect_same(kept->sums.metrics[index], anew->metrics[index], "all");
    const auto &levels = kept->sums.dimensions[0].levels, &other = anew->dimensions[0].levels;
    EXPECT_EQ(levels.size(), other.size());
    for (size_t level = 0; level < std::min(levels.size(), other.size()); ++level) {
      EXPECT_EQ(levels[level].level, other[level].level);
      EXPECT_EQ(levels[level].units, other[level].units);
      for (size_t index = 0; index < other[level].metrics.size(); ++index)
        expect_same(levels[level].metrics[index], other[level].metrics[index], levels[level].level);
    }
    return std::move(*kept);
  }

  std::mt19937_64 random_;
  int64_t now_us_ = start_us + 5 * 24 * hour_us;
  uint64_t cut_ = 0, version_ = 0;
  Table seen_;
  std::vector<Table> events_;
  ExperimentFiles files_;
  std::vector<const Metric*> metrics_;
  models::CompiledModels models_;
  std::unique_ptr<KeptExperiments> kept_;
  std::unique_ptr<models::Runtime> runtime_;
};

TEST_F(KeptUnitsTest, are_those_that_are_read_anew) {
  cut(300);
  EXPECT_TRUE(ask().made_anew);
  EXPECT_EQ(ask().recomputed, 0u) << "nothing has changed";
  int followed = 0;
  for (int number = 0; number < 10 && !HasFailure(); ++number) {
    SCOPED_TRACE(fmt::format("cut {}", cut_ + 1));
    for (uint64_t cuts = below(3); cuts > 0; --cuts) cut(1 + static_cast<int>(below(8)));
    if (below(2) == 0) now_us_ += static_cast<int64_t>(below(20)) * hour_us;
    auto answer = ask();
    followed += !answer.made_anew && answer.recomputed > 0;
    if (number == 4) {
      // Its list of what cuts touch is gone, as after a disk that failed: the cut goes on, the answer is
      // right.
      Block lists = *client_.query(
          "SELECT name FROM system.tables WHERE database = 'tidemark_experiments' AND "
          "startsWith(name, 'kept_') AND endsWith(name, 'touched')");
      for (size_t row = 0; row < lists.rows(); ++row)
        run("DROP TABLE tidemark_experiments.`" + std::string(lists.columns[0].text(row)) + "` SYNC");
      cut(5);
      EXPECT_TRUE(ask().made_anew);
    }
    if (number == 7) {
      begin();
      EXPECT_TRUE(ask().made_anew);
    }
  }
  EXPECT_GT(followed, 3);
  // The past is read for its question.
  now_us_ -= 24 * hour_us;
  auto past =
      kept_->sums(client_, experiment(), metrics_, {.at_us = now_us_, .exposures = {}, .dimensions = {}});
  ASSERT_TRUE(past);
  EXPECT_FALSE(past->kept);
  kept_.reset();
  ASSERT_TRUE(drop_kept_units(client_));
  EXPECT_EQ(text("SELECT count() FROM system.tables WHERE database = 'tidemark_experiments' AND name LIKE "
                 "'%units\\_of%'"),
            "0\n");
}

TEST(WatchedUnits, what_does_not_follow_from_rows_is_not_followed) {
  auto followed = [](const std::string& where) {
    auto texts = metric_files;
    texts.emplace_back(
        "metrics/odd.yaml",
        "metric: odd\nkind: count\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: \"" + where + "\"\n");
    std::string file = experiment_file("exclude");
    file.replace(file.find("[bought"), 7, "[odd, bought");
    texts.emplace_back("experiments/checkout.yaml", file);
    ExperimentFiles files = read_experiments(texts);
    EXPECT_TRUE(files.errors.empty()) << config::render(files.errors);
    return watched_by(files.experiments[0], metrics_of(files, files.experiments[0])).has_value();
  };
  EXPECT_TRUE(followed("event = 'now() buy' AND known"));
  EXPECT_FALSE(followed("at > now() - 100"));
  EXPECT_FALSE(followed("dictGet('users', 'plan', unit) = 'pro'"));
  EXPECT_FALSE(followed("unit IN (SELECT unit FROM bronze.friends)"));
}

}  // namespace
}  // namespace tidemark::experiments
