#include "config/project.h"
#include "models/audits.h"
#include "models/change_tables.h"
#include "models/lineage.h"
#include "models/test_warehouse.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace tidemark::models {
namespace {

std::vector<config::ModelFile> all_models() {
  std::vector<config::ModelFile> files;
  files.push_back(
      model_file("analytics.by_shop", "incremental",
                 "SELECT shop, toDate32(at) AS day, count() AS orders, countIf(paid) AS paid_orders,\n"
                 "  sum(units) AS sold, sum(price) AS revenue, sum(tip) AS tips, count(tip) AS tipped,\n"
                 "  avg(price) AS average_price, avg(tip) AS average_tip, avg(units) AS average_units,\n"
                 "  sumIf(price, paid) AS paid_revenue, sumIf(tip, units > 0) AS some_tips,\n"
                 "  avgIf(tip, paid) AS paid_tip, avgIf(price, paid) AS paid_average, sum(big) AS bigs, "
                 "avg(big) AS average_big,\n"
                 "  sum(paid) AS paid_again, countIf(tip > 0) AS positive_tips,\n"
                 "  round(sum(price) / count(), 2) AS mean, revenue - paid_revenue AS unpaid\n"
                 "FROM bronze.orders\nWHERE units != 7 -- not seven\nGROUP BY shop, day"));
  files.push_back(model_file(
      "analytics.by_buyer", "incremental",
      "SELECT o.buyer, upper(o.buyer) AS shout, count(*) AS orders, sum(o.units * 2) AS double_units\n"
      "FROM bronze.orders AS o GROUP BY o.buyer HAVING orders > 1"));
  files.push_back(
      model_file("analytics.totals", "incremental",
                 "SELECT count() AS orders, sum(price) AS revenue, avg(tip) AS tip FROM bronze.orders"));
  files.push_back(model_file("analytics.positional", "incremental",
                             "SELECT paid, count() AS orders FROM bronze.orders GROUP BY 1"));
  auto facts = model_file("analytics.facts", "incremental",
                          "SELECT id AS order_id, shop, toDate32(at) AS day, buyer, price * units AS "
                          "value\nFROM bronze.orders WHERE units > -20000",
                          {"order_id"});
  facts.partition_by = "toYYYYMM(day)";
  facts.order_by = {"shop", "day"};
  files.push_back(facts);
  files.push_back(
      model_file("analytics.extremes", "keyed",
                 "SELECT shop, min(price) AS lowest, max(price) AS highest, uniqExact(buyer) AS buyers,\n"
                 "  argMax(id, (price, id)) AS best FROM bronze.orders GROUP BY shop",
                 {"shop"}));
  files.push_back(model_file("analytics.buyer_days", "keyed",
                             "SELECT buyer, max(orders) AS busiest, min(day) AS first_day FROM\n"
                             "(SELECT buyer, toDate32(at) AS day, count() AS orders FROM bronze.orders GROUP "
                             "BY buyer, day) GROUP BY buyer",
                             {"buyer"}));
  files.push_back(model_file("analytics.month_shop", "keyed",
                             "SELECT toMonth(at) AS month, shop, quantileExact(0.5)(price) AS median FROM "
                             "bronze.orders GROUP BY month, shop",
                             {"month", "shop"}));
  files.push_back(model_file("analytics.shop_card", "keyed",
                             "SELECT shop, any(name) AS shop_name, count() AS orders FROM bronze.shops INNER "
                             "JOIN bronze.orders USING (shop) GROUP BY shop",
                             {"shop"}));
  files.push_back(model_file("analytics.over_model", "keyed",
                             "SELECT shop, max(orders) AS best_day FROM analytics.by_shop GROUP BY shop",
                             {"shop"}));
  files.push_back(model_file(
      "analytics.report", "view",
      "SELECT s.shop AS shop, s.name AS name, t.orders AS orders, t.revenue AS revenue\n"
      "FROM bronze.shops AS s LEFT JOIN (SELECT shop, sum(orders) AS orders, sum(revenue) AS revenue\n"
      "  FROM analytics.by_shop GROUP BY shop) AS t ON t.shop = s.shop"));
  files.push_back(model_file("analytics.report_of_report", "view",
                             "SELECT count() AS shops, sum(report.orders) AS orders FROM analytics.report"));
  return files;
}

TEST_F(ModelsTest, EveryModelEqualsItsRecomputeAfterEveryCut) {
  CompiledModels models = good(all_models());
  ASSERT_EQ(models.models.size(), all_models().size());
  apply(models);
  Runtime runtime(models);
  Stream stream(client_, test_seed());
  for (int round = 0; round < 12; ++round) {
    Version version = stream.cut(1 + round * 15, round % 3 == 1);
    for (int again = 0; again < 1 + round % 2; ++again) {
      auto done = runtime.after_cut(client_, stream.number(), version, {"orders", "shops"});
      ASSERT_TRUE(done) << done.error().describe();
    }
    verify(models, fmt::format("round {}", round));
    if (HasFailure()) return;
  }
  EXPECT_NE(text("SELECT count() FROM analytics.by_shop"), "0\n");
  for (const char* column : {"DESCRIBE analytics.by_shop", "DESCRIBE analytics.by_buyer"})
    EXPECT_EQ(text(column).find("SimpleAggregate"), std::string::npos);
}

TEST_F(ModelsTest, BackfillOfExistingRowsAndThenTheStream) {
  Stream stream(client_, test_seed());
  stream.cut(200);
  stream.cut(200);
  CompiledModels models = good(all_models());
  apply(models);
  verify(models, "after backfill");
  Runtime runtime(models);
  for (int round = 0; round < 3; ++round) {
    Version version = stream.cut(100);
    ASSERT_TRUE(runtime.after_cut(client_, stream.number(), version, {"bronze.orders", "bronze.shops"}));
    verify(models, fmt::format("round {}", round));
  }
}

TEST_F(ModelsTest, VerifySeesAWrongStoreAlsoThroughViews) {
  CompiledModels models = good(all_models());
  apply(models);
  Stream stream(client_, test_seed());
  stream.cut(100);
  // One row too many in every group.
  run("ALTER TABLE " + models.find("analytics.by_shop")->store + " UPDATE _rows = _rows + 1 WHERE 1",
      {{"mutations_sync", "1"}});
  for (const char* name : {"analytics.by_shop", "analytics.report", "analytics.report_of_report"}) {
    auto parity = verify_model(client_, *models.find(name));
    ASSERT_TRUE(parity);
    EXPECT_GT(parity->different, 0u) << name;
    EXPECT_FALSE(parity->examples.empty());
  }
}

TEST_F(ModelsTest, TrapsAreRefusedWithPlaceAndRemedy) {
  struct Case {
    const char* kind;
    const char* sql;
    const char* place;
    const char* message;
    const char* remedy;
    std::vector<std::string> key;
  };
  const std::vector<Case> cases = {
      {"incremental",
       "SELECT shop,\n  max(price) AS m FROM bronze.orders GROUP BY shop",
       ":2:3",
       "max()",
       "keyed",
       {}},
      {"incremental",
       "SELECT shop, uniq(buyer) AS u FROM bronze.orders GROUP BY shop",
       ":1:14",
       "uniq()",
       "keyed",
       {}},
      {"incremental",
       "SELECT shop, count(DISTINCT buyer) AS u FROM bronze.orders GROUP BY shop",
       ":1:14",
       "DISTINCT",
       "keyed",
       {}},
      {"incremental", "SELECT DISTINCT shop FROM bronze.orders", ":1:8", "DISTINCT", "GROUP BY", {}},
      {"incremental", "SELECT id, shop FROM bronze.orders\nORDER BY id", ":2:1", "ORDER BY", "view", {"id"}},
      {"incremental", "SELECT id, shop FROM bronze.orders LIMIT 5", ":1:36", "LIMIT", "view", {"id"}},
      {"incremental",
       "SELECT id, row_number() OVER (PARTITION BY shop) AS n FROM bronze.orders",
       ":1:12",
       "window",
       "view",
       {"id"}},
      {"incremental",
       "SELECT id FROM bronze.orders UNION DISTINCT SELECT shop AS id FROM bronze.shops",
       ":1:30",
       "UNION",
       "view",
       {"id"}},
      {"incremental",
       "SELECT o.id AS id FROM bronze.orders AS o RIGHT JOIN bronze.shops AS s ON s.shop = o.shop",
       ":1:43",
       "RIGHT JOIN",
       "LEFT JOIN",
       {"id"}},
      {"incremental",
       "SELECT shop, sum(weight) AS w FROM bronze.orders GROUP BY shop",
       ":1",
       "drifts",
       "Decimal",
       {}},
      {"incremental", "SELECT id, now() AS seen FROM bronze.orders", ":1:12", "now()", "view", {"id"}},
      {"incremental",
       "SELECT id FROM bronze.orders WHERE shop IN (SELECT shop FROM bronze.shops)",
       ":1:45",
       "subquery",
       "keyed",
       {"id"}},
      {"incremental", "SELECT shop, count() FROM bronze.orders GROUP BY shop", ":1:14", "no name", "AS", {}},
      {"incremental", "SELECT * FROM bronze.orders", ":1:8", "`*`", "name", {}},
      {"incremental",
       "SELECT shop, price AS p FROM bronze.orders",
       ":1:1",
       "key of bronze.orders",
       "-- key:",
       {}},
      {"incremental",
       "SELECT shop, units, count() AS n FROM bronze.orders GROUP BY shop, units % 2",
       "",
       "",
       "",
       {}},
      {"view", "SELECT id FROM bronze.order", ":1:16", "did you mean `bronze.orders`", "capture", {}},
      {"view", "SELECT id,\n  prise FROM bronze.orders", ":2:3", "prise", "", {}},
      {"view", "SELECT id,\n  count( FROM bronze.orders", ":2:", "yntax", "", {}},
      {"view", "SELECT nosuch(id) AS x FROM bronze.orders", ":1:8", "nosuch", "", {}},
      {"keyed", "SELECT shop, count() AS n FROM bronze.orders GROUP BY shop", "", "key", "-- key", {}},
      {"keyed",
       "SELECT shop, units, count() AS n FROM bronze.orders GROUP BY shop, units",
       "",
       "several rows",
       "key",
       {"shop"}},
      {"keyed",
       "SELECT shop, max(price) / (SELECT sum(price) FROM bronze.orders) AS share FROM bronze.orders GROUP "
       "BY shop",
       "",
       "other keys",
       "view",
       {"shop"}},
      {"keyed",
       "SELECT s.shop AS shop, max(o.price) AS m FROM bronze.shops AS s,\nbronze.orders AS o WHERE o.shop = "
       "s.shop GROUP BY s.shop",
       ":1:",
       "cross join",
       "USING",
       {"shop"}},
      {"keyed",
       "SELECT shop, rank() OVER (ORDER BY shop) AS r FROM bronze.orders",
       "",
       "window",
       "view",
       {"shop"}},
      {"keyed",
       "SELECT shop, max(at) > now() AS late FROM bronze.orders GROUP BY shop",
       "",
       "now()",
       "view",
       {"shop"}},
  };
  for (const auto& one : cases) {
    Compilation compilation = compiled({model_file("analytics.m", one.kind, one.sql, one.key)});
    ASSERT_FALSE(compilation.errors.empty()) << one.sql;
    std::string text = compilation.errors[0].render();
    EXPECT_NE(text.find(std::string("models/analytics/m.sql") + one.place), std::string::npos) << text;
    EXPECT_NE(text.find(one.message), std::string::npos) << one.sql << "\n" << text;
    EXPECT_NE(text.find(one.remedy), std::string::npos) << one.sql << "\n" << text;
  }
}

TEST_F(ModelsTest, CyclesAndUnknownModels) {
  Compilation circle = compiled({model_file("analytics.a", "view", "SELECT x FROM analytics.b"),
                                 model_file("analytics.b", "view", "SELECT x FROM analytics.a")});
  ASSERT_EQ(circle.errors.size(), 1u);
  EXPECT_NE(circle.errors[0].message.find("analytics.a -> analytics.b -> analytics.a"), std::string::npos);
  Compilation unknown = compiled({model_file("analytics.a", "view", "SELECT 1 AS x"),
                                  model_file("analytics.b", "view", "SELECT x FROM analytics.aa")});
  ASSERT_EQ(unknown.errors.size(), 1u);
  EXPECT_NE(unknown.errors[0].message.find("did you mean `analytics.a`"), std::string::npos)
      << unknown.errors[0].message;
}

TEST_F(ModelsTest, PlanTellsWhatChangesAndApplyIsEmptyAfter) {
  Stream stream(client_, test_seed());
  stream.cut(100);
  auto file = model_file("analytics.by_shop", "incremental",
                         "SELECT shop, count() AS orders FROM bronze.orders GROUP BY shop");
  auto reader = model_file("analytics.top", "view", "SELECT max(orders) AS most FROM analytics.by_shop");
  CompiledModels first = good({file, reader});
  auto plan = compute_plan(client_, first);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->steps.size(), 2u);
  EXPECT_EQ(plan->steps[0].change, ChangeClass::created);
  EXPECT_GT(plan->steps[0].rows, 0u);
  EXPECT_EQ(plan->steps[0].downstream, std::vector<std::string>{"analytics.top"});
  apply(first);

