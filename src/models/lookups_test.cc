#include "models/lookups.h"

#include "config/project.h"
#include "models/test_warehouse.h"

#include <gmock/gmock.h>

namespace tidemark::models {
namespace {

using testing::HasSubstr;

class LookupsTest : public ModelsTest {
 protected:
  void SetUp() override {
    ModelsTest::SetUp();
    run("INSERT INTO bronze.shops VALUES (1, 'one', '2020-01-01', 1, 0, now(), 1), (-2, 'minus two', "
        "'1950-01-01', 1, "
        "0, now(), 1), (3, 'gone', '2020-01-01', 2, 1, now(), 1)");
  }

  config::DictionaryFile file(const std::string& name, const std::string& over,
                              std::vector<std::string> key) {
    config::DictionaryFile dictionary;
    dictionary.database = "geo";
    dictionary.name = name;
    dictionary.over = over;
    dictionary.key = std::move(key);
    dictionary.where = {"dictionaries/" + name + ".yaml", 1, 13};
    return dictionary;
  }

  std::string prepare(LookupChanges changes = LookupChanges::all) {
    auto mistakes = prepare_lookups(client_, project_, changes);
    EXPECT_TRUE(mistakes) << mistakes.error().describe();
    return mistakes ? config::render(*mistakes) : "";
  }

  std::string refusal(const std::string& kind, const std::string& sql, std::vector<std::string> key = {}) {
    return config::render(compiled({model_file("analytics.m", kind, sql, std::move(key))}).errors);
  }

