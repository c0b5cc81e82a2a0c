#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class KafkaSourceTest : public testing::Test {
 protected:
  KafkaSourceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-kafka-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("tidemark.yaml", "project: shop\n");
  }
  ~KafkaSourceTest() override { std::filesystem::remove_all(root_); }

  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string errors() { return render(load_project(root_).errors); }

  std::filesystem::path root_;
};

TEST_F(KafkaSourceTest, ReadsEverything) {
  write("sources/shop.yaml",
        "source: shop\nkafka:\n  brokers: a:9092,b:9092\n  pattern: \"shop\\\\.public\\\\..*\"\n  start: "
        "latest\n"
        "  slots: 8\n  gaps: accept\n  unknown_fields: ignore\n  settings: { security.protocol: sasl_ssl }\n "
        " tables:\n"
        "    - table: prices\n      topics: [prices]\n      key: id\n      columns: { id: Int64, at: "
        "Nullable(DateTime64(3)) }\n      forms: { at: ms }\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  ASSERT_EQ(loaded.project.kafka_sources.size(), 1u);
  const KafkaSource& source = loaded.project.kafka_sources[0];
  EXPECT_EQ(source.brokers, "a:9092,b:9092");
  EXPECT_EQ(source.group, "tidemark_shop");
  EXPECT_EQ(source.format, KafkaFormat::debezium);
  EXPECT_THAT(source.topics, ElementsAre("^shop\\.public\\..*$", "prices"));
  EXPECT_EQ(source.slots, 8u);
  EXPECT_TRUE(source.from_latest);
  EXPECT_TRUE(source.accept_gaps);
  EXPECT_TRUE(source.ignore_unknown_fields);
  EXPECT_EQ(source.settings.at("security.protocol").reveal(), "sasl_ssl");
  ASSERT_EQ(source.tables.size(), 1u);
  EXPECT_EQ(source.tables[0].columns[1].second.name(), "Nullable(DateTime64(3))");
  EXPECT_EQ(source.tables[0].forms.at("at"), "ms");
  EXPECT_THAT(source.tables[0].key, ElementsAre("id"));
}

TEST_F(KafkaSourceTest, EveryMistakeIsReported) {
  write("sources/a.yaml",
        "source: a\nkafka:\n  slots: 0\n  format: avro\n  topcs: [x]\n  pattern: \"(\"\n  settings: { "
        "group.id: x }\n  "
        "tables:\n"
        "    - table: t\n      columns: { id: Integer, _x: String }\n      key: [nothing]\n      forms: { "
        "id: msec }\n"
        "    - { table: t, append_only: true, key: [id] }\n"
        "    - { table: u, columns: { id: Int64 } }\n");
  write("sources/b.yaml", "source: b\nkafka: { brokers: x, topics: [t], tables: [{ table: t }] }\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("needs the key `brokers`"));
  EXPECT_THAT(text, HasSubstr("topcs"));
  EXPECT_THAT(text, HasSubstr("`slots`"));
  EXPECT_THAT(text, HasSubstr("`(` is no regular expression"));
  EXPECT_THAT(text, HasSubstr("`group.id` is not for a project to set"));
  EXPECT_THAT(text, HasSubstr("`Integer` is no type of a column"));
  EXPECT_THAT(text, HasSubstr("`_x` begins with _"));
  EXPECT_THAT(text, HasSubstr("`nothing` is not among `columns`"));
  EXPECT_THAT(text, HasSubstr("`msec` is no form of values"));
  EXPECT_THAT(text, HasSubstr("append_only has no key"));
  EXPECT_THAT(text, HasSubstr("columns are declared needs its key"));
  EXPECT_THAT(text, HasSubstr("the table `t` is declared twice"));
  EXPECT_THAT(text, HasSubstr("belongs to the source `a` already"));
}

}  // namespace
}  // namespace tidemark::config
