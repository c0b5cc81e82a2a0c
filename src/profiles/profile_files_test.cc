// Files of profiles/: what they may say, and what is told about mistakes.
#include "profiles/profile_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::profiles {
namespace {

using testing::HasSubstr;

struct Read {
  std::optional<Definition> definition;
  std::string errors;
};

Read read(const std::string& yaml) {
  config::Report report("");
  config::Environment environment(true);
  report.add_text("p.yaml", yaml);
  Read result;
  if (auto node = config::parse_yaml(report, "p.yaml", yaml))
    result.definition = read_profiles({report, environment}, *node);
  result.errors = config::render(report.take_errors());
  return result;
}

TEST(ProfileFiles, TheUsualIdsNeedNoWords) {
  auto found = read("profiles: cdp.profiles\n");
  EXPECT_EQ(found.errors, "");
  ASSERT_EQ(found.definition->kinds.size(), 5u);
  EXPECT_EQ(found.definition->kinds.front().name, "user_id");
  EXPECT_EQ(found.definition->kinds.front().limit, 1u);
  EXPECT_EQ(found.definition->slug(), "cdp_profiles");
  found = read(
      "profiles: cdp.profiles\nids: [user_id, { name: email, limit: 2 }, { name: card, from: traits.card }]\n"
      "tables: [{ table: bronze.customers, ids: { card: number, user_id: id }, columns: [plan] }]\n");
  EXPECT_EQ(found.errors, "");
  EXPECT_EQ(found.definition->kinds[1].limit, 2u);
  EXPECT_TRUE(found.definition->kinds[1].ignore_case);
  // In the order of the kinds, strongest first.
  EXPECT_EQ(found.definition->tables.front().ids.front().first, "user_id");
  EXPECT_EQ(found.definition->tables.front().table, "customers");
}

TEST(ProfileFiles, MistakesHavePlaces) {
  EXPECT_THAT(read("profiles: profiles\n").errors, HasSubstr("p.yaml:1:11"));
  EXPECT_THAT(read("profiles: bronze.people\n").errors, HasSubstr("not for models"));
  EXPECT_THAT(read("profiles: a.b\nids: [fax]\n").errors, HasSubstr("`fax` is no id"));
  EXPECT_THAT(read("profiles: a.b\nids: [{ name: fax, from: fax.number }]\n").errors,
              HasSubstr("no place in an event"));
  EXPECT_THAT(read("profiles: a.b\nids: [user_id, user_id]\n").errors, HasSubstr("declared twice"));
  EXPECT_THAT(read("profiles: a.b\nids: [{ name: traits, from: user_id }]\n").errors,
              HasSubstr("a column of profiles"));
  EXPECT_THAT(read("profiles: a.b\nids: [{ name: email, limit: 0 }]\n").errors, HasSubstr("p.yaml:2"));
  EXPECT_THAT(read("profiles: a.b\ntables: [{ table: c, ids: { fax: x } }]\n").errors, HasSubstr("fax"));
  EXPECT_THAT(read("profiles: a.b\nidz: []\n").errors, HasSubstr("ids"));
}

}  // namespace
}  // namespace tidemark::profiles
