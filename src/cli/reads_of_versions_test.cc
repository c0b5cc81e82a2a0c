#include "cli/reads_of_versions.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace tidemark::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ReadsOfVersionsTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / fmt::format("reads_of_versions_test.{}", getpid());
    write("tidemark.yaml", "project: shop\n");
    write("sources/shop.yaml",
          "source: shop\npostgres:\n  url: ${env:TIDEMARK_TEST_NOT_SET}\n  tables: [orders, { table: clicks, "
          "append_only: true }]\n");
    write("sources/web.yaml",
          "source: web\nevents:\n  write_keys: [{ name: site, key: '${env:TIDEMARK_TEST_NOT_SET}' }]\n");
    write("sources/hook.yaml",
          "source: hook\nwebhook: { from: standard, secrets: [{ name: a, key: '${env:TIDEMARK_TEST_NOT_SET}' "
          "}] }\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << text;
  }
  std::vector<std::string> found() {
    config::LoadedProject loaded = config::load_project(root_, {.offline = true});
    EXPECT_TRUE(loaded.ok()) << config::render(loaded.errors);
    std::vector<std::string> list;
    for (const auto& one : reads_of_versions(loaded.project))
      list.push_back(one.where.describe() + ": " + one.message + " | " + one.remedy + " | " +
                     one.source_line);
    return list;
  }
  std::filesystem::path root_;
};

TEST_F(ReadsOfVersionsTest, EachIsNamedWithItsPlaceAndWhatToWrite) {
  write("dashboards/shop.yaml", R"(dashboard: shop
filters:
  - filter: country
    sql: SELECT country FROM bronze.orders GROUP BY country
tiles:
  - title: Right
    chart: table
    sql: SELECT * FROM bronze.orders__current  -- not bronze.orders
  - title: Wrong
    chart: table
    sql: |
      SELECT country, bronze.orders.id
      FROM `bronze`.`orders`
    drill:
      sql: SELECT * FROM bronze.orders WHERE country = {country:String}
  - title: Whole
    chart: table
    model: bronze.orders
)");
  write("endpoints/orders.sql", "-- description: bronze.orders\n\nSELECT id\nFROM bronze.orders\n");
  write("alerts/many.yaml", "alert: many\nmodel: bronze.orders\nvalue: count()\nwhen: { above: 3 }\n");
  EXPECT_THAT(
      found(),
      ElementsAre(HasSubstr("alerts/many.yaml:2:8: the alert `many` reads bronze.orders: every version"),
                  HasSubstr("dashboards/shop.yaml:4:30: the filter `country` reads bronze.orders"),
                  HasSubstr("dashboards/shop.yaml:13:13: the tile `Wrong`"),
                  HasSubstr("dashboards/shop.yaml:15:26: `drill` of the tile `Wrong`"),
                  HasSubstr("dashboards/shop.yaml:18:12: the tile `Whole`"),
                  HasSubstr("endpoints/orders.sql:4:6: the endpoint `orders` reads bronze.orders: every "
                            "version of its rows, deleted ones too | Write bronze.orders__current: the "
                            "rows as they are. | FROM bronze.orders")));
}

TEST_F(ReadsOfVersionsTest, LogsAndWhoLooksAfterVersionsAreRight) {
  write("endpoints/logs.sql",
        "SELECT 1 FROM bronze.clicks, bronze.web_events, bronze.hook_webhooks, bronze.orders__current\n");
  write("endpoints/final.sql", "SELECT count() FROM bronze.orders AS o FINAL\n");
  write("endpoints/versions.sql", "SELECT argMax(country, _version) FROM bronze.orders GROUP BY id\n");
  EXPECT_THAT(found(), ElementsAre());
}

}  // namespace
}  // namespace tidemark::cli
