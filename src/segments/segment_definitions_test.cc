// Reading definitions: mistakes with their places, one meaning one fingerprint, JSON and filter tuples.
#include "clickhouse/test_server.h"
#include "segments/canonical.h"
#include "segments/definition_reader.h"
#include "segments/segment_files.h"

#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::segments {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Read {
  std::optional<Definition> definition;
  std::string errors;
};

Read read_yaml(const std::string& yaml) {
  config::Report report("");
  config::Environment environment(true);
  report.add_text("s.yaml", yaml);
  auto node = config::parse_yaml(report, "s.yaml", yaml);
  Read read;
  if (node) read.definition = read_definition({report, environment}, *node);
  read.errors = config::render(report.take_errors());
  return read;
}

Read read_where(const std::string& where) {
  return read_yaml("segment: s\nentity: a.b\nwhere: " + where + "\n");
}

Read read_json(const std::string& json) {
  config::Report report("");
  config::Environment environment(false, [](const std::string&) { return std::nullopt; });
  Read read;
  if (auto node = parse_json(report, json)) read.definition = read_definition({report, environment}, *node);
  read.errors = config::render(report.take_errors());
  return read;
}

std::string version(const std::string& where) {
  Read read = read_where(where);
  EXPECT_EQ(read.errors, "") << where;
  return read.definition ? fingerprint(*read.definition) : "";
}

TEST(Definitions, TheExampleOfTheDesign) {
  Read read = read_yaml(R"(segment: high_fit
entity: cdp.entities
where:
  all:
    - { property: industry, eq: Marketing }
    - { property: company_size, gte: 50 }
    - { property: job_title, contains: CEO }
    - any:
        - { property: budget, gte: 10000 }
        - { event: demo_requested, count: { gte: 2 }, within: 30d, where: { plan: { in: [pro, team] } } }
notify: [crm_webhook, segment_topic]
)");
  ASSERT_EQ(read.errors, "");
  EXPECT_EQ(read.definition->name, "high_fit");
  EXPECT_THAT(read.definition->notify, testing::ElementsAre("crm_webhook", "segment_topic"));
  EXPECT_EQ(
      canonical_text(read.definition->condition),
      "{\"all\":[{\"any\":[{\"events\":{\"names\":[\"demo_requested\"],\"prefixes\":[],\"where\":[{"
      "\"property\":"
      "[\"plan\"],\"in\":[\"pro\",\"team\"]}]},\"older\":2592000,\"count\":[2,null]},{\"property\":["
      "\"budget\"],"
      "\"number\":{\"gte\":10000}}]},{\"property\":[\"company_size\"],\"number\":{\"gte\":50}},{\"property\":"
      "[\"industry\"],\"in\":[\"Marketing\"]},{\"property\":[\"job_title\"],\"contains\":\"CEO\"}]}");
}

TEST(Definitions, OneMeaningIsOneVersion) {
  EXPECT_EQ(version("{all: [{property: a, eq: 1}, {event: x, within: 1d}]}"),
            version("[{event: [x], within: 24h, count: {gt: 0}}, {property: a, in: [1.0]}]"));
  EXPECT_EQ(version("{property: a, in: [x, y, x]}"), version("{property: a, in: [y, x]}"));
  EXPECT_EQ(version("{property: a, neq: x}"), version("{not: {property: a, in: [x]}}"));
  EXPECT_EQ(version("{not: {not: {property: a, exists: true}}}"),
            version("{property: a, not_exists: false}"));
  EXPECT_EQ(version("{all: [{all: [{property: a, eq: 1}]}, {property: b, eq: 1}]}"),
            version("{all: [{property: b, eq: 1}, {property: a, eq: 1}]}"));
  EXPECT_EQ(version("everyone"), version("{not: nobody}"));
  EXPECT_EQ(version("{event: x, where: {a: 1, b: [x, y]}}"),
            version("{event: x, where: {b: {in: [y, x]}, a: {eq: 1}}}"));
  EXPECT_EQ(version("{property: d, after: 2026-05-03}"),
            version("{property: d, after: 2026-05-03T00:00:00}"));
  EXPECT_NE(version("{property: a, eq: 1}"), version("{property: a, eq: \"1\"}"));
  EXPECT_NE(version("{event: x, within: 1d}"), version("{event: x, within: 2d}"));
  EXPECT_NE(version("{property: a, contains: x}"), version("{property: a, contains: x, ignore_case: true}"));
  EXPECT_NE(version("{random: 10%}"), version("{random: 10%, seed: other}"));
  // Names, notifications and options are not who is in.
  Read one = read_yaml("segment: one\nentity: a.b\nwhere: everyone\nnotify: [x]\ncooldown: 1h\n");
  Read other = read_yaml("segment: other\nentity: a.b\nwhere: everyone\ninitial: all\n");
  EXPECT_EQ(fingerprint(*one.definition), fingerprint(*other.definition));
}

