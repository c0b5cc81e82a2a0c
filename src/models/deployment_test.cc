// Models changed while cuts arrive, and deployments that are abandoned at every step they take.
#include "models/deployment.h"

#include "base/clock.h"
#include "models/rollback.h"
#include "models/test_warehouse.h"

#include <cstdlib>
#include <gmock/gmock.h>

namespace tidemark::models {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

struct Killed {};

std::vector<config::ModelFile> before() {
  auto by_day =
      model_file("analytics.by_day", "incremental",
                 "SELECT toDate(at) AS day, shop, count() AS orders FROM bronze.orders GROUP BY day, shop");
  by_day.partition_by = "toYYYYMM(day)";
  return {
      model_file("analytics.by_shop", "incremental",
                 "SELECT shop, count() AS orders, sum(price) AS spent FROM bronze.orders GROUP BY shop"),
      by_day,
      model_file("analytics.facts", "incremental", "SELECT id, shop, price FROM bronze.orders WHERE paid",
                 {"id"}),
      model_file(
          "analytics.best", "keyed",
          "SELECT shop, max(price) AS highest, uniqExact(buyer) AS buyers FROM bronze.orders GROUP BY shop",
          {"shop"}),
      model_file(
          "analytics.report", "view",
          "SELECT f.shop AS shop, f.orders AS orders, b.highest AS highest FROM analytics.by_shop AS f LEFT "
          "JOIN analytics.best AS b ON b.shop = f.shop")};
}

// Each of them otherwise.
std::vector<config::ModelFile> after() {
  auto files = before();
  files[0].sql =
      "SELECT shop, count() AS orders, sum(price) AS spent, sum(units) AS units FROM bronze.orders GROUP BY "
      "shop";
  files[1].sql =
      "SELECT toDate(at) AS day, shop, count() AS orders, sum(price) AS spent FROM bronze.orders GROUP BY "
      "day, shop";
  files[2].sql = "SELECT id, shop, price, units FROM bronze.orders WHERE NOT paid";
  files[3].sql =
      "SELECT shop, min(price) AS highest, uniqExact(buyer) AS buyers FROM bronze.orders GROUP BY shop";
  files[4].sql =
      "SELECT f.shop AS shop, f.units AS orders, b.highest AS highest FROM analytics.by_shop AS f LEFT JOIN "
      "analytics.best AS b ON b.shop = f.shop";
  return files;
}

// What a running project does with models: one source whose cuts come whenever a deployment gives way.
class Running {
 public:
  Running(clickhouse::Client& client, Stream& stream) : client_(client), stream_(stream) {}

  void cut(int changes) {
    Version version = stream_.cut(changes);
    auto runtime = Runtime(attended_);
    auto done = runtime.after_cut(client_, stream_.number(), version, {"orders", "shops"});
    ASSERT_TRUE(done) << done.error().describe();
  }
  void start(CompiledModels models) { attended_ = std::move(models); }

  ApplyOptions options(const std::function<void()>& event) {
    // In continuous integration fewer and larger chunks, which are much alike.
    ApplyOptions options{.chunk_rows = std::getenv("CI") != nullptr ? 120U : 50U};
    options.hooks.at_barrier = [event](const std::function<Status()>& action) {
      event();
      return action();
    };
    options.hooks.take_on = [this](const std::vector<CompiledModel>& models) {
      for (const auto& model : models) attended_.models.push_back(model);
    };
    options.hooks.leave = [this](const std::vector<std::string>& physical, const std::vector<std::string>&) {
      std::erase_if(attended_.models, [&](const auto& model) {
        return std::find(physical.begin(), physical.end(), model.store) != physical.end();
      });
    };
    options.hooks.promoted = [event](const CompiledModels&) { event(); };
    options.hooks.breathe = event;
    options.progress = [event](const ApplyProgress&) { event(); };
    return options;
  }

