#include "models/subqueries_in_place.h"

#include "models/change_tables.h"
#include "models/test_warehouse.h"

#include <gmock/gmock.h>

namespace tidemark::models {
namespace {

using testing::HasSubstr;

std::string in_place(std::string_view sql) {
  auto text = subqueries_in_place(sql);
  return text ? *text : text.error().message;
}

TEST(SubqueriesInPlace, ArePutWhereTheyAreRead) {
  EXPECT_EQ(in_place("WITH a AS (SELECT 1 AS x) SELECT x FROM a"), "SELECT x FROM (SELECT 1 AS x) AS a");
  EXPECT_EQ(in_place("WITH a AS (SELECT 1 AS x), b AS (SELECT a.x FROM a AS q, a)\nSELECT x, b\nFROM b JOIN "
                     "a USING (x)"),
            "SELECT\n x, b\nFROM (SELECT a . x FROM ( SELECT 1 AS x ) AS q , ( SELECT 1 AS x ) AS a) AS b "
            "JOIN (SELECT 1 AS "
            "x) AS a USING (x)");
  EXPECT_EQ(in_place("WITH a AS (SELECT 1) SELECT a.x, f(a) FROM db.a WHERE y IN a AND a = 1 ORDER BY z, a"),
            "SELECT a.x, f(a) FROM db.a WHERE y IN (SELECT 1) AND a = 1 ORDER BY z, a");
  EXPECT_EQ(in_place("WITH a AS (SELECT 1), 2 AS two SELECT two FROM a"),
            "SELECT (2) AS two FROM (SELECT 1) AS a");
  EXPECT_EQ(
      in_place(
          "WITH 2 AS two, two + 1 AS three\nSELECT id, three, f(two, q.two) AS x, two * 2 AS four, [two] "
          "FROM t WHERE x > two AND two IN (two, 3) GROUP BY three"),
      "SELECT\n id, (( 2 ) + 1) AS three, f((2), q.two) AS x, (2) * 2 AS four, [(2)] FROM t WHERE x > (2) "
      "AND "
      "(2) IN ((2), 3) GROUP BY (( 2 ) + 1)");
  EXPECT_EQ(
      in_place(
          "WITH sum(x) AS s, (SELECT 1) AS one SELECT s, s / one AS part FROM (SELECT one AS y, one FROM t)"),
      "SELECT (sum ( x )) AS s, (sum ( x )) / (( SELECT 1 )) AS part FROM (SELECT (( SELECT 1 )) AS y, (( "
      "SELECT 1 "
      ")) AS one FROM t)");
  for (const char* same :
       {"SELECT 1", "WITH x -> x + 1 AS next SELECT next(2)", "WITH 2 AS two SELECT 3 AS two",
        "WITH 2 AS two SELECT arrayMap(two -> two, [1])", "WITH RECURSIVE a AS (SELECT 1) SELECT 1 FROM a"})
    EXPECT_EQ(in_place(same), same);
}

class WithTest : public ModelsTest {};

TEST_F(WithTest, StoredModelsMayNameTheirSubqueries) {
  auto paid = model_file("analytics.paid", "view",
                         "WITH p AS (SELECT id, shop, price, units FROM bronze.orders WHERE paid)\nSELECT "
                         "id, shop, price, units FROM p");
  auto sums =
      model_file("analytics.sums", "incremental",
                 "WITH paid AS (SELECT shop, units FROM analytics.paid), named AS (SELECT shop, name FROM "
                 "bronze.shops), paid.units * 2 AS twice\nSELECT named.name AS name, count() AS orders, "
                 "sum(twice) AS units\nFROM paid "
                 "LEFT JOIN named ON named.shop = paid.shop\nGROUP BY name");
  auto best = model_file(
      "analytics.best", "keyed",
      "WITH\n  paid AS (SELECT shop, price FROM analytics.paid),\n  dear AS (SELECT shop, price FROM paid "
      "WHERE price > 2),\n  max(price) AS highest\nSELECT shop, highest, count() AS orders\nFROM dear\nGROUP "
      "BY shop",
      {"shop"});
  std::vector<config::ModelFile> files{paid, sums, best};
  EXPECT_EQ(tables_needing_changes(files), (std::set<std::string>{"orders"}));
  CompiledModels models = good(files);
  apply(models);
  Stream stream(client_, 11);
  Runtime runtime(models);
  for (int round = 0; round < 4; ++round) {
    Version version = stream.cut(60);
    auto done = runtime.after_cut(client_, stream.number(), version, {"orders", "shops"});
    ASSERT_TRUE(done) << done.error().describe();
    for (const auto& model : models.models) {
      auto parity = verify_model(client_, model);
      ASSERT_TRUE(parity) << parity.error().describe();
      EXPECT_EQ(parity->different, 0u) << model.name;
      EXPECT_GT(parity->rows, 0u);
    }
  }
  EXPECT_EQ(models.find("analytics.best")->file.sql, best.sql) << "what was written is what is shown";
  // Mistakes are where they were written.
  for (const char* kind : {"incremental", "keyed"})
    EXPECT_THAT(
        config::render(
            compiled({model_file("analytics.m", kind,
                                 "WITH a AS (SELECT shop FROM bronze.orders)\nSELECT shop, count() AS "
                                 "n\nFROM a\nGROUP BY shop\nLIMIT 3",
                                 {"shop"})})
                .errors),
        HasSubstr("m.sql:5:1"))
        << kind;
}

}  // namespace
}  // namespace tidemark::models