TEST(Definitions, MistakesHaveAPlaceAndAWayOut) {
  struct Case {
    const char* where;
    const char* place;
    const char* message;
  };
  for (const Case& one : std::vector<Case>{
           {"{propery: a, eq: 1}", "s.yaml:3:9", "did you mean `property`?"},
           {"{property: a, eqq: 1}", "s.yaml:3:22", "did you mean `eq`?"},
           {"{property: a}", "s.yaml:3", "without an operator"},
           {"{property: a, gte: many}", "s.yaml:3:27", "`many` is not a number"},
           {"{property: a, gte: 2026-05-03}", "s.yaml:3:27", "within_last"},
           {"{property: a, in: []}", "s.yaml:3:26", "empty"},
           {"{property: a, between: [1]}", "s.yaml:3:31", "two numbers"},
           {"{property: a, eq: }", "s.yaml:3", "no value"},
           {"{property: a, on: someday}", "s.yaml:3:26", "is not a date"},
           {"{property: a, on: 2026-02-30}", "s.yaml:3:26", "is not a date"},
           {"{property: a, has_been: pro}", "s.yaml:3", "at_least"},
           {"{property: a, at_least: 7d}", "s.yaml:3", "without `has_been`"},
           {"{property: a..b, eq: 1}", "s.yaml:3:19", "name is missing"},
           {"{event: x, within: soon}", "s.yaml:3:27", "is not a duration"},
           {"{event: x, within: 3 months}", "s.yaml:3:27", "is not a duration"},
           {"{event: x, count: {lt: 0}}", "s.yaml:3:26", "no count can be that"},
           {"{event: x, count: 1.5}", "s.yaml:3:26", "not a count"},
           {"{event: x, count: 1, last: {a: 1}}", "s.yaml:3:8", "tests one thing"},
           {"{event: x, within: 1d, from: 2026-05-03}", "s.yaml:3", "either relative or absolute"},
           {"{event: \"a*b\"}", "s.yaml:3:16", "only at the end"},
           {"{event: x, between_ago: [1d, 1d]}", "s.yaml:3:32", "no time lies in this window"},
           {"{event: x, regularly: {times: 1, periods: 5, of: 4}}", "s.yaml:3", "5 of 4"},
           {"{sequence: [{event: x}], within: 1h}", "s.yaml:3:19", "two steps"},
           {"{sequence: [{event: x}, {event: y}]}", "s.yaml:3:8", "`within`"},
           {"{all: []}", "s.yaml:3:14", "an empty list"},
           {"{property: a, eq: 1, event: x}", "s.yaml:3:8", "are two conditions"},
           {"{random: 120%}", "s.yaml:3:17", "percentage"},
           {"{users: a.b, by: [x]}", "s.yaml:3:8", "`any`, `all` and `none`"},
           {"{related: orders, on: {a: b}}", "s.yaml:3:18", "no database"},
           {"{related: b.o, on: {a: b}, where: [{related: b.p, on: {a: b}, where: [{related: b.q, on: {a: "
            "b}}]}]}",
            "s.yaml:3", "at most two tables"},
           {"all", "s.yaml:3:8", "a condition is expected"}}) {
    std::string errors = read_where(one.where).errors;
    EXPECT_THAT(errors, AllOf(HasSubstr(one.place), HasSubstr(one.message))) << one.where;
  }
  EXPECT_THAT(read_yaml("segment: 1st\nentity: people\nwhere: everyone\nnotfy: [x]\n").errors,
              AllOf(HasSubstr("s.yaml:1:10"), HasSubstr("s.yaml:2:9"), HasSubstr("did you mean `notify`?")));
  EXPECT_THAT(read_yaml("segment: s\nentity: a.b\n").errors, HasSubstr("needs the key `where`"));
}

TEST(Definitions, Bounds) {
  std::string deep = "{property: a, eq: 1}";
  for (int level = 0; level < 20; ++level) deep = "{any: [" + deep + ", everyone]}";
  EXPECT_THAT(read_where(deep).errors, HasSubstr("nested deeper than"));
  std::string many, values;
  for (int index = 0; index < 600; ++index) many += fmt::format("{{property: a{}, eq: 1}}, ", index);
  EXPECT_THAT(read_where("{any: [" + many + "everyone]}").errors, HasSubstr("more than 500 conditions"));
  for (int index = 0; index < 1001; ++index) values += fmt::format("{}, ", index);
  EXPECT_THAT(read_where("{property: a, in: [" + values + "x]}").errors, HasSubstr("more than 1000 values"));
  EXPECT_THAT(read_where("{property: a, eq: " + std::string(5000, 'x') + "}").errors,
              HasSubstr("longer than"));
}

TEST(Definitions, JsonHasPointers) {
  Read read = read_json(R"({"segment":"s","entity":"a.b","where":{"all":[{"property":"size","gte":50},
      {"property":"name","eq":"50"},{"property":["a.b","c"],"exists":true}]}})");
  ASSERT_EQ(read.errors, "");
  EXPECT_EQ(
      fingerprint(*read.definition),
      version(
          "[{property: size, gte: 50}, {property: name, eq: \"50\"}, {property: [a.b, c], exists: true}]"));
  EXPECT_THAT(
      read_json(R"({"segment":"s","entity":"a.b","where":{"all":[{"property":"size","gte":"x"}]}})").errors,
      AllOf(HasSubstr("#/where/all/0/gte"), HasSubstr("is not a number")));
  EXPECT_THAT(read_json(R"({"segment":"s","entity":"a.b","where":{"all":[{"a/b~c":1}]}})").errors,
              HasSubstr("#/where/all/0/a~1b~0c"));
  EXPECT_THAT(read_json(R"({"segment":"s",)").errors, HasSubstr("not valid JSON"));
  EXPECT_THAT(read_json(R"({"segment":"s","entity":"${file:/etc/hostname}","where":"everyone"})").errors,
              HasSubstr("not filled in here"));
}

