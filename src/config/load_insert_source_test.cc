// sources/*.yaml with `inserts:`, and `tokens:` of tidemark.yaml.
#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class InsertSourceTest : public testing::Test {
 protected:
  InsertSourceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-inserts-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("tidemark.yaml", "project: shop\n");
  }
  ~InsertSourceTest() override { std::filesystem::remove_all(root_); }

  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string errors() { return render(load_project(root_).errors); }
  std::string errors_of(const std::string& inserts) {
    write("sources/cdp.yaml", "source: cdp\ninserts:\n" + inserts);
    return errors();
  }

  std::filesystem::path root_;
};

TEST_F(InsertSourceTest, KnownTablesNeedNoColumns) {
  write("sources/cdp.yaml",
        "source: cdp\ninserts:\n  tables:\n    - entities\n    - criteria\n    - { table: prices, database: "
        "shop, "
        "columns: { sku: String, price: \"Decimal(12, 2)\", at: DateTime64(3) }, key: [sku], version: at, "
        "defaults: { at: now64(3) } }\n  segments: { notify: [crm], initial: all }\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  ASSERT_EQ(loaded.project.insert_tables.size(), 3u);
  const InsertTable& entities = loaded.project.insert_tables[0];
  EXPECT_EQ(entities.full_name(), "cdp.entities");
  EXPECT_EQ(entities.mirrored_name(), "cdp_entities");
  EXPECT_THAT(entities.key, ElementsAre("tenant_id", "entity_id"));
  EXPECT_EQ(entities.version, "version");
  EXPECT_EQ(entities.deleted, "is_deleted");
  const InsertTable& prices = loaded.project.insert_tables[2];
  EXPECT_EQ(prices.full_name(), "shop.prices");
  EXPECT_EQ(prices.version, "at");
  EXPECT_EQ(prices.deleted, "");
  EXPECT_EQ(prices.defaults.at("at"), "now64(3)");
  ASSERT_EQ(loaded.project.criteria_tables.size(), 1u);
  const CriteriaTable& criteria = loaded.project.criteria_tables[0];
  EXPECT_EQ(criteria.table, "cdp.criteria");
  EXPECT_EQ(criteria.entity, "cdp.entities");
  EXPECT_THAT(criteria.notify, ElementsAre("crm"));
  EXPECT_TRUE(criteria.tells_initial);
}

TEST_F(InsertSourceTest, MistakesAreToldWhereTheyAre) {
  EXPECT_THAT(errors_of("  tables: []\n"), HasSubstr("names no table to write to"));
  EXPECT_THAT(errors_of("  tables: [prices]\n"), HasSubstr("columns"));
  EXPECT_THAT(errors_of("  tables: [entities, entities]\n"), HasSubstr("`cdp.entities` is declared twice"));
  EXPECT_THAT(errors_of("  database: tidemark\n  tables: [entities]\n"), HasSubstr("is not for writing to"));
  std::string columns = "columns: { id: Int64, name: Nullable(String), at: Nullable(DateTime) }, key: [id]";
  EXPECT_THAT(errors_of("  tables: [{ table: a, " + columns + ", version: at }]\n"),
              HasSubstr("`at` orders rows, and its type is Nullable(DateTime)"));
  EXPECT_THAT(errors_of("  tables: [{ table: a, " + columns + ", version: when }]\n"),
              HasSubstr("`when` is not among `columns`"));
  EXPECT_THAT(errors_of("  tables: [{ table: a, " + columns + ", deleted: id }]\n"),
              HasSubstr("`id` is no column of type UInt8"));
  EXPECT_THAT(errors_of("  tables: [{ table: a, " + columns + ", defaults: { x: 1 } }]\n"),
              HasSubstr("`x` is not among `columns`"));
  EXPECT_THAT(errors_of("  tables: [entities]\n  segments: { notify: [] }\n"),
              HasSubstr("`criteria` is not among `tables`"));
  EXPECT_THAT(
      errors_of(
          "  tables: [entities, { table: criteria, columns: { a: String }, key: [a] }]\n  segments: {}\n"),
      HasSubstr("has no column `tenant_id` of type String"));
}

TEST_F(InsertSourceTest, ATableBelongsToOneSource) {
  write("sources/app.yaml",
        "source: app\nevents: { write_keys: anotherkey, tables: [{ table: cdp_entities, columns: { id: Int64 "
        "} }] }\n");
  EXPECT_THAT(errors_of("  tables: [entities]\n"), HasSubstr("mirrored as bronze.cdp_entities"));
}

TEST_F(InsertSourceTest, Tokens) {
  auto told = [&](const std::string& tokens) {
    write("tidemark.yaml", "project: shop\ntokens:\n" + tokens);
    return errors();
  };
  EXPECT_EQ(told("  - { name: crm, value: 0123456789abcdef, scopes: [read, \"segments:write\"] }\n"), "");
  EXPECT_EQ(load_project(root_).project.tokens.at(0).value.reveal(), "0123456789abcdef");
  EXPECT_THAT(told("  - { name: crm, value: short, scopes: [read] }\n"), HasSubstr("16 to 512 characters"));
  EXPECT_THAT(told("  - { name: crm, value: 0123456789abcdef }\n"), HasSubstr("may do nothing"));
  EXPECT_THAT(told("  - { name: crm, value: 0123456789abcdef, scopes: [reed] }\n"),
              HasSubstr("there is no scope `reed` (did you mean `read`?)"));
  std::string twice = told(
      "  - { name: a, value: 0123456789abcdef, scopes: [read] }\n  - { name: a, value: 0123456789abcdef, "
      "scopes: "
      "[read] }\n");
  EXPECT_THAT(twice, HasSubstr("two tokens are called `a`"));
  EXPECT_THAT(twice, HasSubstr("are the same"));
  EXPECT_THAT(twice, testing::Not(HasSubstr("0123456789abcdef, scopes: [read] }\n  Give")));
}

TEST_F(InsertSourceTest, TokensThatMaySendEventsAreWriteKeys) {
  write("tidemark.yaml",
        "project: shop\ntokens:\n  - { name: app, value: 0123456789abcdef, scopes: [\"events:write\", read] "
        "}\n  - "
        "{ name: crm, value: fedcba9876543210, scopes: [read] }\n");
  EXPECT_THAT(errors(), HasSubstr("the token `app` may send events, and no source takes any"));
  write("sources/web.yaml", "source: web\nevents: { write_keys: anotherkey }\n");
  EXPECT_EQ(errors(), "");
  const EventSource source = load_project(root_).project.event_sources.at(0);
  ASSERT_EQ(source.write_keys.size(), 2u);
  EXPECT_EQ(source.write_keys[1].name, "app");
  EXPECT_EQ(source.write_keys[1].key.reveal(), "0123456789abcdef");
  write("sources/web.yaml", "source: web\nevents: { write_keys: [{ name: app, key: anotherkey }] }\n");
  EXPECT_THAT(errors(), HasSubstr("a write key of the source `web` is called `app`, too"));
  write("sources/web.yaml", "source: web\nevents: { write_keys: 0123456789abcdef }\n");
  std::string same = errors();
  EXPECT_THAT(same, HasSubstr("the token `app` and the write key `key1` are the same"));
  write("sources/web.yaml", "source: web\nevents: { write_keys: anotherkey }\n");
  write("sources/ios.yaml", "source: ios\nevents: { write_keys: thirdkey, table: ios_events }\n");
  EXPECT_THAT(errors(), HasSubstr("several sources take them"));
}

}  // namespace
}  // namespace tidemark::config