  // White space and comments are no change.
  file.sql = "SELECT shop, -- which\n count() AS orders\nFROM bronze.orders GROUP BY shop";
  EXPECT_TRUE(compute_plan(client_, good({file, reader}))->empty());

  file.sql = "SELECT shop, count() AS orders, sum(units) AS units FROM bronze.orders GROUP BY shop";
  CompiledModels second = good({file, reader});
  plan = compute_plan(client_, second);
  ASSERT_EQ(plan->steps.size(), 1u);
  EXPECT_EQ(plan->steps[0].change, ChangeClass::forward_only);
  apply(second);
  verify(second, "forward-only");
  // The version before is kept for rollback, and followed.
  stream.cut(50);
  EXPECT_EQ(text("SELECT sum(_rows) FROM " + first.find("analytics.by_shop")->store),
            text("SELECT sum(_rows) FROM " + second.find("analytics.by_shop")->store));

  file.sql = "SELECT shop, toInt32(count()) AS orders FROM bronze.orders GROUP BY shop";
  CompiledModels third = good({file, reader});
  plan = compute_plan(client_, third);
  EXPECT_EQ(plan->steps[0].change, ChangeClass::breaking);
  EXPECT_NE(plan->to_text().find("UInt64 -> Int32"), std::string::npos) << plan->to_text();
  EXPECT_NE(plan->to_text().find("units goes away"), std::string::npos);
  apply(third);
  verify(third, "breaking");
  auto kept = clickhouse::table_exists(client_, "analytics",
                                       first.find("analytics.by_shop")->store.substr(14).substr(0, 17));
  EXPECT_TRUE(kept && !*kept);