 private:
  clickhouse::Client& client_;
  Stream& stream_;
  CompiledModels attended_;
};

class DeploymentTest : public ModelsTest {
 protected:
  Status deploy(const std::vector<config::ModelFile>& files, const ApplyOptions& options) {
    CompiledModels models = good(files);
    Plan plan = TRY(compute_plan(client_, models));
    return apply_plan(client_, models, plan, options);
  }

  void nothing_left_over() {
    EXPECT_EQ(
        text(
            "SELECT name FROM system.tables WHERE startsWith(name, 'snapshot_') OR endsWith(name, '__fill')"),
        "");
    EXPECT_EQ(
        text(
            "SELECT model, state FROM (SELECT * FROM tidemark.models ORDER BY version DESC LIMIT 1 BY model, "
            "fingerprint, generation) WHERE state NOT IN ('active', 'retired', 'dropped')"),
        "");
  }
};

TEST_F(DeploymentTest, ReadersSeeTheOldOrTheNewExactlyWhileCutsArrive) {
  Stream stream(client_, test_seed());
  Running running(client_, stream);
  for (int number = 0; number < 8; ++number) stream.cut(60);
  ASSERT_NO_FATAL_FAILURE(apply(good(before())));
  CompiledModels old = good(before()), changed = good(after());
  running.start(old);
  int old_seen = 0, new_seen = 0;
  auto done = deploy(after(), running.options([&] {
    running.cut(25);
    // Each public view is that of one definition or the other, whole and up to this cut.
    for (const auto& model : old.models) {
      const CompiledModel& next = *changed.find(model.name);
      auto columns = clickhouse::table_columns(client_, model.file.database, model.file.name);
      ASSERT_TRUE(columns);
      auto same = [&](const CompiledModel& one) {
        auto parity = verify_model(client_, one);
        return parity && parity->different == 0;
      };
      bool is_old = same(model), is_new = !is_old && same(next);
      EXPECT_TRUE(is_old || is_new) << model.name;
      old_seen += is_old;
      new_seen += is_new;
    }
  }));
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_GT(old_seen, 20);
  running.cut(50);
  CompiledModels now = good(after());
  verify(now, "promoted");
  EXPECT_TRUE(compute_plan(client_, now)->empty());
  EXPECT_GT(
      std::stoi(text("SELECT uniqExact(chunk) FROM tidemark.backfills WHERE model = 'analytics.by_shop'")), 2)
      << text("SELECT * FROM tidemark.backfills ORDER BY at");
  nothing_left_over();

  // The version before has been fed all the time.
  auto report = rollback(client_, "analytics.by_shop");
  ASSERT_TRUE(report) << report.error().describe();
  EXPECT_EQ(*report, (std::vector<std::string>{"analytics.by_shop", "analytics.report"}));
  EXPECT_EQ(text("SELECT sum(orders) FROM analytics.report"),
            text("SELECT count() FROM bronze.orders__current"));
  ASSERT_TRUE(rollback(client_, "analytics.by_shop")) << "forward again";
  EXPECT_EQ(verify_model(client_, *changed.find("analytics.by_shop"))->different, 0u);
  for (const char* model : {"analytics.by_shop", "analytics.by_day", "analytics.facts", "analytics.best"}) {
    auto back = rollback(client_, model);
    ASSERT_TRUE(back) << model << ": " << back.error().describe();
    auto parity = verify_model(client_, *old.find(model));
    ASSERT_TRUE(parity);
    EXPECT_EQ(parity->different, 0u) << model;
    running.cut(20);
    EXPECT_EQ(verify_model(client_, *old.find(model))->different, 0u) << model;
  }
  EXPECT_FALSE(compute_plan(client_, now)->empty());
}

TEST_F(DeploymentTest, ViewsGoBackWithTheViewsTheyHold) {
  Stream stream(client_, test_seed());
  stream.cut(50);
  auto files = [&](const std::string& condition, int factor) {
    return std::vector{
        model_file("analytics.paid", "view", "SELECT id, shop, price FROM bronze.orders WHERE " + condition),
        model_file(
            "analytics.sums", "incremental",
            fmt::format("SELECT shop, sum(price * {}) AS spent FROM analytics.paid GROUP BY shop", factor)),
        model_file("analytics.total", "view", "SELECT count() AS orders FROM analytics.paid")};
  };
  ASSERT_NO_FATAL_FAILURE(apply(good(files("paid", 1))));
  Running running(client_, stream);
  running.start(good(files("paid", 1)));
  ASSERT_TRUE(deploy(files("NOT paid", 1), running.options([] {})));
  auto back = rollback(client_, "analytics.paid");
  ASSERT_TRUE(back) << back.error().describe();
  EXPECT_THAT(*back, UnorderedElementsAre("analytics.paid", "analytics.sums", "analytics.total"));
  running.cut(30);
  for (const auto& model : good(files("paid", 1)).models)
    EXPECT_EQ(verify_model(client_, model)->different, 0u) << model.name;
  ASSERT_TRUE(rollback(client_, "analytics.paid")) << "forward again";
  for (const auto& model : good(files("NOT paid", 1)).models)
    EXPECT_EQ(verify_model(client_, model)->different, 0u) << model.name;

  // What was changed by itself afterwards would not fit any more.
  ASSERT_TRUE(deploy(files("NOT paid", 2), running.options([] {})));
  back = rollback(client_, "analytics.paid");
  ASSERT_FALSE(back);
  EXPECT_THAT(back.error().message,
              HasSubstr("analytics.sums reads analytics.paid and was changed after it"));

  // A day later nothing is kept.
  CompiledModels none;
  Plan nothing;
  ApplyOptions options = running.options([] {});
  Deployment expiry(client_, none, nothing, options);
  ASSERT_TRUE(expiry.drop_retired(system_clock().wall_micros() - 60'000'000));
  EXPECT_NE(text("SELECT count() FROM tidemark.models WHERE state = 'retired'"), "0\n");
  ASSERT_TRUE(expiry.drop_retired(system_clock().wall_micros() + 1));
  nothing_left_over();
  back = rollback(client_, "analytics.sums");
  ASSERT_FALSE(back);
  EXPECT_THAT(back.error().message, HasSubstr("no version before"));
  running.cut(30);
  for (const auto& model : good(files("NOT paid", 2)).models)
    EXPECT_EQ(verify_model(client_, model)->different, 0u) << model.name;
}

// Definitions that no round before had.
std::vector<config::ModelFile> of_round(int round) {
  auto files = before();
  files[0].sql = fmt::format(
      "SELECT shop, count() AS orders, sum(price) AS spent, sum(units * {}) AS units FROM bronze.orders "
      "GROUP BY shop",
      round + 2);
  files[1].sql = fmt::format(
      "SELECT toDate(at) AS day, shop, count() AS orders, sum(price * {}) AS spent FROM bronze.orders GROUP "
      "BY day, shop",
      round + 2);
  files[2].sql = fmt::format("SELECT id, shop, price FROM bronze.orders WHERE paid AND id != {}", round + 3);
  files[3].sql = fmt::format(
      "SELECT shop, max(price) AS highest, uniqExact(units + {}) AS buyers FROM bronze.orders GROUP BY shop",
      round + 2);
  return files;
}

TEST_F(DeploymentTest, AbandonedAtAnyStepTheNextOneGoesOn) {
  Stream stream(client_, test_seed());
  for (int number = 0; number < 6; ++number) stream.cut(40);
  ASSERT_NO_FATAL_FAILURE(apply(good(before())));
  auto current = before();
  int killed = 0, resumed = 0, step = 0;
  for (int round = 0; round < 100; ++round) {
    Running running(client_, stream);
    running.start(good(current));
    current = of_round(round);
    int events = 0;
    bool died = false;
    try {
      auto done = deploy(current, running.options([&] {
        if (events++ == step) throw Killed();
        if (events % 3 == 0) running.cut(6);
      }));
      ASSERT_TRUE(done) << done.error().describe();
    } catch (const Killed&) {
      died = true;
      ++killed;
    }
    if (died) {
      resumed +=
          text(
              "SELECT count() FROM (SELECT * FROM tidemark.models ORDER BY version DESC LIMIT 1 BY model, "
              "fingerprint, generation) WHERE state = 'building'") != "0\n";
      if (round % 2 == 0) {
        // A process that starts finishes all there is before the first cut.
        auto left = prepare(client_, good(current), {}, 0);
        ASSERT_TRUE(left) << left.error().describe();
        EXPECT_TRUE(left->empty());
        running.start(good(current));
      } else {
        // The warehouse died under a process that lives on.
        running.cut(10);
        auto done = deploy(current, running.options([&] { running.cut(3); }));
        ASSERT_TRUE(done) << "step " << step << ": " << done.error().describe();
      }
      running.cut(10);
    }
    verify(good(current), fmt::format("killed at step {}", step));
    auto plan = compute_plan(client_, good(current));
    EXPECT_TRUE(plan->empty()) << plan->to_text();
    nothing_left_over();
    if (HasFailure() || !died) break;
    step += 1 + step / (std::getenv("CI") != nullptr ? 2 : 6);
  }
  EXPECT_GT(killed, 6);
  EXPECT_GT(resumed, 2);
  fmt::print("abandoned {} times, last at step {}, went on with what was built {} times\n", killed, step,
             resumed);
}

TEST_F(DeploymentTest, ARebuildStandsBesideAndTakesOver) {
  Stream stream(client_, test_seed());
  Running running(client_, stream);
  for (int number = 0; number < 4; ++number) stream.cut(60);
  ASSERT_NO_FATAL_FAILURE(apply(good(before())));
  running.start(good(before()));
  for (int round = 0; round < 2; ++round) {
    // Something that a rebuild must repair.
    run("INSERT INTO " + good(before()).find("analytics.by_shop")->store + " SELECT * FROM " +
        good(before()).find("analytics.by_shop")->store);
    CompiledModels models = good(before());
    auto plan = plan_rebuild(client_, models, "analytics.by_shop");
    ASSERT_TRUE(plan) << plan.error().describe();
    auto done = apply_plan(client_, models, *plan, running.options([&] { running.cut(10); }));
    ASSERT_TRUE(done) << done.error().describe();
    models = good(before());
    EXPECT_EQ(models.find("analytics.by_shop")->generation, static_cast<uint32_t>(round + 2));
    running.cut(10);
    verify(models, "rebuilt");
    EXPECT_TRUE(compute_plan(client_, models)->empty());
    nothing_left_over();
  }
  // One partition wrong in the store is mended, all others are taken over - also what is wrong with them.
  CompiledModels models = good(before());
  const std::string& store = models.find("analytics.by_day")->store;
  std::string month = text("SELECT max(toYYYYMM(day)) FROM " + store);
  month.pop_back();
  run("INSERT INTO " + store + " SELECT * FROM " + store + " WHERE toYYYYMM(day) = " + month);
  EXPECT_NE(verify_model(client_, *models.find("analytics.by_day"))->different, 0u);
  auto plan = plan_rebuild(client_, models, "analytics.by_day", {month});
  ASSERT_TRUE(plan) << plan.error().describe();
  auto done = apply_plan(client_, models, *plan, running.options([&] { running.cut(10); }));
  ASSERT_TRUE(done) << done.error().describe();
  verify(good(before()), "one partition rebuilt");
  running.cut(20);
  verify(good(before()), "one partition rebuilt, and followed");
  EXPECT_FALSE(plan_rebuild(client_, good(before()), "analytics.by_day", {"190001"}));
  EXPECT_FALSE(plan_rebuild(client_, good(before()), "analytics.by_shop", {month}));
  EXPECT_FALSE(plan_rebuild(client_, good(before()), "analytics.report"));
  EXPECT_FALSE(plan_rebuild(client_, good(before()), "analytics.nothing"));
}

}  // namespace
}  // namespace tidemark::models
