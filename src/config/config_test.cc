// The small parts: carets, nearest words, durations, lists, UTF-8.
#include "config/report.h"
#include "config/sql_file.h"
#include "config/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;

TEST(Diagnostic, CaretStandsUnderItsCharacter) {
  Diagnostic diagnostic{{"a.yaml", 2, 6}, "wrong", "fix it", "\tké: x"};
  // column 6 is the x's byte-colon pair's place: tab, k, two bytes of é, colon, space
  EXPECT_EQ(diagnostic.render(), "a.yaml:2:6: wrong\n  \tké: x\n  \t   ^\n  fix it\n");
  EXPECT_EQ((Diagnostic{{"a.yaml"}, "wrong", "", ""}).render(), "a.yaml: wrong\n");
  EXPECT_EQ((Diagnostic{{"a.yaml", 3, 0}, "wrong", "", "line"}).render(), "a.yaml:3: wrong\n  line\n");
}

TEST(Nearest, FindsTypingErrorsOnly) {
  std::vector<std::string> words = {"publication", "slot", "tables", "url"};
  EXPECT_EQ(nearest("pubilcation", words), "publication");
  EXPECT_EQ(nearest("table", words), "tables");
  EXPECT_EQ(nearest("SLOT", words), "slot");
  EXPECT_EQ(nearest("password", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(did_you_mean("ulr", words), " (did you mean `url`?)");
}

TEST(Parse, Durations) {
  EXPECT_EQ(parse_duration_seconds("30s"), 30);
  EXPECT_EQ(parse_duration_seconds("5m"), 300);
  EXPECT_EQ(parse_duration_seconds("24h"), 86400);
  EXPECT_EQ(parse_duration_seconds("1 w"), 604800);
  for (const char* wrong :
       {"", "5", "m", "-5m", "5 minutes", "1.5h", "99999999999999999999d", "9223372036854775807w"})
    EXPECT_EQ(parse_duration_seconds(wrong), std::nullopt) << wrong;
}

TEST(Parse, Sizes) {
  EXPECT_EQ(parse_size_bytes("512"), 512);
  EXPECT_EQ(parse_size_bytes("2 GiB"), int64_t{2} << 30);
  EXPECT_EQ(parse_size_bytes("64KB"), 64000);
  EXPECT_EQ(parse_size_bytes("64 kilobytes"), std::nullopt);
}

TEST(Parse, ListenAddresses) {
  auto address = [](const char* text) -> std::string {
    auto parsed = parse_listen(text);
    return parsed ? parsed->host + "|" + std::to_string(parsed->port) : "none";
  };
  EXPECT_EQ(address("127.0.0.1:8088"), "127.0.0.1|8088");
  EXPECT_EQ(address("[::1]:0"), "::1|0");
  EXPECT_EQ(address("8088"), "127.0.0.1|8088");
  for (const char* wrong :
       {"", ":8088", "::1:8088", "host", "host:", "host:99999", "host:-1", "http://h:1", "a b:1"})
    EXPECT_EQ(address(wrong), "none") << wrong;
}

TEST(SqlFile, ListsSplitOutsideBracketsAndQuotes) {
  EXPECT_THAT(split_list("a, f(b, c) ,'x,y', [1, 2]"), ElementsAre("a", "f(b, c)", "'x,y'", "[1, 2]"));
  EXPECT_THAT(split_list(" , "), testing::IsEmpty());
}

TEST(Report, Utf8) {
  EXPECT_EQ(first_invalid_utf8("plain ü € 𝄞"), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("ab\xC0\x80"), 2U);    // overlong
  EXPECT_EQ(first_invalid_utf8("\xED\xA0\x80"), 0U);  // surrogate
  EXPECT_EQ(first_invalid_utf8("a\xE2\x82"), 1U);     // cut short
  EXPECT_EQ(first_invalid_utf8(std::string_view("a\0b", 3)), 1U);
}

TEST(YamlReader, ReportsOnlyWhatWasNeverAskedFor) {
  Report report(".");
  std::string text = "size: 1 MiB\nratio: 0.5\nflag: yes\nword: thre\nextra: 1\n";
  report.add_text("t.yaml", text);
  Environment environment(false);
  auto node = parse_yaml(report, "t.yaml", text);
  ASSERT_TRUE(node);
  MappingReader mapping({report, environment}, *node, "a thing");
  EXPECT_EQ(mapping.size_bytes("size"), 1 << 20);
  EXPECT_EQ(mapping.number("ratio", 0, 1), 0.5);
  EXPECT_FALSE(mapping.boolean("flag"));
  EXPECT_EQ(mapping.choice<int>("word", {{"one", 1}, {"three", 3}}, 7), 7);
  mapping.finish();
  std::string wrong = render(report.take_errors());
  EXPECT_EQ(wrong,
            "t.yaml:3:7: `flag` must be true or false, not `yes`\n  flag: yes\n        ^\n\n"
            "t.yaml:4:7: `word` cannot be `thre` (did you mean `three`?)\n  word: thre\n        ^\n"
            "  Allowed: `one`, `three`.\n\n"
            "t.yaml:5:1: unknown key `extra` in a thing\n  extra: 1\n  ^\n"
            "  Known keys: `size`, `ratio`, `flag`, `word`.\n");
}

}  // namespace
}  // namespace tidemark::config
