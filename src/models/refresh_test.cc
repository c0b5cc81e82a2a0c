// Refresh models on a real ClickHouse: compile, first fill, runs, failures, what readers see meanwhile.
#include "base/limits.h"
#include "models/refresh_service.h"
#include "models/test_warehouse.h"

#include <gmock/gmock.h>
#include <thread>

namespace tidemark::models {
namespace {

using testing::HasSubstr;

config::ModelFile refresh_file(const std::string& name, const std::string& sql, bool on_change = true,
                               int64_t every_seconds = 0) {
  config::ModelFile file = model_file(name, "refresh", sql);
  file.on_change = on_change;
  file.every_seconds = every_seconds;
  file.not_more_often_seconds = 0;
  return file;
}

class RefreshTest : public ModelsTest {
 protected:
  RefreshTest() : pool_(clickhouse::TestServer::shared().endpoint(), 6) {}

  RefreshRun refresh(const CompiledModel& model, const RefreshHooks& hooks = {}) {
    EXPECT_TRUE(prepare_refresh_facts(client_));
    auto run = run_refresh(pool_, model, hooks, system_clock(), stop_);
    EXPECT_TRUE(run) << run.error().describe();
    return run ? *run : RefreshRun{};
  }

  std::string refusal(const config::ModelFile& file, std::vector<config::ModelFile> others = {}) {
    others.push_back(file);
    Compilation compilation = compiled(others);
    return config::render(compilation.errors);
  }

