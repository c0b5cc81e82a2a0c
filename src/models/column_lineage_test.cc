#include "models/column_lineage.h"

#include "config/project.h"
#include "models/model_explanation.h"
#include "models/query_tree.h"
#include "models/row_origin.h"
#include "models/test_warehouse.h"

#include <gmock/gmock.h>

namespace tidemark::models {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

std::vector<std::string> words(const std::vector<SourceColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.table + "." + column.column);
  return names;
}

class ColumnLineageTest : public ModelsTest {
 protected:
  std::map<std::string, ColumnLineage> lineage(const CompiledModels& models, const std::string& name) {
    auto found = column_lineage(client_, models, *models.find(name));
    EXPECT_TRUE(found) << found.error().describe();
    std::map<std::string, ColumnLineage> by_name;
    if (found)
      for (auto& column : *found) by_name[column.column] = column;
    return by_name;
  }

  void adtech_tables() {
    create("advertiser", "id Int32, name String, updated_at DateTime64(6), created_at DateTime64(6)",
           "id, name, updated_at, created_at", "id");
    create("campaign",
           "id Int32, name String, bid Decimal(10, 2), budget Decimal(10, 2), start_date Date32, end_date "
           "Date32, "
           "advertiser_id Int32, updated_at DateTime64(6), created_at DateTime64(6)",
           "id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at", "id");
    for (const char* facts : {"impressions", "clicks"})
      create(facts, "id Int32, campaign_id Int32, created_at DateTime64(6)", "id, campaign_id, created_at",
             "id");
  }

  CompiledModels adtech() {
    adtech_tables();
    auto loaded = config::load_project(TIDEMARK_SOURCE_DIR "/packs/adtech", {.offline = true});
    EXPECT_TRUE(loaded.ok());
    return good(loaded.project.models);
  }
};

TEST_F(ColumnLineageTest, ThroughEverythingSqlHas) {
  auto base =
      model_file("analytics.base", "view",
                 "SELECT id, shop, price * units AS total, buyer AS `who, what`, at FROM bronze.orders");
  auto top = model_file(
      "analytics.top", "view",
      "WITH named AS (SELECT * FROM bronze.shops), "
      "     both AS (SELECT shop AS key, total AS amount FROM analytics.base UNION ALL SELECT "
      "shop, toDecimal64(tip, 2) "
      "FROM bronze.orders WHERE tip IS NOT NULL) "
      "SELECT key, any(named.name) AS name, sum(both.amount) AS amount, count() AS rows, 1 AS one, "
      "  sum(both.amount) / (SELECT max(weight) FROM bronze.orders) AS share, "
      "  max(arrayMax(arrayMap(x -> x + key, [1, 2]))) AS mapped, "
      "  countIf(key IN (SELECT shop FROM analytics.base WHERE id > 3)) AS known "
      "FROM both LEFT JOIN named ON named.shop = both.key GROUP BY key");
  auto star = model_file(
      "analytics.star", "view",
      "SELECT *, arrayJoin([shop, units]) AS part FROM bronze.orders JOIN bronze.shops USING (shop)");
  CompiledModels models = good({base, top, star});
  ASSERT_EQ(models.models.size(), 3u);
  auto columns = lineage(models, "analytics.top");
  EXPECT_THAT(words(columns["key"].direct), ElementsAre("analytics.base.shop", "bronze.orders.shop"));
  EXPECT_THAT(words(columns["key"].bronze), ElementsAre("bronze.orders.shop"));
  EXPECT_THAT(words(columns["name"].direct), ElementsAre("bronze.shops.name"));
  EXPECT_THAT(words(columns["amount"].direct), ElementsAre("analytics.base.total", "bronze.orders.tip"));
  EXPECT_THAT(words(columns["amount"].bronze),
              ElementsAre("bronze.orders.price", "bronze.orders.tip", "bronze.orders.units"));
  EXPECT_THAT(words(columns["rows"].bronze), ElementsAre());
  EXPECT_THAT(words(columns["one"].bronze), ElementsAre());
  EXPECT_THAT(words(columns["share"].bronze), Contains("bronze.orders.weight"));
  EXPECT_THAT(words(columns["mapped"].bronze), ElementsAre("bronze.orders.shop"));
  EXPECT_THAT(words(columns["known"].direct), ElementsAre("analytics.base.shop", "bronze.orders.shop"));
  auto base_columns = lineage(models, "analytics.base");
  EXPECT_THAT(words(base_columns["who, what"].bronze), ElementsAre("bronze.orders.buyer"));
  auto star_columns = lineage(models, "analytics.star");
  EXPECT_THAT(words(star_columns["opened"].bronze), ElementsAre("bronze.shops.opened"));
  EXPECT_THAT(words(star_columns["part"].bronze), ElementsAre("bronze.orders.shop", "bronze.orders.units"));
}

