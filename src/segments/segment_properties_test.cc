// Conditions over properties, each operator on real data with the keys it must find.
#include "segments/test_segments.h"

namespace tidemark::segments {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Keys = std::set<std::string>;

class SegmentProperties : public SegmentsTest {
 protected:
  void expect(const std::string& where, const Keys& keys) { EXPECT_EQ(members(where, now_), keys) << where; }

  const int64_t now_ = 1'780'000'000 * second_us;
};

TEST_F(SegmentProperties, TextsAndNumbers) {
  person("a",
         R"({"industry":"Marketing","size":50,"title":"CEO and founder","nested":{"city":"Köln","a b":1}})");
  person("b", R"({"industry":"marketing","size":"49.5","title":"ceo","nested":{"city":""}})");
  person("c", R"({"industry":"","size":"many","nested":null})");
  person("d", R"({"industry":null,"size":"1e2","vip":true})");
  person("e", R"({"size":-3,"vip":"true","nested":"flat"})");
  person("f", "not json");
  expect("{property: industry, eq: Marketing}", {"a"});
  expect("{property: industry, neq: Marketing}", {"b", "c", "d", "e", "f"});
  expect("{property: industry, in: [Marketing, marketing]}", {"a", "b"});
  expect("{property: industry, not_in: [Marketing, marketing]}", {"c", "d", "e", "f"});
  expect("{property: industry, eq: \"\"}", {"c"});
  expect("{property: industry, exists: true}", {"a", "b"});
  expect("{property: industry, exists: false}", {"c", "d", "e", "f"});
  expect("{property: industry, not_exists: true}", {"c", "d", "e", "f"});
  expect("{property: size, gte: 50}", {"a", "d"});
  expect("{property: size, gt: 50}", {"d"});
  expect("{property: size, lt: 50}", {"b", "e"});
  expect("{property: size, lte: 49.50}", {"b", "e"});
  expect("{property: size, between: [49.5, 50]}", {"a", "b"});
  expect("{property: size, gte: 49.5, lt: 50}", {"b"});
  expect("{property: size, eq: 100}", {"d"});
  expect("{property: size, eq: \"100\"}", {});
  expect("{property: size, in: [50, 1e2, many]}", {"a", "c", "d"});
  expect("{property: title, contains: CEO}", {"a"});
  expect("{property: title, contains: ceo, ignore_case: true}", {"a", "b"});
  expect("{property: title, not_contains: CEO}", {"b", "c", "d", "e", "f"});
  expect("{property: title, starts_with: CEO}", {"a"});
  expect("{property: title, ends_with: founder}", {"a"});
  expect("{property: title, matches: '^C.O\\b'}", {"a"});
  expect("{property: title, matches: '^c.o\\b', ignore_case: true}", {"a", "b"});
  expect("{property: title, not_matches: '^C.O\\b'}", {"b", "c", "d", "e", "f"});
  expect("{property: nested.city, eq: Köln}", {"a"});
  expect("{property: nested.city, exists: true}", {"a"});
  expect("{property: [nested, a b], eq: 1}", {"a"});
  expect("{property: nested, eq: flat}", {"e"});
  expect("{property: vip, eq: true}", {"d", "e"});
  expect("{property: nowhere, exists: true}", {});
}

TEST_F(SegmentProperties, Trees) {
  person("a", R"({"x":1,"y":1})");
  person("b", R"({"x":1})");
  person("c", R"({"y":1})");
  person("d");
  expect("everyone", {"a", "b", "c", "d"});
  expect("nobody", {});
  expect("{all: [{property: x, eq: 1}, {property: y, eq: 1}]}", {"a"});
  expect("{any: [{property: x, eq: 1}, {property: y, eq: 1}]}", {"a", "b", "c"});
  expect("{not: {any: [{property: x, eq: 1}, {property: y, eq: 1}]}}", {"d"});
  expect("{not: {all: [{property: x, eq: 1}, {not: {property: y, eq: 1}}]}}", {"a", "c", "d"});
  expect("[{property: x, eq: 1}, {not: {property: y, eq: 1}}]", {"b"});
  std::string deep = "{property: x, eq: 1}";
  for (int level = 0; level < 7; ++level)
    deep = "{any: [{property: z, eq: 1}, {all: [" + deep + ", everyone]}]}";
  expect(deep, {"a", "b"});
}

TEST_F(SegmentProperties, Lists) {
  person("a", R"({"tags":["x","y"],"items":[{"sku":"A","qty":1},{"sku":"B","qty":5}]})");
  person("b", R"({"tags":["y",3],"items":[{"sku":"A","qty":5}]})");
  person("c", R"({"tags":"x","items":{"sku":"A","qty":9}})");
  person("d", R"({"tags":[]})");
  expect("{property: tags, has: x}", {});
}

}  // namespace
}  // namespace tidemark::segments
