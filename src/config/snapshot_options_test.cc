#include "config/snapshot_options.h"

#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace tidemark::config {
namespace {

class SnapshotOptionsTest : public testing::Test {
 protected:
  SnapshotOptionsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-snapshot-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(root_ / "sources");
    std::ofstream(root_ / "tidemark.yaml") << "project: shop\n";
  }
  ~SnapshotOptionsTest() override { std::filesystem::remove_all(root_); }
  void source(const std::string& name, const std::string& rest) {
    std::ofstream(root_ / "sources" / (name + ".yaml"))
        << "source: " << name << "\npostgres:\n  url: postgresql://localhost/x\n  tables: [" << name << "]\n"
        << rest;
  }
  // Messages of the project as it is.
  std::string messages() {
    std::string text;
    for (const auto& error : load_project(root_).errors) text += error.message + "\n";
    return text;
  }
  std::filesystem::path root_;
};

TEST_F(SnapshotOptionsTest, AreThoseOfEachSource) {
  source("one", "  snapshot: { range_megabytes: 64, max_rows_per_second: 5000 }\n");
  source("two", "");
  EXPECT_EQ(messages(), "");
  auto options = load_snapshot_options(root_);
  ASSERT_TRUE(options) << options.error().describe();
  ASSERT_EQ(options->size(), 1u);
  EXPECT_EQ(options->at("one").range_megabytes, 64);
  EXPECT_EQ(options->at("one").rows_per_second_max, 5000);
}

TEST_F(SnapshotOptionsTest, AreRefusedWhereTheyAreWrong) {
  source("one", "  snapshot: { range_megabytes: 0, rows: 5 }\n");
  EXPECT_NE(messages().find("range_megabytes"), std::string::npos) << messages();
  EXPECT_NE(messages().find("unknown key `rows`"), std::string::npos) << messages();
  EXPECT_FALSE(load_snapshot_options(root_));
  source("one", "  mode: batch\n  snapshot: { range_megabytes: 1 }\n");
  EXPECT_EQ(messages(), "`snapshot` belongs to `mode: cdc`\n");
}

}  // namespace
}  // namespace tidemark::config
