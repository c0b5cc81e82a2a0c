#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EventSourceTest : public testing::Test {
 protected:
  EventSourceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-events-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("tidemark.yaml", "project: shop\n");
  }
  ~EventSourceTest() override { std::filesystem::remove_all(root_); }

  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string errors() { return render(load_project(root_).errors); }

  std::filesystem::path root_;
};

TEST_F(EventSourceTest, ReadsEverything) {
  write(
      "sources/app.yaml",
      "source: app\nevents:\n  write_keys:\n    - 0123456789abcdef\n    - { name: ios, key: \"id:secret\" }\n"
      "  table: clicks\n  spool: { path: ./spool, max: 10 MiB }\n"
      "  tables:\n    - { table: prices, columns: { id: Int64, price: \"Decimal(12, 2)\" }, key: id }\n");
  write("sources/plain.yaml", "source: plain\nevents: { write_keys: anotherkey }\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  ASSERT_EQ(loaded.project.event_sources.size(), 2u);
  const EventSource& source = loaded.project.event_sources[0];
  ASSERT_EQ(source.write_keys.size(), 2u);
  EXPECT_EQ(source.write_keys[0].name, "key1");
  EXPECT_EQ(source.write_keys[0].key.reveal(), "0123456789abcdef");
  EXPECT_EQ(source.write_keys[1].name, "ios");
  EXPECT_EQ(source.table, "clicks");
  EXPECT_EQ(source.spool, root_ / "spool");
  EXPECT_EQ(source.spool_bytes_max, 10u << 20);
  ASSERT_EQ(source.tables.size(), 1u);
  EXPECT_EQ(source.tables[0].columns[1].second.name(), "Decimal(12, 2)");
  EXPECT_THAT(source.tables[0].key, ElementsAre("id"));
  const EventSource& plain = loaded.project.event_sources[1];
  EXPECT_EQ(plain.table, "plain_events");
  EXPECT_EQ(plain.spool, root_ / "data/spool/plain");
}

TEST_F(EventSourceTest, EveryMistakeIsReported) {
  write("sources/a.yaml",
        "source: a\nevents:\n  write_keys: [short, { name: key1, key: 0123456789 }, { name: b, key: "
        "0123456789 }]\n  spol: {}\n  spool: { max: 1 KB }\n  table: \"not a name\"\n"
        "  tables:\n    - { table: t, columns: { id: Integer, _x: String }, key: [nothing] }\n"
        "    - { table: t, columns: { id: Nullable(Int64) }, key: id }\n    - { table: u }\n");
  write("sources/b.yaml", "source: b\nevents: { write_keys: [0123456789], table: t }\n");
  write("sources/c.yaml", "source: c\nevents: { table: c }\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("a write key has 8 to 512 characters"));
  EXPECT_THAT(text, HasSubstr("two write keys are called `key1`"));
  EXPECT_THAT(text, HasSubstr("the write keys `key1` and `b` are the same"));
  EXPECT_THAT(text, HasSubstr("spol"));
  EXPECT_THAT(text, HasSubstr("`max` is at least 1 MiB"));
  EXPECT_THAT(text, HasSubstr("`not a name`"));
  EXPECT_THAT(text, HasSubstr("`Integer` is no type of a column"));
  EXPECT_THAT(text, HasSubstr("`_x` begins with _"));
  EXPECT_THAT(text, HasSubstr("`nothing` is not among `columns`"));
  EXPECT_THAT(text, HasSubstr("the table `t` is declared twice"));
  EXPECT_THAT(text, HasSubstr("A key has no NULL"));
  EXPECT_THAT(text, HasSubstr("needs the key `columns`"));
  EXPECT_THAT(text, HasSubstr("needs the key `write_keys`"));
  EXPECT_THAT(text, HasSubstr("is one of the source `a`, too"));
  EXPECT_THAT(text, HasSubstr("the table `t` belongs to the source `a` already"));
}

}  // namespace
}  // namespace tidemark::config
