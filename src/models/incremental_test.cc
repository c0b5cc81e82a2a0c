// Incremental models against their recompute under random streams of inserts, updates, deletes, key changes
// and changes of what they join.
#include "models/change_tables.h"
#include "models/exact_sums.h"
#include "models/incremental_feed.h"
#include "models/test_warehouse.h"

#include <cstdlib>

namespace tidemark::models {
namespace {

class IncrementalTest : public ModelsTest {
 protected:
  // Half of the rows are there before, the others come cut by cut.
  void follow(const std::vector<config::ModelFile>& files, int rounds = 5) {
    Stream stream(client_, test_seed());
    stream.cut(60);
    CompiledModels models = good(files);
    ASSERT_EQ(models.models.size(), files.size());
    apply(models);
    std::set<std::string> shown;
    auto look = [&] {
      for (const auto& model : models.models)
        if (text("SELECT count() FROM " + model.name) != "0\n") shown.insert(model.name);
    };
    verify(models, "after backfill");
    look();
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
      stream.cut(1 + round * 25, round % 2 == 1);
      verify(models, fmt::format("round {}", round));
      look();
    }
    for (const auto& model : models.models)
      EXPECT_TRUE(shown.contains(model.name)) << model.name << " never shows anything";
  }

  // The first complaint about a model.
  std::string refusal(const config::ModelFile& file, const std::vector<config::ModelFile>& others = {}) {
    auto files = others;
    files.push_back(file);
    Compilation compilation = compiled(files);
    EXPECT_FALSE(compilation.errors.empty()) << file.sql;
    return compilation.errors.empty() ? "" : compilation.errors[0].render();
  }
};

TEST_F(IncrementalTest, DimensionsAreJoinedWhenRead) {
  std::vector<config::ModelFile> files;
  files.push_back(model_file(
      "analytics.by_name", "incremental",
      "SELECT s.name AS name, toMonth(o.at) AS month, count() AS orders, sum(o.price) AS revenue, avg(o.tip) "
      "AS "
      "tip,\n"
      "  sum(o.units * length(s.name)) AS lettered, sum(o.price * toDecimal64(s.shop, 3)) AS weighted,\n"
      "  sum(o.tip * toDecimal32(s.shop, 1)) AS tips, sum(o.price / toDecimal64(s.shop + 1, 2)) AS shares,\n"
      "  avg(o.price * s.shop) AS average, countIf(s.shop > 2) AS late, countIf(o.paid AND s.shop > 1) AS "
      "paid,\n"
      "  sumIf(o.price, s.name > 'shop 4' OR o.units > 0) AS mixed, sum(s.shop) AS shops, count(o.tip) AS "
      "tipped,\n"
      "  sum(o.big * s.shop) AS wrapped, round(sum(o.price) / count(), 2) AS mean, uniqExact(s.name) AS "
      "names,\n"
      "  max(s.opened) AS opened, sum(if(o.paid, o.price, 0) * s.shop) AS paid_weighted\n"
      "FROM bronze.orders AS o INNER JOIN bronze.shops AS s ON s.shop = o.shop\n"
      "WHERE o.units != 7 AND s.name != 'shop 3' GROUP BY name, month"));
  files.push_back(
      model_file("analytics.left_using", "incremental",
                 "SELECT orders.shop, shops.name AS name, count(*) AS orders, sum(tip) AS tips FROM "
                 "bronze.orders\nLEFT JOIN bronze.shops USING (shop) GROUP BY ALL HAVING orders > 1"));
  files.push_back(
      model_file("analytics.whole", "incremental",
                 "SELECT count() AS orders, sum(price) AS revenue, sumIf(tip, s.shop = 1) AS one FROM "
                 "bronze.orders AS o LEFT ANY JOIN bronze.shops AS s ON s.shop = o.shop"));
  files.push_back(
      model_file("analytics.as_of", "incremental",
                 "SELECT o.paid AS paid, best.name AS name, sum(o.price) AS revenue FROM bronze.orders AS o\n"
                 "ASOF LEFT JOIN (SELECT shop, opened, name, shop * 2 AS double FROM bronze.shops WHERE shop "
                 "!= 3) AS best\n"
                 "  ON best.shop = o.shop AND best.opened <= toDate32(o.at) GROUP BY paid, name"));
  files.push_back(
      model_file("analytics.two_dimensions", "incremental",
                 "SELECT a.name || b.name AS names, o.paid, count() AS orders, sum(o.units * a.shop * "
                 "b.shop) AS units\nFROM bronze.orders AS o JOIN bronze.shops AS a ON a.shop = o.shop "
                 "JOIN bronze.shops AS b ON b.shop = o.shop % 3 GROUP BY names, o.paid"));
  files.push_back(
      model_file("analytics.no_match", "incremental",
                 "SELECT o.shop AS shop, count() AS orders FROM bronze.orders AS o LEFT ANTI JOIN "
                 "bronze.shops AS s ON s.shop = o.shop AND s.shop > 2 GROUP BY shop"));
  files.push_back(
      model_file("analytics.shop_names", "view", "SELECT shop, upper(name) AS name FROM bronze.shops"));
  files.push_back(model_file("analytics.over_model", "incremental",
                             "SELECT n.name AS name, count() AS orders FROM bronze.orders AS o LEFT JOIN "
                             "analytics.shop_names AS n ON n.shop = o.shop GROUP BY name"));
  auto rows =
      model_file("analytics.named_orders", "incremental",
                 "SELECT o.id AS id, o.shop AS shop, n.name AS name, o.price * n.shop AS value, 1 AS one\n"
                 "FROM bronze.orders AS o LEFT JOIN analytics.shop_names AS n ON n.shop = o.shop WHERE "
                 "o.units > -20000 AND n.name != 'SHOP 5'",
                 {"id"});
  rows.order_by = {"shop"};
  files.push_back(rows);
  follow(files);
  EXPECT_EQ(tables_needing_changes(files), std::set<std::string>{"orders"});
}

TEST_F(IncrementalTest, AJoinedTableShowsAtOnceAndDoesNotTouchTheStore) {
  run("INSERT INTO bronze.shops (shop, name, _version) VALUES (1, 'one', 1)");
  auto file =
      model_file("analytics.by_name", "incremental",
                 "SELECT s.name AS name, count() AS orders FROM bronze.orders AS o JOIN bronze.shops AS s ON "
                 "s.shop = o.shop GROUP BY name");
  CompiledModels models = good({file});
  apply(models);
  EXPECT_EQ(models.models[0].fed_by, std::set<std::string>{"bronze.orders"});
  run("INSERT INTO bronze.orders__changes (id, shop, _sign) VALUES (1, 1, 1), (2, 1, 1)");
  EXPECT_EQ(text("SELECT * FROM analytics.by_name"), "one\t2\n");
  run("INSERT INTO bronze.shops (shop, name, _version) VALUES (1, 'uno', 2)");
  EXPECT_EQ(text("SELECT * FROM analytics.by_name"), "uno\t2\n");
  // The copy of a joined table begins again: the store has nothing of it to forget.
  ASSERT_TRUE(reset_stores_of(client_, models, {"shops"}));
  EXPECT_EQ(text("SELECT * FROM analytics.by_name"), "uno\t2\n");
}

TEST_F(IncrementalTest, ProjectionsModelsAndUnionsFeedAStore) {
  std::vector<config::ModelFile> files;
  files.push_back(
      model_file("analytics.paid_orders", "view",
                 "SELECT id AS order_id, shop, price * units AS value FROM bronze.orders WHERE paid"));
  files.push_back(model_file("analytics.facts", "incremental",
                             "SELECT id AS order_id, shop AS place, tip FROM bronze.orders WHERE units != 3",
                             {"order_id"}));
  files.push_back(model_file("analytics.paid_by_shop", "incremental",
                             "SELECT p.shop AS shop, sum(p.value) AS value, count() AS orders FROM "
                             "analytics.paid_orders AS p WHERE p.value > 0 GROUP BY shop"));
  files.push_back(model_file("analytics.paid_rows", "incremental",
                             "SELECT order_id AS number, value FROM analytics.paid_orders", {"number"}));
  files.push_back(model_file("analytics.over_rows", "incremental",
                             "SELECT place, sum(tip) AS tips FROM analytics.facts GROUP BY place"));
  files.push_back(
      model_file("analytics.both", "incremental",
                 "SELECT both.shop AS shop, sum(both.price) AS price, countIf(both.kind = 'order') AS "
                 "orders, s.name AS name\n"
                 "FROM (SELECT shop, price, 'order' AS kind FROM bronze.orders WHERE paid\n"
                 "  UNION ALL SELECT shop, toDecimal32(0.5, 1), 'shop' FROM bronze.shops\n"
                 "  UNION ALL (SELECT place, toDecimal64(1, 3), 'tip' FROM analytics.facts)) AS both\n"
                 "LEFT JOIN bronze.shops AS s ON s.shop = both.shop GROUP BY shop, name"));
  files.push_back(
      model_file("analytics.all_ids", "incremental",
                 "SELECT id AS number, price AS amount FROM bronze.orders UNION ALL SELECT shop AS "
                 "number, toDecimal32(1, 1) AS amount FROM bronze.shops",
                 {"number"}));
  files.push_back(
      model_file("analytics.nested", "incremental",
                 "SELECT day, count() AS orders FROM (SELECT toDate32(at) AS day, v FROM (SELECT at, "
                 "units * 2 AS v FROM bronze.orders WHERE units > 0) WHERE v > 100) GROUP BY day"));
  follow(files);
  EXPECT_EQ(tables_needing_changes(files), (std::set<std::string>{"orders", "shops"}));
}

TEST_F(IncrementalTest, AResetOfOneFeedKeepsTheOthers) {
  Stream stream(client_, test_seed());
  stream.cut(200);
  auto file =
      model_file("analytics.both", "incremental",
                 "SELECT shop, count() AS n FROM (SELECT shop FROM bronze.orders UNION ALL SELECT shop FROM "
                 "bronze.shops) GROUP BY shop");
  CompiledModels models = good({file});
  apply(models);
  auto reset = reset_stores_of(client_, models, {"shops"});
  ASSERT_TRUE(reset) << reset.error().describe();
  run("TRUNCATE TABLE bronze.shops");
  verify(models, "after the reset");
}

TEST_F(IncrementalTest, AliasesAndFormsOfWriting) {
  std::vector<config::ModelFile> files;
  files.push_back(
      model_file("analytics.aliases", "incremental",
                 "SELECT units * 2 AS double, double + 1 AS more, sum(price) AS total, total * 2 AS "
                 "twice, COUNT(*) AS n, SUM(double) AS doubles\nFROM bronze.orders GROUP BY double "
                 "HAVING n > 0 AND total != 12345"));
  files.push_back(
      model_file("analytics.filters", "incremental",
                 "SELECT CASE WHEN paid THEN 'paid' ELSE 'open' END AS state, count() FILTER (WHERE "
                 "units > 0) AS sold, sum(price) FILTER (WHERE tip IS NOT NULL) AS tipped,\n"
                 "  sum(if(paid, price, -price)) AS balance, avgIf(units, units BETWEEN 0 AND 1000) AS "
                 "small\nFROM bronze.orders WHERE buyer LIKE 'buyer%' GROUP BY state"));
  files.push_back(
      model_file("analytics.parts_of_groups", "incremental",
                 "SELECT toDate32(at) + 1 AS next, concat(upper(buyer), '!') AS loud, count() AS n FROM "
                 "bronze.orders GROUP BY toDate32(at), upper(buyer)"));
  files.push_back(
      model_file("analytics.positions", "incremental",
                 "SELECT upper(buyer) AS loud, if(units > 5, 'many', 'few') AS many, count() AS n "
                 "FROM bronze.orders GROUP BY 1, 2"));
  files.push_back(
      model_file("analytics.joined_positions", "incremental",
                 "SELECT o.paid AS paid, upper(s.name) AS loud, count() AS n FROM bronze.orders AS o "
                 "LEFT JOIN bronze.shops AS s ON s.shop = o.shop GROUP BY 1, 2"));
  files.push_back(model_file("analytics.same_name", "incremental",
                             "SELECT toMonth(at) AS at, sum(units) AS units FROM bronze.orders GROUP BY at"));
  files.push_back(
      model_file("analytics.lambda", "incremental",
                 "SELECT arrayExists(x -> x = shop, [1, 2, 3]) AS low, sum(arraySum(x -> x + shop, "
                 "[units, 1])) AS total FROM bronze.orders GROUP BY low"));
  files.push_back(
      model_file("analytics.expression_with", "incremental",
                 "SELECT sumIf(price, shop IN (1, 2)) AS few, (toString(shop), paid) AS pair FROM "
                 "bronze.orders GROUP BY pair"));
  files.push_back(model_file("analytics.tuples", "incremental",
                             "SELECT id, (shop, (paid)) AS pair, ((units + 1)) AS more FROM bronze.orders"));
  follow(files, 3);
}

TEST_F(IncrementalTest, WhatDoesNotCommuteIsRefused) {
  struct Case {
    const char* sql;
    const char* place;
    const char* message;
    const char* remedy;
  };
  const std::string dimension =
      "FROM bronze.orders AS o JOIN bronze.shops AS s ON s.shop = o.shop GROUP BY name";
  auto over = [&](const std::string& item) { return "SELECT s.name AS name,\n  " + item + "\n" + dimension; };
  std::vector<std::string> texts = {over("uniq(o.buyer) AS u"), over("max(o.price) AS m"),
                                    over("sum(o.weight * s.shop) AS w"), over("sum(s.shop / 2) AS w"),
                                    over("quantileExact(0.5)(s.shop) AS q")};
  const Case joined_cases[] = {{texts[0].c_str(), ":2:3", "uniq()", "keyed"},
                               {texts[1].c_str(), ":2:3", "max()", "keyed"},
                               {texts[2].c_str(), ":2:3", "drifts", "toDecimal64"},
                               {texts[3].c_str(), ":2:3", "drifts", "toDecimal64"},
                               {texts[4].c_str(), ":2:3", "quantileExact()", "keyed"}};
  const Case others[] = {
      {"SELECT s.name AS name, count() AS n FROM bronze.orders AS o\nRIGHT JOIN bronze.shops AS s ON s.shop "
       "= "
       "o.shop GROUP BY name",
       ":2:1", "RIGHT JOIN", "LEFT JOIN"},
      {"SELECT s.name AS name, count() AS n FROM bronze.orders AS o\nFULL JOIN bronze.shops AS s ON s.shop = "
       "o.shop "
       "GROUP BY name",
       ":2:1", "FULL JOIN", "LEFT JOIN"},
      {"SELECT s.name AS name, count() AS n FROM bronze.orders AS o ANY INNER JOIN bronze.shops AS s ON "
       "s.shop = "
       "o.shop GROUP BY name",
       ":1:61", "ANY INNER", "LEFT ANY JOIN"},
      {"SELECT tag, count() AS n FROM bronze.orders\nARRAY JOIN ['a', 'b'] AS tag GROUP BY tag", ":2:1",
       "ARRAY JOIN", "view"},
      {"SELECT shop, count() AS n FROM bronze.orders WHERE shop IN bronze.shops GROUP BY shop",
       ":1:", "bronze.shops", "join it"},
      {"SELECT shop, sum(n) AS total\nFROM (SELECT shop, count() AS n FROM bronze.orders GROUP BY shop) "
       "GROUP BY shop",
       ":2:1", "adds rows up itself", "bronze.<table>"},
      {"SELECT shop, count() AS n FROM bronze.orders GROUP BY shop UNION ALL SELECT shop, count() AS n FROM "
       "bronze.shops GROUP BY shop",
       ":1:46", "apart", "into FROM"},
      {"SELECT shop, count() AS n FROM (SELECT shop FROM bronze.orders UNION DISTINCT SELECT shop FROM "
       "bronze.shops) "
       "GROUP BY shop",
       ":1:", "UNION", "UNION ALL"},
      {"SELECT id FROM bronze.orders EXCEPT SELECT shop AS id FROM bronze.shops", ":1:30", "EXCEPT", "view"},
      {"SELECT shop, count() AS n\nFROM (SELECT DISTINCT shop FROM bronze.orders) GROUP BY shop", ":2:14",
       "DISTINCT", "GROUP BY"},
      {"SELECT shop, count() AS n FROM bronze.orders FINAL GROUP BY shop", ":1:45", "current rows",
       "leave FINAL"},
  };
  for (const auto* list : {&joined_cases[0], &others[0]}) {
    size_t count = list == &joined_cases[0] ? std::size(joined_cases) : std::size(others);
    for (size_t index = 0; index < count; ++index) {
      const Case& one = list[index];
      std::string told = refusal(model_file("analytics.m", "incremental", one.sql, {}));
      EXPECT_NE(told.find(std::string("models/analytics/m.sql") + one.place), std::string::npos)
          << one.sql << "\n"
          << told;
      EXPECT_NE(told.find(one.message), std::string::npos) << one.sql << "\n" << told;
      EXPECT_NE(told.find(one.remedy), std::string::npos) << one.sql << "\n" << told;
    }
  }
  // A model that adds up or joins cannot feed another.
  auto sums =
      model_file("analytics.sums", "view", "SELECT shop, count() AS n FROM bronze.orders GROUP BY shop");
  std::string told = refusal(
      model_file("analytics.m", "incremental", "SELECT n, count() AS c\nFROM analytics.sums GROUP BY n"),
      {sums});
  EXPECT_NE(told.find(":2:1"), std::string::npos) << told;
  EXPECT_NE(told.find("adds rows up itself"), std::string::npos) << told;
  auto wrong_order =
      model_file("analytics.m", "incremental",
                 "SELECT s.name AS name, count() AS n FROM bronze.orders AS o JOIN bronze.shops AS s "
                 "ON s.shop = o.shop GROUP BY name");
  wrong_order.partition_by = "length(name)";
  told = refusal(wrong_order);
  EXPECT_NE(told.find("left-most table"), std::string::npos) << told;
}

TEST(ExactSums, Types) {
  EXPECT_EQ(exact_sum_type("Nullable(Decimal(12, 4))"), "Decimal(38, 4)");
  EXPECT_EQ(exact_sum_type("Float32"), "");
  EXPECT_EQ(kept_factor_type("UInt64", "Decimal(9, 2)", "Decimal(38, 2)"), "Int128");
  EXPECT_EQ(kept_factor_type("Int128", "Int256", "Int256"), "");
  EXPECT_EQ(kept_factor_type("Decimal(10, 2)", "Int32", "Decimal(38, 2)"), "Decimal(38, 2)");
  EXPECT_EQ(kept_factor_type("Decimal(10, 2)", "Float64", ""), "");
}

TEST(FeedingTables, OnlyTheLeftEndOfFromFeeds) {
  auto none = [](const std::string&) { return std::optional<std::string>(); };
  EXPECT_EQ(feeding_tables(
                "SELECT 1 FROM bronze.a AS x JOIN bronze.b ON 1 WHERE x IN (SELECT 1 FROM bronze.c)", none),
            std::set<std::string>{"a"});
  EXPECT_EQ(
      feeding_tables("SELECT 1 FROM (SELECT 1 FROM (bronze.a) UNION ALL (SELECT 2 FROM m.x)) JOIN bronze.d",
                     [](const std::string& name) {
                       return name == "m.x" ? std::optional<std::string>("SELECT 3 FROM bronze.e, bronze.f")
                                            : std::nullopt;
                     })
          .count("e"),
      1u);
}

}  // namespace
}  // namespace tidemark::models
