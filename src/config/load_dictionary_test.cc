#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::HasSubstr;

class DictionaryFileTest : public testing::Test {
 protected:
  DictionaryFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-dictionaries-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("tidemark.yaml", "project: shop\n");
    write("sources/ads.yaml",
          "source: ads\npostgres:\n  url: postgresql://localhost/ads\n  tables: [campaign]\n");
  }
  ~DictionaryFileTest() override { std::filesystem::remove_all(root_); }

  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string errors() { return render(load_project(root_).errors); }

  std::filesystem::path root_;
};

TEST_F(DictionaryFileTest, ReadsBothForms) {
  write("dictionaries/campaigns.yaml",
        "dictionary: geo.campaigns\nover: bronze.campaign\nkey: id\nattributes: [name, bid]\nlayout: flat\n");
  write("dictionaries/rates.yaml",
        "dictionary: geo.rates\npostgres: { source: ads, table: fx.rates }\nkey: [currency, day]\nlifetime: "
        "5m\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  ASSERT_EQ(loaded.project.dictionaries.size(), 2u);
  const DictionaryFile& campaigns = loaded.project.dictionaries[0];
  EXPECT_EQ(campaigns.full_name(), "geo.campaigns");
  EXPECT_EQ(campaigns.over, "bronze.campaign");
  EXPECT_EQ(campaigns.attributes, (std::vector<std::string>{"name", "bid"}));
  EXPECT_EQ(campaigns.layout, "flat");
  EXPECT_FALSE(campaigns.live());
  const DictionaryFile& rates = loaded.project.dictionaries[1];
  EXPECT_TRUE(rates.live());
  EXPECT_EQ(rates.source, "ads");
  EXPECT_EQ(rates.table, "fx.rates");
  EXPECT_EQ(rates.key, (std::vector<std::string>{"currency", "day"}));
  EXPECT_EQ(rates.lifetime_seconds, 300);
}

TEST_F(DictionaryFileTest, EveryMistakeHasItsPlace) {
  write("models/analytics/a.sql", "SELECT 1 AS x\n");
  write("dictionaries/a.yaml", "dictionary: campaigns\nover: bronze.campaign\nkey: id\n");
  write("dictionaries/b.yaml", "dictionary: geo.b\nkey: id\n");
  write("dictionaries/c.yaml", "dictionary: geo.c\nover: analytics.b\nkey: id\nlifetime: 5m\n");
  write("dictionaries/d.yaml",
        "dictionary: geo.d\npostgres: { source: adz, table: t }\nover: bronze.t\nkey: id\n");
  write("dictionaries/e.yaml",
        "dictionary: analytics.a\nover: bronze.campaign\nkey: [id, x]\nlayout: flat\n");
  write("dictionaries/f.yaml",
        "dictionary: geo.f\nover: bronze.campaign\nkey: id\nattributes: [id]\nlayot: flat\n");
  write("dictionaries/g.yaml", "dictionary: bronze.g\nover: bronze.campaign\nkey: id\nlayout: cache\n");
  write("dictionaries/h.yaml", "dictionary: geo.h\nover: campaign\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("dictionaries/a.yaml:1:13: `campaigns` has no database"));
  EXPECT_THAT(text, HasSubstr("dictionaries/b.yaml:1:13: the dictionary has nothing to read"));
  EXPECT_THAT(text, HasSubstr("dictionaries/c.yaml:4:11: `lifetime` is for live tables"));
  EXPECT_THAT(text, HasSubstr("there is no model `analytics.b` (did you mean `analytics.a`?)"));
  EXPECT_THAT(text, HasSubstr("dictionaries/d.yaml:1:13: `over` and `postgres` are two places to read from"));
  EXPECT_THAT(text, HasSubstr("there is no source `adz` (did you mean `ads`?)"));
  EXPECT_THAT(text, HasSubstr("dictionaries/e.yaml:1:13: there is a model `analytics.a` too"));
  EXPECT_THAT(text, HasSubstr("dictionaries/e.yaml:4:9: `flat` is an array indexed by one number"));
  EXPECT_THAT(text, HasSubstr("dictionaries/f.yaml:4:13: `id` is part of the key"));
  EXPECT_THAT(text, HasSubstr("dictionaries/f.yaml:5:1: unknown key `layot`"));
  EXPECT_THAT(text, HasSubstr("the database `bronze` is not for dictionaries"));
  EXPECT_THAT(text, HasSubstr("dictionaries/g.yaml:4:9: "));
  EXPECT_THAT(text, HasSubstr("`campaign` has no database"));
}

TEST_F(DictionaryFileTest, LiveTablesAndRefreshHeaders) {
  write("sources/ads.yaml",
        "source: ads\npostgres:\n  url: postgresql://localhost/ads\n  tables: [campaign]\n  live: [rates, "
        "fx.days]\n");
  write("models/analytics/a.sql",
        "-- kind: refresh\n-- every: 5m\n-- on_change: true\n-- not_more_often: 30s\nSELECT 1 AS x\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  EXPECT_EQ(loaded.project.sources[0].live, (std::vector<std::string>{"rates", "fx.days"}));
  EXPECT_EQ(loaded.project.models[0].every_seconds, 300);
  EXPECT_TRUE(loaded.project.models[0].on_change);
  EXPECT_EQ(loaded.project.models[0].not_more_often_seconds, 30);

  write("sources/ads.yaml",
        "source: ads\npostgres:\n  url: postgresql://localhost/ads\n  tables: [campaign]\n  live: [\"*\"]\n");
  write("models/analytics/a.sql",
        "-- kind: refresh\n-- every: soon\n-- on_change: yes\n-- ttl: x\nSELECT 1 AS x\n");
  write("models/analytics/b.sql", "-- kind: refresh\n-- every: 1m\n-- not_more_often: 30s\nSELECT 1 AS x\n");
  write("models/analytics/c.sql", "-- on_change: true\nSELECT 1 AS x\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("`live` names tables, and `*` is a pattern"));
  EXPECT_THAT(text, HasSubstr("models/analytics/a.sql:2:11: `every` must be a duration, not `soon`"));
  EXPECT_THAT(text, HasSubstr("models/analytics/a.sql:3:15: `on_change` is true or false, not `yes`"));
  EXPECT_THAT(text, HasSubstr("models/analytics/a.sql:4:9: `ttl` has no meaning for a refresh model"));
  EXPECT_THAT(text, HasSubstr("models/analytics/b.sql:3:20: `not_more_often` bounds `on_change: true`"));
  EXPECT_THAT(text, HasSubstr("models/analytics/c.sql:1:15: `on_change` belongs to `kind: refresh`"));
}

}  // namespace
}  // namespace tidemark::config