TEST_F(ColumnLineageTest, OfAllAdtechModels) {
  CompiledModels models = adtech();
  for (const auto& model : models.models) {
    auto columns = lineage(models, model.name);
    EXPECT_EQ(columns.size(), model.columns.size()) << model.name;
    for (const auto& [name, column] : columns) {
      for (const auto& source : column.direct) {
        bool read = std::find(model.tables.begin(), model.tables.end(), source.table) != model.tables.end() ||
                    std::find(model.models.begin(), model.models.end(), source.table) != model.models.end();
        EXPECT_TRUE(read) << model.name << "." << name << " <- " << source.table << "." << source.column;
        if (const CompiledModel* upstream = models.find(source.table)) {
          EXPECT_TRUE(std::any_of(upstream->columns.begin(), upstream->columns.end(), [&](const auto& one) {
            return one.name == source.column;
          })) << source.column;
        }
      }
      for (const auto& source : column.bronze)
        EXPECT_TRUE(model.tables_in_depth.contains(source.table)) << model.name << " <- " << source.table;
    }
  }
  auto ctr = lineage(models, "analytics.mv_campaign_ctr");
  EXPECT_THAT(words(ctr["campaign_id"].bronze), ElementsAre("bronze.campaign.id"));
  EXPECT_THAT(words(ctr["advertiser_name"].bronze), ElementsAre("bronze.advertiser.name"));
  EXPECT_THAT(words(ctr["ctr"].direct),
              ElementsAre("analytics.campaign_traffic.clicks", "analytics.campaign_traffic.impressions"));
  EXPECT_THAT(words(lineage(models, "analytics.live_ctr")["minute"].bronze),
              ElementsAre("bronze.clicks.created_at", "bronze.impressions.created_at"));
}