  CompiledModels none = good({});
  plan = compute_plan(client_, none);
  ASSERT_EQ(plan->steps.size(), 2u);
  EXPECT_TRUE(plan->destructive());
  auto refused = apply_plan(client_, none, *plan);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().remedy.find("--yes"), std::string::npos);
  apply(none, true);
  EXPECT_EQ(text("SELECT count() FROM system.tables WHERE database = 'analytics'"), "0\n");
}

// The store's own deletion takes no version of a row before the ones it hides.
TEST_F(ModelsTest, ARowThatWasMovedIntoThePastAndDeletedStaysGone) {
  auto rows = model_file("analytics.rows", "incremental", "SELECT id AS k, at FROM bronze.orders", {"k"});
  rows.ttl = "at + INTERVAL 30 DAY";
  CompiledModels models = good({rows});
  apply(models);
  auto change = [&](const std::string& at, int sign, int version) {
    return "(1, 1, NULL, 1, 1, NULL, 1, true, 1, " + at + ", " + std::to_string(sign) + ", 'u', " +
           std::to_string(version) + ", now64(6), 1)";
  };
  run("INSERT INTO bronze.orders__changes VALUES " + change("now64(6)", 1, 1));
  EXPECT_EQ(text("SELECT count() FROM analytics.rows"), "1\n");
  run("INSERT INTO bronze.orders__changes VALUES " + change("now64(6)", -1, 2) + ", " +
      change("'2001-01-01 00:00:00'", 1, 3) + ", " + change("'2001-01-01 00:00:00'", -1, 4));
  const std::string& store = models.find("analytics.rows")->store;
  if (text("SELECT create_table_query LIKE '% TTL %' FROM system.tables WHERE concat('`', database, '`.`', "
           "name, '`') = " +
           clickhouse::quote_string(store)) == "1\n")
    run("ALTER TABLE " + store + " MATERIALIZE TTL SETTINGS mutations_sync = 2");
  EXPECT_EQ(text("SELECT count() FROM analytics.rows"), "0\n");
  verify(models, "after the store deleted what it may");
}