  config::Project project_;
};

TEST_F(LookupsTest, FollowsWhatItIsOverAndSaysSo) {
  project_.dictionaries = {file("shops", "bronze.shops", {"shop"})};
  ASSERT_EQ(prepare(), "");
  clickhouse::Client reader = clickhouse::TestServer::shared().client(clickhouse::Account::reader);
  const char* look =
      "SELECT dictGetOrNull('geo.shops', 'name', 1), dictGetOrNull('geo.shops', 'name', -2), "
      "dictGetOrNull('geo.shops', 'name', 3), dictGetOrDefault('geo.shops', 'opened', toInt32(-2), "
      "toDate32('1900-01-01'))";
  auto seen = reader.query_text(look);
  ASSERT_TRUE(seen) << seen.error().describe();
  EXPECT_EQ(*seen, "one\tminus two\t\\N\t1950-01-01\n");
  CompiledModels models =
      good({model_file("analytics.named", "view",
                       "SELECT id, dictGetOrNull('geo.shops', 'name', shop) AS name FROM bronze.orders")});
  apply(models);
  EXPECT_EQ(models.models[0].tables_in_depth, (std::set<std::string>{"bronze.orders", "bronze.shops"}));
  run("INSERT INTO bronze.orders (id, shop, _version) VALUES (1, 1, 1)");
  EXPECT_EQ(text("SELECT name FROM analytics.named"), "one\n");

  run("INSERT INTO bronze.shops VALUES (1, 'uno', '2020-01-01', 5, 0, now(), 2)");
  auto parity = verify_dictionary(client_, project_.dictionaries[0]);
  ASSERT_TRUE(parity) << parity.error().describe();
  EXPECT_EQ(parity->different, 1u);
  DictionaryReloads reloads;
  reloads.replace(dictionaries_of(project_, models));
  EXPECT_FALSE(reloads.any_over({"bronze.orders"}));
  ASSERT_TRUE(reloads.any_over({"bronze.orders", "bronze.shops"}));
  reloads.reload(client_, {"bronze.shops"});
  EXPECT_EQ(text("SELECT name FROM analytics.named"), "uno\n");
  parity = verify_dictionary(client_, project_.dictionaries[0]);
  EXPECT_EQ(parity->different, 0u);
  EXPECT_EQ(parity->rows, 2u);

  // What cannot be reloaded keeps what it had and is tried again.
  run("RENAME TABLE bronze.shops TO bronze.away");
  reloads.reload(client_, {"bronze.shops"});
  EXPECT_TRUE(reloads.failing().contains("geo.shops"));
  EXPECT_EQ(text("SELECT name FROM analytics.named"), "uno\n");
  run("RENAME TABLE bronze.away TO bronze.shops");
  reloads.reload(client_, {"bronze.orders"});
  EXPECT_TRUE(reloads.failing().empty());

  project_.dictionaries.clear();
  ASSERT_EQ(prepare(), "");
  EXPECT_EQ(text("SELECT count() FROM system.dictionaries WHERE database = 'geo'"), "0\n");
}

TEST_F(LookupsTest, StandsOverModels) {
  project_.models = {
      model_file("analytics.names", "view", "SELECT shop, upper(name) AS loud FROM bronze.shops")};
  project_.dictionaries = {file("loud", "analytics.names", {"shop"})};
  ASSERT_EQ(prepare(), "");
  project_.models.push_back(
      model_file("analytics.m", "view",
                 "SELECT dictGetOrDefault('geo.loud', 'loud', shop, 'nobody') AS who FROM bronze.orders"));
  // Built after what its dictionary is over, whatever the files' order.
  std::swap(project_.models[0], project_.models[1]);
  CompiledModels models = good(project_.models);
  EXPECT_EQ(models.models[0].name, "analytics.names");
  apply(models);
  run("INSERT INTO bronze.orders (id, shop, _version) VALUES (1, 1, 1)");
  EXPECT_EQ(text("SELECT who FROM analytics.m"), "ONE\n");
  EXPECT_EQ(dictionaries_of(project_, models)[0].tables, std::set<std::string>{"bronze.shops"});
}

TEST_F(LookupsTest, NoPasswordIsShown) {
  project_.dictionaries = {file("shops", "bronze.shops", {"shop"})};
  ASSERT_EQ(prepare(), "");
  std::string password = client_.endpoint().password.reveal();
  ASSERT_GT(password.size(), 8u);
  clickhouse::Client reader = clickhouse::TestServer::shared().client(clickhouse::Account::reader);
  auto shown = reader.query_text("SHOW CREATE DICTIONARY geo.shops");
  EXPECT_THAT(shown ? *shown : "", testing::Not(HasSubstr(password)));
  EXPECT_THAT(text("SHOW CREATE DICTIONARY geo.shops"), testing::Not(HasSubstr(password)));
  auto collections = reader.query_text("SELECT * FROM system.named_collections");
  EXPECT_THAT(collections ? *collections : "", testing::Not(HasSubstr(password)));
}

TEST_F(LookupsTest, MistakesHavePlaces) {
  project_.dictionaries = {file("a", "bronze.shops", {"shopp"}), file("b", "bronze.nowhere", {"x"}),
                           file("c", "bronze.orders", {"buyer"})};
  std::string text = prepare();
  EXPECT_THAT(
      text, HasSubstr("dictionaries/a.yaml:1:13: bronze.shops has no column `shopp` (did you mean `shop`?)"));
  EXPECT_THAT(text, HasSubstr("dictionaries/b.yaml:1:13: unknown table bronze.nowhere"));
  EXPECT_THAT(text, HasSubstr("dictionaries/c.yaml:1:13: the key column `buyer` may be NULL"));
}

TEST_F(LookupsTest, TrapsAreNamed) {
  project_.dictionaries = {file("shops", "bronze.shops", {"shop"})};
  ASSERT_EQ(prepare(), "");
  EXPECT_THAT(
      refusal("view", "SELECT id,\n dictGet('geo.shops', 'name', shop) AS n FROM bronze.orders"),
      testing::AllOf(HasSubstr("m.sql:2:2"), HasSubstr("the type's default"), HasSubstr("dictGetOrNull")));
  EXPECT_THAT(refusal("view", "SELECT dictGetString('geo.shops', 'name', shop) AS n FROM bronze.orders"),
              HasSubstr("the type's default"));
  EXPECT_THAT(refusal("view", "SELECT dictGetOrNull('geo.shop', 'name', shop) AS n FROM bronze.orders"),
              HasSubstr("unknown dictionary geo.shop (did you mean `geo.shops`?)"));
  EXPECT_THAT(
      refusal(
          "incremental",
          "SELECT dictGetOrNull('geo.shops', 'name', 1) AS n, count() AS c FROM bronze.orders GROUP BY n"),
      HasSubstr("is answered once"));
  EXPECT_THAT(refusal("keyed",
                      "SELECT shop, any(dictGetOrNull('geo.shops', 'name', shop)) AS n FROM bronze.orders "
                      "GROUP BY shop",
                      {"shop"}),
              testing::AllOf(HasSubstr("would keep what was looked up"), HasSubstr("JOIN the table")));
  EXPECT_THAT(refusal("view", "SELECT x FROM live.rates"), HasSubstr("unknown live table live.rates"));
}

TEST_F(LookupsTest, AnIncrementalModelLooksUpWhenItIsRead) {
  project_.dictionaries = {file("shops", "bronze.shops", {"shop"})};
  ASSERT_EQ(prepare(), "");
  CompiledModels models = good(
      {model_file(
           "analytics.by_name", "incremental",
           "SELECT dictGetOrNull('geo.shops', 'name', shop) AS name, count() AS orders, sum(units) AS units, "
           "countIf(dictGetOrDefault('geo.shops', 'opened', shop, toDate32('1900-01-01')) < '2000-01-01' AND "
           "paid) AS old_and_paid FROM bronze.orders WHERE dictGetOrDefault('geo.shops', 'name', shop, "
           "'?') != 'closed' GROUP BY name"),
       model_file("analytics.facts", "incremental",
                  "SELECT id, units, dictGetOrNull('geo.shops', 'name', shop) AS name FROM bronze.orders",
                  {"id"})});
  apply(models);
  EXPECT_EQ(models.models[0].tables_in_depth, (std::set<std::string>{"bronze.orders", "bronze.shops"}));
  Stream stream(client_, 7);
  DictionaryReloads reloads;
  reloads.replace(dictionaries_of(project_, models));
  std::string last;
  for (int round = 0; round < 4; ++round) {
    stream.cut(40);
    run(fmt::format(
        "INSERT INTO bronze.shops SELECT shop, concat(name, '{0}'), '1999-01-01', 100000 + {0}, 0, now(), 2 "
        "FROM bronze.shops FINAL WHERE shop % 2 = {0} % 2",
        round));
    if (round == 2) run("INSERT INTO bronze.shops VALUES (1, 'closed', '2020-01-01', 200000, 0, now(), 2)");
    reloads.reload(client_, {"bronze.shops"});
    for (const auto& model : models.models) {
      auto parity = verify_model(client_, model);
      ASSERT_TRUE(parity) << parity.error().describe();
      EXPECT_EQ(parity->different, 0u) << model.name << (parity->examples.empty() ? "" : parity->examples[0]);
      EXPECT_GT(parity->rows, 0u);
    }
    std::string now = text("SELECT * FROM analytics.by_name ORDER BY ALL");
    EXPECT_NE(now, last);
    last = now;
  }
}

TEST_F(LookupsTest, ARefreshModelMayLookUp) {
  project_.dictionaries = {file("shops", "bronze.shops", {"shop"})};
  ASSERT_EQ(prepare(), "");
  config::ModelFile file =
      model_file("analytics.r", "refresh",
                 "SELECT id, dictGetOrNull('geo.shops', 'name', shop) AS name FROM bronze.orders");
  file.on_change = true;
  CompiledModels models = good({file});
  EXPECT_EQ(models.models[0].immediate_tables, (std::set<std::string>{"bronze.orders", "bronze.shops"}));
  apply(models);
  verify(models, "a refresh model that looks up");
}

}  // namespace
}  // namespace tidemark::models