TEST_F(ColumnLineageTest, RowsAnOutputRowCameFrom) {
  CompiledModels models = adtech();
  apply(models);
  const std::string tail = ", '2026-01-01 00:00:00', 3";
  run("INSERT INTO bronze.advertiser SELECT number, concat('a', toString(number)), now64(6), now64(6), 1, 0" +
      tail + " FROM numbers(5)");
  std::string campaign =
      "toInt32(number), concat('c', toString(number)), 0.25, 1000, toDate32('2026-01-01'), "
      "toDate32('2026-12-31'), "
      "toInt32(number % 5), now64(6), now64(6)";
  run("INSERT INTO bronze.campaign SELECT " + campaign + ", 1, 0" + tail + " FROM numbers(20)");
  for (const char* facts : {"impressions", "clicks"}) {
    std::string row =
        fmt::format("toInt32(number), toInt32(number % {}), toDateTime64('2026-01-01', 6) + number * 977",
                    facts[0] == 'c' ? 7 : 17);
    std::string from = fmt::format(" FROM numbers({})", facts[0] == 'c' ? 70 : 170);
    run("INSERT INTO bronze." + std::string(facts) + "__changes SELECT " + row + ", 1, 'i', 1" + tail + from);
    run("INSERT INTO bronze." + std::string(facts) + " SELECT " + row + ", 1, 0" + tail + from);
  }
  auto origin_of = [&](const std::string& name,
                       const std::vector<std::pair<std::string, std::string>>& values) {
    const CompiledModel& model = *models.find(name);
    auto condition = condition_of_row(model, values);
    EXPECT_TRUE(condition) << condition.error().describe();
    auto origin = row_origin(client_, models, model, *condition, 3);
    EXPECT_TRUE(origin) << origin.error().describe();
    std::map<std::string, OriginRows> tables;
    if (origin) {
      EXPECT_EQ(origin->rows, 1u) << name;
      EXPECT_THAT(origin->left_out, ElementsAre()) << name;
      for (const auto& table : origin->tables) tables[table.table] = table;
    }
    return tables;
  };
  auto tables = origin_of("analytics.mv_campaign_ctr", {{"campaign_id", "4"}});
  EXPECT_EQ(tables["bronze.campaign"].total, 1u);
  EXPECT_EQ(tables["bronze.impressions"].total, 10u) << tables["bronze.impressions"].condition;
  EXPECT_EQ(tables["bronze.clicks"].total, 10u);
  EXPECT_THAT(tables["bronze.impressions"].condition, HasSubstr("campaign_id"));
  EXPECT_THAT(tables["bronze.impressions"].rows, HasSubstr("\"_cut\":\"3\""));
  EXPECT_EQ(std::count(tables["bronze.clicks"].rows.begin(), tables["bronze.clicks"].rows.end(), '\n'), 3);
  // A group that is an expression, through a union.
  tables = origin_of("analytics.mv_daily_performance", {{"event_date", "2026-01-01"}});
  EXPECT_EQ(std::to_string(tables["bronze.impressions"].total) + "\n",
            text("SELECT count() FROM bronze.impressions WHERE toDate(created_at) = '2026-01-01'"));
  EXPECT_GT(tables["bronze.impressions"].total, 0u);
  EXPECT_EQ(std::to_string(tables["bronze.clicks"].total) + "\n",
            text("SELECT count() FROM bronze.clicks WHERE toDate(created_at) = '2026-01-01'"));

  // What cannot be followed is said, and nothing is lost.
  const CompiledModel& ctr = *models.find("analytics.mv_campaign_ctr");
  auto loose = row_origin(client_, models, ctr, "impressions > 5 AND campaign_id = 4", 3);
  ASSERT_TRUE(loose) << loose.error().describe();
  EXPECT_EQ(loose->left_out.size(), 1u);
  for (const auto& table : loose->tables)
    if (table.table == "bronze.impressions") {
      EXPECT_EQ(table.total, 10u);
    }
  auto wrong = condition_of_row(ctr, {{"campain_id", "1"}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("did you mean `campaign_id`?"));
  EXPECT_FALSE(row_origin(client_, models, ctr, "campaign_id = 'x'", 3));

  // Compiled with what it reads and nothing else, it is what it is among all.
  std::vector<config::ModelFile> files;
  for (const auto& model : models.models) files.push_back(model.file);
  for (const char* name : {"analytics.campaign_traffic_daily", "analytics.mv_campaign_ctr"}) {
    auto alone = compile_one(client_, files, name);
    ASSERT_TRUE(alone) << alone.error().describe();
    EXPECT_TRUE(alone->compilation.ok());
    const CompiledModel *all = models.find(name), *one = alone->compilation.models.find(name);
    ASSERT_NE(one, nullptr) << name;
    EXPECT_EQ(one->fingerprint, all->fingerprint);
    EXPECT_EQ(one->create_statements, all->create_statements);
    EXPECT_EQ(one->view_statement, all->view_statement);
    EXPECT_EQ(one->tables_in_depth, all->tables_in_depth);
    EXPECT_THAT(alone->downstream, UnorderedElementsAreArray(models.downstream_of(name)));
    EXPECT_LT(alone->compilation.models.models.size(), models.models.size() / 2);
  }
  auto one = compile_one(client_, files, "analytics.campaign_traffic_daily");
  ASSERT_TRUE(one) << one.error().describe();
  auto explanation =
      explain_model(client_, *one, *one->compilation.models.find("analytics.campaign_traffic_daily"));
  ASSERT_TRUE(explanation) << explanation.error().describe();
  EXPECT_EQ(explanation->stored.size(), 1u);
  EXPECT_GT(explanation->stored.at(0).rows, 0u);
  EXPECT_FALSE(explanation->reads.empty());
  EXPECT_THAT(explanation->downstream, Contains("analytics.mv_campaign_ctr"));
  EXPECT_THAT(explanation->statements.back(), HasSubstr("CREATE OR REPLACE VIEW"));
}

TEST(QueryTreeTest, ReadsNamesThatLookLikeAttributes) {
  auto tree = QueryTree::parse(
      "QUERY id: 0\n  PROJECTION COLUMNS\n    a, source_id: 9 UInt8\n  PROJECTION\n    LIST id: 1, nodes: 1\n"
      "      COLUMN id: 2, column_name: a, source_id: 9, result_type: Tuple(a UInt8, b String), source_id: "
      "3\n"
      "  JOIN TREE\n    TABLE id: 3, alias: __table1, table_name: bronze.t\n");
  ASSERT_TRUE(tree) << tree.error().describe();
  const TreeNode* column = tree->root().list("PROJECTION").at(0);
  EXPECT_EQ(column->attribute("column_name"), "a, source_id: 9");
  EXPECT_EQ(column->attribute("result_type"), "Tuple(a UInt8, b String)");
  ASSERT_NE(tree->source(*column), nullptr);
  EXPECT_EQ(tree->source(*column)->id, 3);
  EXPECT_FALSE(QueryTree::parse("nothing\n"));
}

}  // namespace
}  // namespace tidemark::models