TEST_F(ModelsTest, ApplyThatWasCutShortAnywhereIsFinishedByTheNext) {
  Stream stream(client_, test_seed());
  stream.cut(150);
  CompiledModels models = good(all_models());
  apply(models);
  // What each point of a killed apply leaves behind.
  const CompiledModel* by_shop = models.find("analytics.by_shop");
  run("INSERT INTO tidemark.models (model, fingerprint, version, state, kind, physical, columns, tables) "
      "VALUES "
      "('analytics.by_shop', '" +
      by_shop->fingerprint + "', 1000000, 'building', 'incremental', [], [], [])");
  run("INSERT INTO " + by_shop->store + " SELECT * FROM " + by_shop->store);
  run("DROP TABLE " + models.find("analytics.facts")->physical[0] + " SYNC");
  run("DROP VIEW analytics.report SYNC");
  auto plan = compute_plan(client_, models);
  ASSERT_TRUE(plan) << plan.error().describe();
  EXPECT_EQ(plan->steps.size(), 3u) << plan->to_text();
  apply(models);
  verify(models, "after repair");
  // A failing statement in the middle leaves a plan that is not empty and can be applied.
  auto file = model_file("analytics.extra", "incremental",
                         "SELECT shop, count() AS orders FROM bronze.orders GROUP BY shop");
  auto files = all_models();
  files.push_back(file);
  CompiledModels more = good(files);
  CompiledModels failing = more;
  for (auto& model : failing.models)
    if (model.name == "analytics.extra") model.view_statement = "SELECT throwIf(1)";
  plan = compute_plan(client_, failing);
  ASSERT_FALSE(apply_plan(client_, failing, *plan));
  EXPECT_EQ(compute_plan(client_, more)->steps.size(), 1u);
  apply(more);
  stream.cut(50);
  auto parity = verify_model(client_, *more.find("analytics.extra"));
  ASSERT_TRUE(parity);
  EXPECT_EQ(parity->different, 0u);
}

