// What people see: tables, progress lines, and the numbers in them.
#include "base/resource.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "config/sql_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;

Table sample() {
  Table table({{"campaign"}, {"clicks", Align::right}});
  table.add({"Été", "12"});
  table.add({"東京", std::nullopt});
  table.add({"a\tb\nc", "1234"});
  return table;
}

TEST(Table, ColumnsLineUpWhateverTheLetters) {
  EXPECT_EQ(sample().render({}),
            "campaign  clicks\n"
            "────────  ──────\n"
            "Été           12\n"
            "東京        NULL\n"
            "a\\tb\\nc     1234\n");
}

TEST(Table, NullIsDimOnATerminal) {
  EXPECT_THAT(sample().render({.color = true}), HasSubstr("\x1b[2mNULL\x1b[0m"));
}

TEST(Table, TabularKeepsEveryByte) {
  EXPECT_EQ(sample().render({.tabular = true}), "campaign\tclicks\nÉté\t12\n東京\t\\N\na\\tb\\nc\t1234\n");
}

TEST(Table, WideColumnsAreCutToTheTerminal) {
  Table table({{"name"}, {"n", Align::right}});
  table.add({std::string(100, 'x'), "1"});
  EXPECT_EQ(table.render({.width = 20}),
            "name               n\n─────────────────  ─\nxxxxxxxxxxxxxxxx…  1\n");
}

TEST(Table, ReadsWhatClickHouseWrites) {
  Table table = table_of_tsv("name\tsum\nString\tNullable(Decimal(10, 2))\na\\tb\\\\\t1.50\n\\N\t\\N\n", 10);
  EXPECT_EQ(table.rows(), 2U);
  EXPECT_EQ(table.render({.tabular = true}), "name\tsum\na\\tb\\\\\t1.50\n\\N\t\\N\n");
  EXPECT_THAT(table.render({}), HasSubstr("a\\tb\\  1.50\n"));
  EXPECT_EQ(table_of_tsv("", 10).rows(), 0U);
  EXPECT_EQ(table_of_tsv("n\nUInt8\n1\n2\n3\n", 2).rows(), 2U);
}

TEST(Table, ControlCharactersDoNotReachTheTerminal) {
  Table table({{"x"}});
  table.add({"\x1b[31mred"});
  EXPECT_THAT(table.render({}), testing::Not(HasSubstr("\x1b")));
}

TEST(Progress, LineHasShareRateAndTimeLeft) {
  ManualClock clock;
  Progress progress("copying clicks", "rows", 1'000'000, Progress::Mode::silent, clock);
  clock.advance(2'000'000);
  progress.set(250'000);
  EXPECT_EQ(progress.line(), "copying clicks  25 %  250,000 rows  125 k/s  7 s left");
}

TEST(Progress, UnknownTotalHasNoBar) {
  ManualClock clock;
  Progress progress("reading", "rows", 0, Progress::Mode::silent, clock);
  clock.advance(1'000'000);
  progress.set(10);
  EXPECT_EQ(progress.line(), "reading  10 rows  10/s");
}

TEST(Progress, PlainLinesComeAtMostEveryFiveSeconds) {
  testing::internal::CaptureStderr();
  {
    ManualClock clock;
    Progress progress("t", "rows", 100, Progress::Mode::lines, clock);
    for (int second = 1; second <= 11; ++second) {
      clock.advance(1'000'000);
      progress.set(static_cast<uint64_t>(second));
    }
  }
  std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;  // after 5 s, after 10 s, the last
}

TEST(Numbers, AreWrittenForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(short_number(999), "999");
  EXPECT_EQ(short_number(1250), "1.2 k");
  EXPECT_EQ(short_number(310'400), "310 k");
  EXPECT_EQ(short_number(999'900), "1.0 M");
  EXPECT_EQ(short_duration(200), "3 min 20 s");
  EXPECT_EQ(json_quoted("a\"b\\\n\x01"), "\"a\\\"b\\\\\\n\\u0001\"");
  EXPECT_EQ(counted(1, "error") + counted(2, "error"), "1 error2 errors");
}

TEST(Resources, ThePacksAreInTheProgram) {
  EXPECT_THAT(resources("packs/adtech/"), Contains("packs/adtech/tidemark.yaml"));
  auto text = resource("packs/adtech/tidemark.yaml");
  ASSERT_TRUE(text);
  EXPECT_THAT(std::string(*text), HasSubstr("project: adtech"));
  EXPECT_FALSE(resource("packs/adtech/nothing"));
}

TEST(Sql, FormatClausesAreFound) {
  using config::has_format_clause;
  EXPECT_TRUE(has_format_clause("SELECT 1 FORMAT JSON"));
  EXPECT_TRUE(has_format_clause("select 1 format TSV settings max_threads = 1;"));
  EXPECT_FALSE(has_format_clause("SELECT 1"));
  EXPECT_FALSE(has_format_clause("SELECT ' FORMAT JSON'"));
  EXPECT_FALSE(has_format_clause("SELECT 1 -- FORMAT JSON"));
  EXPECT_FALSE(has_format_clause("SELECT format FROM t"));
  EXPECT_FALSE(has_format_clause("SELECT format('{}', 1)"));
}

}  // namespace
}  // namespace tidemark::cli