  clickhouse::ClientPool pool_;
  std::atomic<bool> stop_{false};
};

TEST_F(RefreshTest, AnythingSelectCanDoEqualsItsRecompute) {
  Stream stream(client_, 7);
  stream.cut(200);
  CompiledModels models = good({
      refresh_file(
          "analytics.ranked",
          "WITH totals AS (SELECT shop, sum(price) AS total, uniqExact(buyer) AS buyers FROM bronze.orders "
          "GROUP BY shop) SELECT shop, total, buyers, rank() OVER (ORDER BY total DESC, shop) AS place FROM "
          "totals ORDER BY place LIMIT 4"),
      refresh_file("analytics.seen",
                   "SELECT DISTINCT o.shop, s.name, now() > o.at AS past, today() AS day, "
                   "now64(3) AS moment, now('Asia/Tokyo') AS there FROM bronze.orders AS o LEFT "
                   "JOIN bronze.shops AS s ON o.shop = s.shop",
                   false, 60),
      refresh_file(
          "analytics.on_top",
          "SELECT count() AS shops, max(r.total) AS most, (SELECT min(day) FROM analytics.seen) AS day "
          "FROM analytics.ranked AS r"),
      model_file("analytics.read", "view", "SELECT place, total FROM analytics.ranked WHERE place = 1"),
  });
  apply(models);
  verify(models, "first fill");
  for (int round = 0; round < 4; ++round) {
    stream.cut(60);
    for (const auto& model : models.models)
      if (model.kind == ModelKind::refresh) {
        RefreshRun run = refresh(model);
        EXPECT_EQ(std::to_string(run.rows) + "\n", text("SELECT count() FROM " + model.name));
        EXPECT_EQ(run.bytes > 0, run.rows > 0);
      }
    verify(models, "round " + std::to_string(round));
  }
  EXPECT_EQ(models.find("analytics.read")->refresh_models, std::set<std::string>{"analytics.ranked"});
  EXPECT_TRUE(models.find("analytics.read")->immediate_tables.empty());
  EXPECT_EQ(models.find("analytics.read")->tables_in_depth, std::set<std::string>{"bronze.orders"});
}

TEST_F(RefreshTest, VerifyTellsAStaleOrWrongResult) {
  Stream stream(client_, 8);
  stream.cut(100);
  CompiledModels models =
      good({refresh_file("analytics.a", "SELECT shop, count() AS orders FROM bronze.orders GROUP BY shop")});
  apply(models);
  const CompiledModel& model = models.models[0];
  run("ALTER TABLE " + model.store + " UPDATE orders = orders + 1 WHERE shop = 1", {{"mutations_sync", "2"}});
  auto parity = verify_model(client_, model);
  ASSERT_TRUE(parity);
  EXPECT_EQ(parity->different, 1u);
  refresh(model);
  verify(models, "mended");
}

TEST_F(RefreshTest, ReadersNeverSeeAnEmptyOrPartialResult) {
  run("INSERT INTO bronze.orders SELECT number, number % 50, NULL, 1, 1, NULL, 0, true, 1, 0, 1, 0, 0, 1 "
      "FROM "
      "numbers(60000)");
  CompiledModels models =
      good({refresh_file("analytics.a",
                         "SELECT id, shop, sum(units) OVER (PARTITION BY shop) AS units FROM "
                         "bronze.orders")});
  apply(models);
  std::atomic<bool> done{false};
  std::atomic<int> reads{0};
  std::thread reader([&] {
    auto lease = pool_.lease();
    while (!done) {
      auto answer = lease->query_text("SELECT count(), sum(units) FROM analytics.a");
      ASSERT_TRUE(answer) << answer.error().describe();
      ASSERT_EQ(*answer, "60000\t72000000\n");
      ++reads;
    }
  });
  for (int round = 0; round < 8; ++round) refresh(models.models[0]);
  done = true;
  reader.join();
  EXPECT_GT(reads, 8);
}

TEST_F(RefreshTest, AFailedRunKeepsTheResultAndSaysWhy) {
  Stream stream(client_, 9);
  stream.cut(50);
  CompiledModels models = good({refresh_file(
      "analytics.a",
      "SELECT shop, throwIf(shop = 77, 'seventy seven') AS bad FROM bronze.orders GROUP BY shop")});
  apply(models);
  std::string before = text("SELECT * FROM analytics.a ORDER BY ALL");
  run("INSERT INTO bronze.orders (id, shop, _version) VALUES (100000, 77, 1)");
  ASSERT_TRUE(prepare_refresh_facts(client_));
  auto failed = run_refresh(pool_, models.models[0], {}, system_clock(), stop_);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("seventy seven"));
  EXPECT_EQ(text("SELECT * FROM analytics.a ORDER BY ALL"), before);
  EXPECT_THAT(text("SELECT model, error FROM tidemark.refreshes"), HasSubstr("seventy seven"));
  EXPECT_FALSE(*last_refresh(client_, models.models[0]));
  run("INSERT INTO bronze.orders (id, shop, _version, _deleted) VALUES (100000, 77, 2, 1)");
  // What the audit of a result refuses is not shown either.
  auto refused = run_refresh(pool_, models.models[0],
                             {.before_swap = [&](const CompiledModel&, const std::string& table) -> Status {
                               EXPECT_EQ(text("SELECT count() > 0 FROM " + table), "1\n");
                               return fail(ErrorKind::verification, "not this one");
                             }},
                             system_clock(), stop_);
  EXPECT_FALSE(refused);
  run("INSERT INTO bronze.orders (id, shop, _version) VALUES (100001, 5, 1)");
  refresh(models.models[0]);
  verify(models, "after the failures");
  EXPECT_TRUE(*last_refresh(client_, models.models[0]));
}

TEST_F(RefreshTest, MemoryIsBounded) {
  CompiledModels models = good({refresh_file(
      "analytics.a",
      "SELECT groupArray(repeat('x', 2000)) AS all_of_it FROM numbers(1000000) WHERE (SELECT count() "
      "FROM bronze.orders) >= 0")});
  // The first fill is apply's and has apply's bounds; make the tables without it.
  run("CREATE DATABASE IF NOT EXISTS analytics");
  for (const auto& statement : models.models[0].create_statements) run(statement);
  ASSERT_TRUE(prepare_refresh_facts(client_));
  auto failed = run_refresh(pool_, models.models[0], {}, system_clock(), stop_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::limit) << failed.error().describe();
}

TEST_F(RefreshTest, ARunHoldsWhatItReadsAtTheFence) {
  run("INSERT INTO bronze.orders (id, shop, _version) SELECT number, 1, 1 FROM numbers(1000)");
  run("INSERT INTO bronze.shops (shop, _version) SELECT number, 1 FROM numbers(1000)");
  // Slow to read; both tables must be of the moment at which the cuts went on.
  CompiledModels models = good({refresh_file(
      "analytics.a",
      "SELECT o.n AS orders, s.n AS shops FROM (SELECT count() + ignore(sum(sleepEachRow(0.0005))) AS n FROM "
      "bronze.orders) AS o CROSS JOIN (SELECT count() AS n FROM bronze.shops) AS s")});
  apply(models);
  bool began = false;
  RefreshRun run_facts = refresh(
      models.models[0], {.at_fence = [&](const std::function<Status()>& action) -> Status {
        Status done = action();
        began = true;
        // A cut of both tables right behind the fence.
        run("INSERT INTO bronze.shops (shop, _version) SELECT number + 5000, 1 FROM numbers(500)");
        run("INSERT INTO bronze.orders (id, shop, _version) SELECT number + 5000, 1, 1 FROM numbers(500)");
        return done;
      }});
  EXPECT_TRUE(began);
  EXPECT_EQ(text("SELECT * FROM analytics.a"), "1000\t1000\n");
}

TEST_F(RefreshTest, TrapsAreNamed) {
  EXPECT_THAT(
      refusal(refresh_file("analytics.a", "SELECT id, rand() AS r\nFROM bronze.orders")),
      testing::AllOf(HasSubstr("models/analytics/a.sql:1:12"), HasSubstr("another answer each time")));
  EXPECT_THAT(refusal(refresh_file("analytics.a", "SELECT id,\n now() AS n FROM bronze.orders")),
              testing::AllOf(HasSubstr("a.sql:2:2"), HasSubstr("only on change"), HasSubstr("-- every: 1m")));
  EXPECT_THAT(refusal(refresh_file("analytics.a", "SELECT id FROM bronze.orders LIMIT 5")),
              testing::AllOf(HasSubstr("a.sql:1:30"), HasSubstr("LIMIT without ORDER BY")));
  EXPECT_THAT(refusal(refresh_file("analytics.a", "SELECT n FROM analytics.v"),
                      {model_file("analytics.v", "view", "SELECT now() AS n, id FROM bronze.orders")}),
              HasSubstr("a view that this model reads calls now()"));
  config::ModelFile up =
      refresh_file("analytics.up", "SELECT shop, count() AS c FROM bronze.orders GROUP BY shop");
  config::ModelFile view = model_file("analytics.v", "view", "SELECT shop, c FROM analytics.up");
  EXPECT_THAT(refusal(model_file("analytics.k", "keyed",
                                 "SELECT shop, sum(c) AS c FROM\nanalytics.v GROUP BY shop", {"shop"}),
                      {up, view}),
              testing::AllOf(HasSubstr("k.sql:1"), HasSubstr("analytics.up is a refresh model"),
                             HasSubstr("no change rows"), HasSubstr("kind: refresh")));
  EXPECT_THAT(refusal(model_file("analytics.i", "incremental",
                                 "SELECT shop, sum(c) AS c\nFROM analytics.up GROUP BY shop"),
                      {up}),
              testing::AllOf(HasSubstr("i.sql:2:6"), HasSubstr("analytics.up is a refresh model")));
  config::ModelFile keyed_badly = up;
  keyed_badly.key = {"shopp"};
  EXPECT_THAT(refusal(keyed_badly), HasSubstr("did you mean `shop`"));
}

TEST_F(RefreshTest, TheServiceRunsChainsInOrderAndAnswersTickets) {
  Stream stream(client_, 11);
  stream.cut(80);
  CompiledModels models = good({
      refresh_file("analytics.a", "SELECT shop, count() AS orders FROM bronze.orders GROUP BY shop"),
      refresh_file("analytics.b", "SELECT max(orders) AS most FROM analytics.a"),
  });
  apply(models);
  std::atomic<bool> copied{false};
  RefreshService service(pool_, system_clock(), {}, [&](const std::set<std::string>& tables) {
    EXPECT_EQ(tables, std::set<std::string>{"bronze.orders"});
    return copied.load();
  });
  ASSERT_TRUE(service.replace(models));
  service.start();
  EXPECT_FALSE(service.status("analytics.b")->last);
  EXPECT_FALSE(service.ask("analytics.c"));
  copied = true;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  auto until = [&](const std::function<bool()>& condition) {
    bool holds = condition();
    while (!holds && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      holds = condition();
    }
    ASSERT_TRUE(holds);
  };
  until([&] { return service.status("analytics.b")->last.has_value(); });
  for (int round = 0; round < 5; ++round) {
    stream.cut(40);
    service.on_cut({"bronze.orders"});
    until([&] {
      // In this order: when a is done, b is stale in the same moment.
      auto a = service.status("analytics.a"), b = service.status("analytics.b");
      return a->stale_since == 0 && b->stale_since == 0 && a->state == "live" && b->state == "live";
    });
    verify(models, "round " + std::to_string(round));
  }
  auto first = service.ask("analytics.a"), second = service.ask("analytics.a");
  ASSERT_TRUE(first && second);
  auto answered = service.answer("analytics.a", *second);
  ASSERT_TRUE(answered) << answered.error().describe();
  EXPECT_GE(service.status("analytics.a")->answered, *second);

  // A failure shows, is retried, and ends.
  run("RENAME TABLE bronze.orders TO bronze.gone");
  auto ticket = service.ask("analytics.a");
  ASSERT_TRUE(ticket);
  auto failed = service.answer("analytics.a", *ticket);
  ASSERT_FALSE(failed);
  EXPECT_EQ(service.status("analytics.a")->state, "failed");
  EXPECT_THAT(service.status("analytics.a")->error, HasSubstr("orders"));
  EXPECT_GE(service.status("analytics.a")->failed_runs, 1u);
  run("RENAME TABLE bronze.gone TO bronze.orders");
  until([&] { return service.status("analytics.a")->state == "live"; });

  // New models while it runs.
  CompiledModels fewer =
      good({refresh_file("analytics.a", "SELECT shop, count() AS orders FROM bronze.orders GROUP BY shop")});
  ASSERT_TRUE(service.replace(fewer));
  EXPECT_FALSE(service.status("analytics.b"));
  EXPECT_TRUE(service.status("analytics.a")->last);
  service.stop();
}

TEST_F(RefreshTest, StopEndsARunUnderWay) {
  run("INSERT INTO bronze.orders (id, shop, _version) SELECT number, 1, 1 FROM numbers(100)");
  CompiledModels models = good({refresh_file(
      "analytics.slow",
      "SELECT sum(sleepEachRow(0.01)) AS nothing FROM bronze.orders CROSS JOIN numbers(300) AS n")});
  run("CREATE DATABASE IF NOT EXISTS analytics");
  for (const auto& statement : models.models[0].create_statements) run(statement);
  RefreshService service(pool_, system_clock(), {}, {});
  ASSERT_TRUE(service.replace(models));
  service.start();
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (text("SELECT count() FROM system.processes WHERE query_id LIKE 'refresh %'") == "0\n" &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  auto before = std::chrono::steady_clock::now();
  service.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
  EXPECT_EQ(text("SELECT count() FROM system.processes WHERE query_id LIKE 'refresh %'"), "0\n");
}

}  // namespace
}  // namespace tidemark::models