TEST_F(ModelsTest, AModelThatWasOutOfTheProjectIsBuiltAgain) {
  Stream stream(client_, test_seed());
  stream.cut(100);
  CompiledModels models = good(all_models());
  apply(models);
  CompiledModels without;
  ASSERT_TRUE(prepare(client_, without));
  // Nobody keeps it right meanwhile: what the stream brings now does not reach it.
  run("DROP VIEW " + models.find("analytics.by_shop")->physical.front() + " SYNC");
  stream.cut(100);
  ASSERT_TRUE(prepare(client_, models));
  verify(models, "after its return");
  EXPECT_TRUE(compute_plan(client_, models)->empty());
}

TEST_F(ModelsTest, ATableOfSomebodyElseIsNotTakenOver) {
  run("CREATE DATABASE analytics");
  run("CREATE TABLE analytics.mine (x Int32) ENGINE = Memory");
  auto plan =
      compute_plan(client_, good({model_file("analytics.mine", "view", "SELECT id FROM bronze.orders")}));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::conflict);
}

TEST_F(ModelsTest, ResetEmptiesWhatACopyFillsAgain) {
  CompiledModels models = good(all_models());
  apply(models);
  Stream stream(client_, test_seed());
  Version version = stream.cut(100);
  Runtime runtime(models);
  ASSERT_TRUE(runtime.after_cut(client_, stream.number(), version, {"orders", "shops"}));
  auto reset = reset_stores_of(client_, models, {"orders"});
  ASSERT_TRUE(reset) << reset.error().describe();
  run("TRUNCATE TABLE bronze.orders");
  EXPECT_EQ(text("SELECT count() FROM analytics.by_shop"), "0\n");
  EXPECT_EQ(text("SELECT count() FROM analytics.facts"), "0\n");
  ASSERT_TRUE(runtime.after_copy(client_, make_version(1, 50, 0), {"orders"}));
  verify(models, "after reset");
}

