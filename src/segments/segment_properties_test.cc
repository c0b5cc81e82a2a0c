// Conditions over properties, each operator on real data with the keys it must find.
#include "segments/test_segments.h"

namespace tidemark::segments {
namespace {

using Keys = std::set<std::string>;

class SegmentProperties : public SegmentsTest {
 protected:
  void expect(const std::string& where, const Keys& keys) { EXPECT_EQ(members(where, now_), keys) << where; }

  int64_t now_ = 1'780'000'000 * second_us;
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
  add("people", {"'e', NULL, NULL, 0, NULL, NULL, ['red', 'x'], NULL, '{}'"});
  // The column `tags` wins over the key of the same name in the properties.
  expect("{property: tags, has: x}", {"e"});
  expect("{property: properties.tags, has: x}", {"a"});
  expect("{property: properties.tags, has: 3}", {"b"});
  expect("{property: properties.tags, has_any: [x, 3]}", {"a", "b"});
  expect("{property: properties.tags, has_all: [x, y]}", {"a"});
  expect("{property: properties.tags, has_none: [y]}", {"c", "d", "e"});
  expect("{property: items, any_item: {sku: A, qty: {gte: 5}}}", {"b"});
  expect("{property: items, any_item: {sku: B}}", {"a"});
  expect("{not: {property: items, any_item: {sku: {in: [A, B]}}}}", {"c", "d", "e"});
}

TEST_F(SegmentProperties, ColumnsOfTables) {
  add("people", {"'a', 'pro', 10.50, 7, '1990-02-28', '2026-01-01 00:00:00', ['x'], 1, '{}'",
                 "'b', '', NULL, -1, NULL, NULL, [], NULL, '{}'"});
  expect("{property: plan, eq: pro}", {"a"});
  expect("{property: plan, exists: true}", {"a"});
  expect("{property: spend, eq: 10.5}", {"a"});
  expect("{property: spend, gte: 10.49}", {"a"});
  expect("{property: spend, not_exists: true}", {"b"});
  expect("{property: visits, lt: 0}", {"b"});
  expect("{property: visits, between: [-1, 7]}", {"a", "b"});
  expect("{property: born, on: 1990-02-28}", {"a"});
  expect("{property: signed_up, after: 2026-01-01}", {"a"});
  expect("{property: signed_up, before: 2026-01-01}", {});
}

// A condition on dates at instants around its edges: who is in, and that `next_change_at` is the instant of
// the change.
TEST_F(SegmentProperties, DatesMoveWithTheClock) {
  person("a", R"({"at":"2026-05-03T12:00:00Z"})");
  person("none", R"({"at":"soon"})");
  const int64_t noon = at("2026-05-03 12:00:00");
  struct Case {
    std::string where;
    std::vector<int64_t> changes;  // value flips at each, from `before` on
    bool before;
  };
  const int64_t hours = 3600 * second_us;
  for (const Case& one :
       std::vector<Case>{{"{property: at, within_last: 2d}", {noon, noon + 48 * hours}, false},
                         {"{property: at, within_next: 2d}", {noon - 48 * hours, noon}, false},
                         {"{property: at, more_than_ago: 2d}", {noon + 48 * hours}, false},
                         {"{property: at, more_than_ahead: 2d}", {noon - 48 * hours}, true},
                         {"{not: {property: at, within_last: 1h}}", {noon, noon + hours}, true},
                         {"{all: [{property: at, within_last: 2d}, {property: at, more_than_ago: 1d}]}",
                          {noon + 24 * hours, noon + 48 * hours},
                          false},
                         {"{any: [{property: at, within_last: 1h}, {property: at, within_next: 1h}]}",
                          {noon - hours, noon + hours},
                          false},
                         {"{property: at, anniversary: today}",
                          {at("2027-05-03"), at("2027-05-04"), at("2028-05-03"), at("2028-05-04")},
                          false},
                         {"{property: at, anniversary: 7}", {at("2027-04-26"), at("2027-04-27")}, false}}) {
    Definition definition = of_people(one.where);
    bool value = one.before;
    int64_t instant = one.changes.front() - 400 * day_us;
    for (int64_t change : one.changes) {
      // Follow next_change_at; looks may come early, never late.
      for (int looks = 0; instant < change; ++looks) {
        ASSERT_LT(looks, 6) << one.where;
        auto found = answers(definition, instant);
        EXPECT_EQ(found["a"].member, value) << one.where << " at " << instant;
        ASSERT_TRUE(found["a"].next_us) << one.where << " at " << instant;
        ASSERT_GT(*found["a"].next_us, instant) << one.where;
        ASSERT_LE(*found["a"].next_us, change) << one.where;
        EXPECT_FALSE(found["none"].next_us) << one.where;
        instant = *found["a"].next_us;
      }
      EXPECT_EQ(answers(definition, change - second_us)["a"].member, value) << one.where;
      value = !value;
      EXPECT_EQ(answers(definition, change)["a"].member, value) << one.where;
    }
  }
}

TEST_F(SegmentProperties, TheTwentyNinthOfFebruaryReturnsEveryYear) {
  add("people", {"'leap', NULL, NULL, 0, '2000-02-29', NULL, [], NULL, '{}'",
                 "'day', NULL, NULL, 0, '2000-02-28', NULL, [], NULL, '{}'"});
  now_ = at("2027-02-28 12:00:00");
  expect("{property: born, anniversary: today}", {"leap", "day"});
  now_ = at("2028-02-28 12:00:00");
  expect("{property: born, anniversary: today}", {"day"});
  expect("{property: born, anniversary: tomorrow}", {"leap"});
  now_ = at("2028-02-29 12:00:00");
  expect("{property: born, anniversary: today}", {"leap"});
  expect("{property: born, anniversary: yesterday}", {"day"});
  now_ = at("2000-02-29 12:00:00");  // the day itself is no return of it
  expect("{property: born, anniversary: today}", {});
}

TEST_F(SegmentProperties, DaysAreThoseOfTheZone) {
  person("a", R"({"at":"2026-05-02T18:30:00Z"})");  // 2026-05-03 00:00 in Kolkata
  person("b", R"({"at":"2026-05-02T18:29:59Z"})");
  person("c", R"({"at":"2026-05-03"})");  // a day without a zone: midnight of the segment's
  person("d", R"({"at":"2026-05-03T18:30:00Z"})");
  Definition kolkata = of_people("{property: at, on: 2026-05-03}");
  kolkata.time_zone = "Asia/Kolkata";
  Keys in;
  for (auto& [key, answer] : answers(kolkata, now_))
    if (answer.member) in.insert(key);
  EXPECT_EQ(in, (Keys{"a", "c"}));
  expect("{property: at, on: 2026-05-03}", {"c", "d"});
  // 2026-03-29 has 23 hours in Berlin, 2026-10-25 has 25.
  person("short", R"({"day":"2026-03-29"})");
  person("long", R"({"day":"2026-10-25"})");
  for (auto [day, start, end, key] :
       {std::tuple{"2026-03-29", "2026-03-28 23:00:00", "2026-03-29 22:00:00", "short"},
        {"2026-10-25", "2026-10-24 22:00:00", "2026-10-25 23:00:00", "long"}}) {
    Definition berlin = of_people(fmt::format("{{property: day, anniversary: today}}"));
    berlin.time_zone = "Europe/Berlin";
    std::string year = "2025" + std::string(day).substr(4);
    add("people",
        {fmt::format("'{}', NULL, NULL, 0, NULL, NULL, [], NULL, '{{\"day\":\"{}\"}}'", key, year)});
    auto found = answers(berlin, at(start) - second_us);
    EXPECT_FALSE(found[key].member);
    EXPECT_EQ(found[key].next_us, at(start));
    found = answers(berlin, at(start));
    EXPECT_TRUE(found[key].member);
    EXPECT_EQ(found[key].next_us, at(end));
    EXPECT_TRUE(answers(berlin, at(end) - second_us)[key].member);
    EXPECT_FALSE(answers(berlin, at(end))[key].member);
  }
}

TEST_F(SegmentProperties, AClearedValueIsMissingAgain) {
  person("a", R"({"plan2":"pro"})");
  expect("{property: plan2, exists: false}", {});
  person("a", R"({"plan2":null})");
  expect("{property: plan2, exists: false}", {"a"});
  person("a", R"({"plan2":"pro"})");
  expect("{property: plan2, exists: false}", {});
  person("a", R"({})");
  expect("{property: plan2, exists: false}", {"a"});
}

TEST_F(SegmentProperties, RandomSharesAreStableAndFair) {
  std::vector<std::string> rows;
  for (int index = 0; index < 4000; ++index)
    rows.push_back(fmt::format("'user{}', NULL, NULL, 0, NULL, NULL, [], NULL, '{{}}'", index));
  add("people", rows);
  auto share = members("{random: 25%}", now_);
  EXPECT_GT(share.size(), 880u);
  EXPECT_LT(share.size(), 1120u);
  Definition renamed = of_people("{random: 25}");
  renamed.name = "another_name";
  Keys again;
  for (auto& [key, answer] : answers(renamed, now_ + day_us))
    if (answer.member) again.insert(key);
  EXPECT_EQ(share, again);
  auto larger = members("{random: 30%}", now_);
  EXPECT_TRUE(std::includes(larger.begin(), larger.end(), share.begin(), share.end()));
  EXPECT_NE(members("{random: 25%, seed: other}", now_), share);
  EXPECT_EQ(members("{random: 0%}", now_).size(), 0u);
  EXPECT_EQ(members("{random: 100%}", now_).size(), 4000u);
}

TEST_F(SegmentProperties, KeysOnly) {
  person("a", R"({"x":1})");
  person("b", R"({"x":1})");
  person("c'\\x", R"({"x":1})");
  auto found = answers(of_people("{property: x, eq: 1}"), now_, {{"b"}, {"c'\\x"}, {"nobody"}});
  EXPECT_EQ(found.size(), 2u);
  EXPECT_TRUE(found["b"].member);
  EXPECT_TRUE(found["c'\\x"].member);
}

}  // namespace
}  // namespace tidemark::segments
