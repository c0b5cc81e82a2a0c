#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LoadAuditTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::string(TIDEMARK_BINARY_DIR) + "/audits-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    write("tidemark.yaml", "project: test\n");
    write("models/a/m.sql",
          "-- audit: not_null(id) severity=blocking, accepted_values(s, 'x, y', z) severity=warning\n"
          "-- audit: unique(id)\n-- audit: sql(orphans)\n-- freshness: 5m\nSELECT 1 AS id, 'x' AS s\n");
    write("audits/orphans.sql",
          "-- model: a.m, bronze.t\n-- severity: warning\n-- description: nobody's\nSELECT 1 WHERE 0;\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  LoadedProject load() { return load_project(root_, {.offline = true}); }

  std::filesystem::path root_;
};

TEST_F(LoadAuditTest, LinesAndFiles) {
  LoadedProject loaded = load();
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  const ModelFile& model = loaded.project.models.at(0);
  ASSERT_EQ(model.audits.size(), 4u);
  EXPECT_EQ(model.audits[0].call, "not_null(id)");
  EXPECT_EQ(model.audits[0].severity, AuditSeverity::blocking);
  EXPECT_EQ(model.audits[1].call, "accepted_values(s, 'x, y', z)");
  EXPECT_EQ(model.audits[1].severity, AuditSeverity::warning);
  EXPECT_EQ(model.audits[2].severity, AuditSeverity::error);
  EXPECT_EQ(model.freshness_seconds, 300);
  const AuditFile& file = loaded.project.audits.at(0);
  EXPECT_EQ(file.name, "orphans");
  EXPECT_THAT(file.models, ElementsAre("a.m", "bronze.t"));
  EXPECT_EQ(file.severity, AuditSeverity::warning);
  EXPECT_EQ(file.sql, "SELECT 1 WHERE 0");
}

TEST_F(LoadAuditTest, MistakesSayWhatToWrite) {
  write("models/a/m.sql",
        "-- audit: not_null(id) severity=blockin\n-- audit: unique(id) later\n-- audit: sql(orphan)\n"
        "-- freshness: soon\nSELECT 1 AS id\n");
  write("audits/orphans.sql", "-- models: a.m\n-- model: a.n\nSELECT {x:Int8}\n");
  std::string text = render(load().errors);
  EXPECT_THAT(text,
              HasSubstr("models/a/m.sql:1:11: `severity` cannot be `blockin` (did you mean `blocking`?)"));
  EXPECT_THAT(text, HasSubstr("models/a/m.sql:2:11: `later` behind an audit is not understood"));
  EXPECT_THAT(text, HasSubstr("there is no file audits/orphan.sql (did you mean `orphans`?)"));
  EXPECT_THAT(text, HasSubstr("models/a/m.sql:4:15: `freshness` must be a duration, not `soon`"));
  EXPECT_THAT(text, HasSubstr("unknown key `models` in an audit's header (did you mean `model`?)"));
  EXPECT_THAT(text, HasSubstr("audits/orphans.sql:2:11: there is no model `a.n` (did you mean `a.m`?)"));
  EXPECT_THAT(text, HasSubstr("an audit has no parameters"));
}

}  // namespace
}  // namespace tidemark::config
