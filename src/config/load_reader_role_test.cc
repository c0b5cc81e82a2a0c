#include "config/reader_role.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::HasSubstr;

class ReaderRoleTest : public testing::Test {
 protected:
  ReaderRoleTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-roles-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~ReaderRoleTest() override { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories(root_ / "roles");
    std::ofstream(root_ / "roles" / file) << text;
  }
  // All mistakes, as they are shown.
  std::string mistakes(bool offline = false) {
    std::vector<Diagnostic> errors;
    load_reader_roles(root_, offline, errors);
    return render(errors);
  }
  std::filesystem::path root_;
};

TEST_F(ReaderRoleTest, ReadsEverything) {
  write("analyst.yaml",
        "role: analyst\npassword: ${env:NOBODY_SETS_THIS:-twelve-or-more}\nmodels: [\"shop.*\", "
        "silver.orders]\n"
        "columns: { silver.orders: [id, total] }\nrows: { silver.orders: \"NOT test\" }\n");
  write("guest.yaml", "role: guest\npassword: ${env:NOBODY_SETS_THIS:-}\nmodels: shop.days\n");
  write(".hidden.yaml", "nonsense");
  auto roles = load_reader_roles(root_);
  ASSERT_TRUE(roles) << roles.error().describe();
  ASSERT_EQ(roles->size(), 2u);
  const ReaderRole& analyst = roles->at(0);
  EXPECT_EQ(analyst.password.reveal(), "twelve-or-more");
  EXPECT_THAT(analyst.models, testing::ElementsAre("shop.*", "silver.orders"));
  EXPECT_THAT(analyst.columns.at("silver.orders"), testing::ElementsAre("id", "total"));
  EXPECT_EQ(analyst.rows.at("silver.orders"), "NOT test");
  EXPECT_TRUE(roles->at(1).password.empty());
}

TEST_F(ReaderRoleTest, WithoutAFolderThereAreNone) {
  auto roles = load_reader_roles(root_);
  ASSERT_TRUE(roles);
  EXPECT_TRUE(roles->empty());
}

TEST_F(ReaderRoleTest, EveryMistakeIsReported) {
  write("a.yaml", "role: a\npassword: short\nmodels: [bronze.orders, nothing]\ncolumns: { shop.days: [] }\n");
  write("b.yaml", "role: reader\nmodel: [shop.days]\n");
  write("c.yaml", "role: a\nmodels: [shop.days]\n");
  std::string text = mistakes();
  for (const char* wanted : {"a password has at least 12 characters", "`bronze.orders` is not for readers",
                             "`nothing` is no model", "`columns` takes a list by model",
                             "`reader` is the name of a database or an account already",
                             "unknown key `model`", "the role `a` is declared already"})
    EXPECT_THAT(text, HasSubstr(wanted));
}

TEST_F(ReaderRoleTest, OfflineVariablesNeedNotBeSet) {
  write("a.yaml", "role: a\npassword: ${env:NOBODY_SETS_THIS}\nmodels: [shop.days]\n");
  EXPECT_EQ(mistakes(true), "");
  EXPECT_THAT(mistakes(), HasSubstr("NOBODY_SETS_THIS"));
}

}  // namespace
}  // namespace tidemark::config