TEST_F(ModelsTest, LineageAndChangeTables) {
  auto files = all_models();
  EXPECT_EQ(tables_needing_changes(files), (std::set<std::string>{"orders", "shops"}));
  EXPECT_EQ(
      tables_needing_changes({files[0], model_file("analytics.v", "view", "SELECT 1 FROM bronze.shops")}),
      std::set<std::string>{"orders"});
  Lineage lineage(files);
  EXPECT_EQ(lineage.tables_of("SELECT * FROM analytics.report_of_report"),
            (std::set<std::string>{"bronze.orders", "bronze.shops"}));
  EXPECT_EQ(lineage.tables_of("SELECT 'FROM bronze.x' FROM analytics.totals, bronze.shops__current AS s"),
            (std::set<std::string>{"bronze.orders", "bronze.shops"}));
  EXPECT_TRUE(lineage.tables_of("SELECT 1").empty());
  EXPECT_TRUE(lineage.tables_of("SELECT * FROM analytics.totals, cdp.segment_membership").empty());
  EXPECT_EQ(lineage.tables_of("SELECT * FROM analytics.totals WHERE day >= {from:DateTime64(3, 'UTC')}"),
            lineage.tables_of("SELECT * FROM analytics.totals"));
}

TEST_F(ModelsTest, Audits) {
  Stream stream(client_, test_seed());
  stream.cut(200);
  auto file = model_file("analytics.facts", "view",
                         "SELECT id, buyer, shop, toString(paid) AS paid FROM bronze.orders");
  file.audits = {"unique(id)",
                 "not_null(id)",
                 "not_null(buyer)",
                 "unique(shop)",
                 "accepted_values(paid, true, false)",
                 "accepted_values(paid, 'true')",
                 "row_count(min = 1)",
                 "row_count(min = 100000)",
                 "relationships(id, bronze.orders, id)",
                 "relationships(id, bronze.shops, shop)"};
  CompiledModels models = good({file});
  apply(models);
  auto results = run_audits(client_, models);
  ASSERT_TRUE(results) << results.error().describe();
  std::vector<bool> passed;
  for (const auto& result : *results) passed.push_back(result.passed());
  EXPECT_EQ(passed, (std::vector<bool>{true, true, false, false, true, false, true, false, true, false}));
  EXPECT_FALSE((*results)[2].examples.empty());
  EXPECT_FALSE(audit_query(models.models[0], "not_nul(id)"));
  EXPECT_FALSE(audit_query(models.models[0], "unique(idd)"));
}