TEST(Definitions, FilterTuples) {
  auto filter = [](FilterTuple tuple) {
    config::Report report("");
    auto node = read_filter(report, tuple, {"criteria", 1, 0});
    return node ? canonical_text(*node) : config::render(report.take_errors());
  };
  EXPECT_EQ(filter({"industry", "eq", "Marketing", "string"}),
            "{\"property\":[\"industry\"],\"in\":[\"Marketing\"]}");
  EXPECT_EQ(filter({"size", ">=", "50", "number"}), "{\"property\":[\"size\"],\"number\":{\"gte\":50}}");
  EXPECT_EQ(filter({"size", "=", "50", "string"}), "{\"property\":[\"size\"],\"in\":[\"50\"]}");
  EXPECT_EQ(filter({"size", "=", "50.0", "number"}), "{\"property\":[\"size\"],\"in\":[50]}");
  EXPECT_EQ(filter({"plan", "in", R"(["pro","team"])", "array"}),
            "{\"property\":[\"plan\"],\"in\":[\"pro\",\"team\"]}");
  EXPECT_EQ(filter({"a.b", "exists", "", ""}), "{\"property\":[\"a\",\"b\"],\"exists\":true}");
  EXPECT_EQ(filter({"vip", "!=", "true", "boolean"}), "{\"not\":{\"property\":[\"vip\"],\"in\":[true]}}");
  EXPECT_EQ(filter({"at", "before", "2026-05-03", "date"}),
            "{\"property\":[\"at\"],\"before\":\"2026-05-03 00:00:00\"}");
  EXPECT_THAT(filter({"a", "contians", "x", "string"}), HasSubstr("did you mean `contains`?"));
  EXPECT_THAT(filter({"a", "eq", "x", "strng"}), HasSubstr("did you mean `string`?"));
  EXPECT_THAT(filter({"a", "gte", "x", "number"}), HasSubstr("is not a number"));
  // Tuples in a definition: a list of four, or with their names.
  EXPECT_EQ(version("[[industry, eq, Marketing, string], [size, gte, \"50\", number]]"),
            version("[{property_path: industry, operator: eq, value: Marketing, data_type: string}, "
                    "{property: size, gte: 50}]"));
}

TEST(Definitions, CanonicalNumbers) {
  for (auto [text, number] : {std::pair{"10", "10"},
                              {"010.50", "10.5"},
                              {"1e3", "1000"},
                              {"-1.5e-1", "-0.15"},
                              {"-0", "0"},
                              {".5", "0.5"},
                              {"+5", "5"},
                              {"1e-12", "0"},
                              {"0.12345678999", "0.1234567899"},
                              {"12e-1", "1.2"},
                              {"120e-1", "12"}})
    EXPECT_EQ(canonical_number(text).value_or("none"), number) << text;
  for (const char* text : {"", "x", "1x", " 1", "1 ", "inf", "nan", "0x10", "1e", "1e400000", "--1", ".",
                           "12345678901234567890123456789"})
    EXPECT_FALSE(canonical_number(text)) << text;
}

TEST(Definitions, AFolderOfThem) {
  clickhouse::TestDirectory directory;
  std::filesystem::create_directories(directory.path() / "segments");
  auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(directory.path() / "segments" / name) << text;
  };
  write("a.yaml", "segment: a\nentity: x.y\nwhere: {all: [{member: b}, {property: p, eq: 1}]}\n");
  write("b.yaml", "segment: b\nentity: x.y\nwhere: {not: {member: c}}\n");
  write("c.yaml", "segment: c\nentity: x.y\nwhere: everyone\n");
  EXPECT_EQ(config::render(load_segments(directory.path(), true).errors), "");
  write("c.yaml", "segment: c\nentity: x.y\nwhere: {any: [{member: a}, nobody]}\n");
  EXPECT_THAT(config::render(load_segments(directory.path(), true).errors),
              AllOf(HasSubstr("a -> b -> c -> a"), HasSubstr("segments/c.yaml:3:")));
  write("c.yaml", "segment: c\nentity: x.z\nwhere: {member: bb}\n");
  EXPECT_THAT(
      config::render(load_segments(directory.path(), true).errors),
      AllOf(HasSubstr("there is no segment `bb` (did you mean `b`?)"), HasSubstr("is a segment of x.z")));
  write("d.yaml", "segment: a\nentity: x.y\nwhere: everyone\n");
  EXPECT_THAT(config::render(load_segments(directory.path(), true).errors), HasSubstr("declared already in"));
}

}  // namespace
}  // namespace tidemark::segments
