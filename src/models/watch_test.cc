// Models that are only watched: whoever watches is told of every key whose answer a cut changes, and of few
// others.
#include "models/test_warehouse.h"

namespace tidemark::models {
namespace {

class WatchTest : public ModelsTest {
 protected:
  // What somebody might want to know of a shop; the watch itself asks for none of it.
  std::map<std::string, std::string> answers() {
    std::map<std::string, std::string> found;
    auto block = client_.query(
        "SELECT toString(s.shop), toString(tuple(any(s.name), count(o.id), sum(o.units), max(o.at))) FROM "
        "bronze.shops__current AS s LEFT JOIN bronze.orders__current AS o ON o.shop = s.shop GROUP BY "
        "s.shop");
    EXPECT_TRUE(block) << block.error().describe();
    for (size_t row = 0; block && row < block->rows(); ++row)
      found.emplace(block->columns[0].text(row), block->columns[1].text(row));
    return found;
  }

  WatchHooks hooks() {
    return {.touched = [this](clickhouse::Client& client, const TouchedKeys& touched) -> Status {
              Block block = TRY(client.query(
                  "SELECT toString(shop) FROM (" + touched.model.keyed.touched_keys + ")",
                  {.parameters = {
                       {"cut", std::to_string(touched.cut)}, {"key_offset", "0"}, {"key_count", "1000"}}}));
              for (size_t row = 0; row < block.rows(); ++row) told_.emplace(block.columns[0].text(row));
              return {};
            },
            .all_touched = [this](clickhouse::Client&, const CompiledModel&) -> Status {
              ++all_;
              return {};
            }};
  }

  std::set<std::string> told_;
  int all_ = 0;
};

TEST_F(WatchTest, EveryKeyWhoseAnswerChangesIsTold) {
  config::ModelFile file =
      model_file("segments.shops", "keyed",
                 "SELECT s.shop AS shop FROM bronze.shops AS s LEFT JOIN bronze.orders AS o "
                 "ON o.shop = s.shop GROUP BY s.shop",
                 {"shop"});
  file.watch = true;
  CompiledModels models = good({file});
  apply(models);
  Runtime runtime(models, Runtime::Writers::one, hooks());
  Stream stream(client_, test_seed());
  for (int number = 0; number < 25; ++number) {
    auto before = answers();
    told_.clear();
    Version version = stream.cut(8);
    auto done = runtime.after_cut(client_, stream.number(), version, {"orders", "shops"});
    ASSERT_TRUE(done) << done.error().describe();
    auto after = answers();
    for (const auto& [key, answer] : after)
      if (!before.contains(key) || before.at(key) != answer) {
        EXPECT_TRUE(told_.contains(key)) << "shop " << key << " changed in cut " << stream.number();
      }
    for (const auto& [key, answer] : before)
      if (!after.contains(key)) {
        EXPECT_TRUE(told_.contains(key)) << "shop " << key << " is gone";
      }
    EXPECT_LE(told_.size(), 16u) << "8 changes have at most 16 images";
  }
  EXPECT_EQ(text("SELECT count() FROM segments.shops"), "0\n");
  ASSERT_TRUE(runtime.after_copy(client_, make_version(1, 99, 0), {"orders"}));
  EXPECT_EQ(all_, 1);
  verify(models, "at the end");
  run("DROP DATABASE segments SYNC");
}

// A segment that is edited may be watched under another name: what it was watched by before is the program's
// own, so nobody is asked, and no change row is written to it any more. Models of the project stay.
TEST_F(WatchTest, WhatNoSegmentAsksForIsDropped) {
  auto watched = [&](const std::string& name) {
    config::ModelFile file = model_file(std::string(config::own_models_database) + "." + name, "keyed",
                                        "SELECT shop FROM bronze.shops GROUP BY shop", {"shop"});
    file.watch = true;
    return file;
  };
  config::ModelFile mine = model_file(
      "analytics.names", "keyed", "SELECT shop, any(name) AS name FROM bronze.shops GROUP BY shop", {"shop"});
  ASSERT_TRUE(prepare(client_, good({watched("before"), mine}), {}, UINT64_MAX));
  auto tables = [&](const std::string& database, const std::string& name) {
    return text("SELECT count() > 0 FROM system.tables WHERE database = '" + database + "' AND name LIKE '" +
                name + "%'");
  };
  EXPECT_EQ(tables(config::own_models_database, "before"), "1\n");
  auto prepared = prepare(client_, good({watched("after")}), {}, UINT64_MAX);
  ASSERT_TRUE(prepared) << prepared.error().describe();
  EXPECT_EQ(tables(config::own_models_database, "before"), "0\n");
  EXPECT_EQ(tables(config::own_models_database, "after"), "1\n");
  EXPECT_EQ(tables("analytics", "names"), "1\n");
  run(std::string("DROP DATABASE ") + config::own_models_database + " SYNC");
}

}  // namespace
}  // namespace tidemark::models