// The project people start from, over tables as ingest makes them from its schema.
TEST_F(ModelsTest, TheAdtechPackCompilesAppliesAndVerifies) {
  create("advertiser", "id Int32, name String, updated_at DateTime64(6), created_at DateTime64(6)",
         "id, name, updated_at, created_at", "id");
  create(
      "campaign",
      "id Int32, name String, bid Decimal(10, 2), budget Decimal(10, 2), start_date Date32, end_date Date32, "
      "advertiser_id Int32, updated_at DateTime64(6), created_at DateTime64(6)",
      "id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at", "id");
  for (const char* facts : {"impressions", "clicks"})
    create(facts, "id Int32, campaign_id Int32, created_at DateTime64(6)", "id, campaign_id, created_at",
           "id");
  auto loaded = config::load_project(TIDEMARK_SOURCE_DIR "/packs/adtech", {.offline = true});
  ASSERT_TRUE(loaded.ok()) << config::render(loaded.errors);
  CompiledModels models = good(loaded.project.models);
  ASSERT_EQ(models.models.size(), loaded.project.models.size());
  // What is described over the types of upstream models alone is what the whole SQL would give.
  for (const auto& model : models.models) {
    auto whole = clickhouse::describe_select(client_, model.recompute);
    ASSERT_TRUE(whole) << whole.error().describe();
    EXPECT_EQ(clickhouse::select_of_types(*whole), clickhouse::select_of_types(model.columns)) << model.name;
  }
  apply(models);
  const std::string tail = ", '2026-01-01 00:00:00', 1";
  run("INSERT INTO bronze.advertiser SELECT number, concat('a', toString(number)), now64(6), now64(6), 1, 0" +
      tail + " FROM numbers(5)");
  std::string campaign =
      "toInt32(number), concat('c', toString(number)), 0.25, 1000, toDate32('2026-01-01'), "
      "toDate32('2026-12-31'), "
      "toInt32(number % 5), now64(6), now64(6)";
  run("INSERT INTO bronze.campaign__changes SELECT " + campaign + ", 1, 'i', 1" + tail + " FROM numbers(20)");
  run("INSERT INTO bronze.campaign SELECT " + campaign + ", 1, 0" + tail + " FROM numbers(20)");
  for (const char* facts : {"impressions", "clicks"}) {
    std::string row =
        fmt::format("toInt32(number), toInt32(number % {}), toDateTime64('2026-01-01', 6) + number * 977",
                    facts[0] == 'c' ? 7 : 17);
    std::string from = fmt::format(" FROM numbers({})", facts[0] == 'c' ? 500 : 5000);
    run("INSERT INTO bronze." + std::string(facts) + "__changes SELECT " + row + ", 1, 'i', 1" + tail + from);
    run("INSERT INTO bronze." + std::string(facts) + " SELECT " + row + ", 1, 0" + tail + from);
  }
  Runtime runtime(models);
  auto done = runtime.after_cut(client_, 1, make_version(1, 1, 0),
                                {"advertiser", "campaign", "impressions", "clicks"});
  ASSERT_TRUE(done) << done.error().describe();
  verify(models, "adtech");
  EXPECT_EQ(text("SELECT sum(impressions), sum(clicks) FROM analytics.mv_campaign_ctr"), "5000\t500\n");
  auto audits = run_audits(client_, models);
  ASSERT_TRUE(audits) << audits.error().describe();
  for (const auto& audit : *audits) EXPECT_TRUE(audit.passed()) << audit.model << " " << audit.audit;
}

}  // namespace
}  // namespace tidemark::models
