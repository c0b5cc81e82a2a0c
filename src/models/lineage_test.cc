#include "models/lineage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::models {
namespace {

using testing::ElementsAre;

CompiledModel model(const std::string& name, ModelKind kind, const std::string& recompute) {
  CompiledModel one;
  one.name = name;
  one.kind = kind;
  one.recompute = recompute;
  one.tables_in_depth = {"bronze.orders"};
  return one;
}

TEST(LineageTest, WhatOnlyCutsChange) {
  CompiledModels models;
  models.models = {
      model("a.daily", ModelKind::incremental,
            "SELECT day, count() FROM bronze.orders__current GROUP BY day"),
      model("a.recent", ModelKind::view, "SELECT * FROM bronze.orders__current WHERE at > now() - 60"),
      model("a.named", ModelKind::view,
            "SELECT dictGetString('geo.x', 'name', id) FROM bronze.orders__current"),
      model("a.nightly", ModelKind::refresh, "SELECT 1 FROM bronze.orders__current"),
      model("a.behind", ModelKind::view, "SELECT 1 FROM a.nightly"),
      model("a.forgets", ModelKind::incremental, "SELECT day FROM bronze.orders__current GROUP BY day"),
      model("a.live", ModelKind::view, "SELECT 1 FROM live.rates, bronze.orders__current")};
  models.models[4].refresh_models = {"a.nightly"};
  models.models[5].file.ttl = "day + INTERVAL 1 DAY";
  models.models[6].live_reads = {"live.rates"};
  Lineage lineage(models);
  EXPECT_THAT(lineage.tables_of("SELECT * FROM a.daily"), ElementsAre("bronze.orders"));
  for (const char* sql :
       {"SELECT * FROM a.daily", "SELECT now FROM bronze.orders__current", "SELECT 'now()' FROM a.daily",
        "SELECT count() FROM bronze.orders JOIN a.daily USING id -- today()"})
    EXPECT_TRUE(lineage.moves_with_cuts(sql)) << sql;
  for (const char* sql :
       {"SELECT today(), * FROM a.daily", "SELECT count() FROM a.daily WHERE day < CURRENT_DATE",
        "SELECT generateUUIDv4() FROM a.daily", "SELECT * FROM a.recent", "SELECT * FROM a.named",
        "SELECT * FROM a.nightly", "SELECT * FROM a.behind", "SELECT * FROM a.forgets",
        "SELECT * FROM a.live", "SELECT * FROM a.daily, a.recent",
        "SELECT * FROM cdp.segment_membership, a.daily", "SELECT 1", "SELECT 'no end FROM a.daily"})
    EXPECT_FALSE(lineage.moves_with_cuts(sql)) << sql;
}

}  // namespace
}  // namespace tidemark::models
