#include "cli/project_from_postgres.h"

#include "config/project.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace tidemark::cli {
namespace {

using postgres::SourceColumn;
using postgres::SourceTable;
using postgres::WireType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

SourceColumn column(const std::string& name, WireType wire, bool not_null = true) {
  SourceColumn one;
  one.name = name;
  one.wire = wire;
  one.not_null = not_null;
  return one;
}

SourceTable table(const std::string& name, double rows, std::vector<SourceColumn> columns,
                  bool keyed = true) {
  SourceTable one;
  one.schema = "public";
  one.name = name;
  one.estimated_rows = rows;
  one.columns = {column("id", WireType::int8)};
  one.columns[0].key_position = keyed ? 0 : -1;
  for (auto& next : columns) one.columns.push_back(std::move(next));
  if (keyed) one.key = {0};
  return one;
}

TEST(ProjectFromPostgresTest, TheTimeIsWhenARowCameToBe) {
  auto chosen = [](std::vector<SourceColumn> columns) {
    SourceTable one = table("t", 1, std::move(columns));
    const SourceColumn* time = time_column(one);
    return time == nullptr ? std::string() : time->name;
  };
  EXPECT_EQ(
      chosen({column("updated_at", WireType::timestamptz), column("created_at", WireType::timestamptz)}),
      "created_at");
  EXPECT_EQ(chosen({column("shipped", WireType::date), column("createdAt", WireType::timestamp, false)}),
            "createdAt");
  EXPECT_EQ(chosen({column("seen", WireType::timestamptz, false), column("came", WireType::date)}), "came");
  for (const char* other : {"updated_at", "deletedAt", "birth_date", "expires_at", "due_on", "last_login"})
    EXPECT_EQ(chosen({column(other, WireType::timestamptz)}), "") << other;
  EXPECT_EQ(chosen({column("created_at", WireType::text)}), "");
}

TEST(ProjectFromPostgresTest, NamesBecomeIdentifiers) {
  EXPECT_EQ(identifier_from("Shop-DB"), "shop_db");
  EXPECT_EQ(identifier_from("2nd"), "p2nd");
  EXPECT_EQ(identifier_from("\xc3\xa9"), "p");
  EXPECT_EQ(identifier_from(std::string(80, 'a')).size(), 40);
}

TEST(ProjectFromPostgresTest, WhatIsWrittenLoads) {
  SourceTable orders =
      table("orders", 1000, {column("created_at", WireType::timestamptz), column("status", WireType::text)});
  SourceTable visits = table("visits", 5000, {column("day", WireType::date, false)});
  SourceTable odd = table("Odd `name' \\", 3, {});
  odd.schema = "shop";
  auto draft =
      draft_project("shop", "DATABASE_URL",
                    {orders, visits, odd, table("log", 9, {}, false), table("schema_migrations", 9, {})});
  ASSERT_TRUE(draft) << draft.error().describe();
  EXPECT_EQ(draft->tables, 3);
  EXPECT_THAT(draft->left_out, ElementsAre(Pair("log", HasSubstr("no primary key")),
                                           Pair("schema_migrations", HasSubstr("a tool"))));
  std::filesystem::path root =
      std::filesystem::temp_directory_path() / fmt::format("project_from_postgres_test.{}", getpid());
  std::map<std::string, std::string> files(draft->files.begin(), draft->files.end());
  for (const auto& [name, text] : files) {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary) << text;
  }
  config::LoadedProject loaded = config::load_project(root, {.offline = true});
  std::filesystem::remove_all(root);
  ASSERT_TRUE(loaded.ok()) << config::render(loaded.errors);
  const auto& project = loaded.project;
  ASSERT_EQ(project.sources.size(), 1);
  EXPECT_THAT(project.sources[0].tables, ElementsAre("visits", "orders", "shop.\"Odd `name' \\\""));
  ASSERT_EQ(project.models.size(), 2);
  EXPECT_EQ(project.models[0].full_name(), "analytics.orders_by_day");
  EXPECT_THAT(project.models[0].sql, HasSubstr("GROUP BY day, series"));
  EXPECT_THAT(project.models[1].sql, HasSubstr("WHERE source.`day` IS NOT NULL"));
  ASSERT_EQ(project.dashboards.size(), 1);
  EXPECT_EQ(project.dashboards[0].tiles.size(), 5) << "two of each with a time, and the rows of the third";
}

TEST(ProjectFromPostgresTest, OnlyLargeTablesGiveADashboardAllTheSame) {
  auto draft = draft_project("shop", "DATABASE_URL", {table("facts", 1e9, {})});
  ASSERT_TRUE(draft);
  EXPECT_THAT(draft->files.back().second, HasSubstr("chart: text"));
  auto none = draft_project("shop", "DATABASE_URL", {table("log", 9, {}, false)});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("no table with a primary key"));
}

}  // namespace
}  // namespace tidemark::cli
