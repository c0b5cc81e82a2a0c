// Conditions over events: who is in at which instant, and that `next_change_at` is never late. The instants
// at which the answer must change are written down with each case.
#include "segments/test_segments.h"

namespace tidemark::segments {
namespace {

class SegmentEvents : public SegmentsTest {
 protected:
  struct Case {
    std::string where;
    bool before;                   // long before the first event
    std::vector<int64_t> changes;  // hours after start_ at which it flips
  };

  int64_t hour(double hours) const { return start_ + static_cast<int64_t>(hours * 3600) * second_us; }

  // Follows next_change_at of `key` from long before to long after.
  void follow(const Case& one, const std::string& key) {
    Definition definition = of_people(one.where);
    bool value = one.before;
    int64_t instant = hour(-24 * 400);
    std::vector<int64_t> changes;
    for (int64_t hours : one.changes) changes.push_back(hour(static_cast<double>(hours)));
    for (int looks = 0; looks < 40; ++looks) {
      auto found = answers(definition, instant);
      ASSERT_TRUE(found.contains(key)) << one.where;
      while (!changes.empty() && changes.front() <= instant) {
        value = !value;
        changes.erase(changes.begin());
      }
      ASSERT_EQ(found[key].member, value)
          << one.where << " at hour " << (instant - start_) / (3600 * second_us);
      if (!found[key].next_us) break;
      int64_t next = *found[key].next_us;
      ASSERT_GT(next, instant) << one.where;
      if (!changes.empty()) {
        ASSERT_LE(next, changes.front())
            << one.where << " at hour " << (instant - start_) / (3600 * second_us);
      }
      if (!changes.empty() && next == changes.front()) {
        ASSERT_EQ(answers(definition, next - second_us)[key].member, value) << one.where;
      }
      instant = next;
    }
    EXPECT_TRUE(changes.empty()) << one.where << ": " << changes.size() << " changes were not announced";
  }

  const int64_t start_ = 1'780'272'000 * second_us;  // 2026-06-01 00:00:00, a Monday
};

TEST_F(SegmentEvents, CountsInWindows) {
  person("a");
  person("other");
  for (double hours : {0.0, 10.0, 20.0}) event("a", "order", hour(hours));
  event("a", "visit", hour(5));
  event("stranger", "order", hour(1));
  for (const Case& one : std::vector<Case>{
           {"{event: order}", false, {0}},
           {"{event: order, count: {gte: 3}}", false, {20}},
           {"{event: order, count: 2}", false, {10, 20}},
           {"{event: order, count: {neq: 2}}", true, {10, 20}},
           {"{event: order, count: 0}", true, {0}},
           {"{event: order, count: {lte: 1}}", true, {10}},
           {"{event: order, count: {lt: 2}}", true, {10}},
           {"{event: order, count: {gt: 1}}", false, {10}},
           {"{event: order, count: {gte: 1}, within: 24h}", false, {0, 44}},
           {"{event: order, count: 0, within: 24h}", true, {0, 44}},
           {"{event: order, count: {gte: 2}, within: 24h}", false, {10, 34}},
           {"{event: order, count: {gte: 3}, within: 24h}", false, {20, 24}},
           {"{event: order, count: {between: [1, 2]}, within: 24h}", false, {0, 20, 24, 44}},
           {"{event: order, count: {lte: 1}, within: 24h}", true, {10, 34}},
           {"{event: order, count: 2, within: 24h}", false, {10, 20, 24, 34}},
           {"{event: order, between_ago: [24h, 12h]}", false, {12, 24 + 20}},
           {"{event: order, count: 0, between_ago: [12h, 24h]}", true, {12, 44}},
           {"{event: order, more_than_ago: 48h}", false, {48}},
           {"{event: order, from: 2026-06-01 05:00, to: 2026-06-01 20:00}", false, {10}},
           {"{event: order, count: {gte: 2}, from: 2026-06-01 05:00, to: 2026-06-01 20:00}", false, {}},
           {"{event: [order, visit], count: {gte: 3}}", false, {10}},
           {"{event: \"*\", count: {gte: 4}}", false, {20}},
           {"{event: \"or*\", count: {gte: 3}}", false, {20}},
           {"{event: nothing, count: 0}", true, {}},
           {"{stopped: order, for: 24h}", false, {44}},
           {"{stopped: order, for: 24h, active_within: 100h}", false, {44, 120}},
           {"{restarted: order, after: 10h, within: 5h}", false, {10, 15, 20, 25}},
           {"{restarted: order, after: 11h, within: 5h}", false, {}},
           {"{all: [{event: order, within: 24h}, {event: visit, within: 8h}]}", false, {5, 13}},
           {"{all: [{event: visit}, {event: order, count: 0, within: 10h}]}", false, {30}}})
    follow(one, "a");
  follow({"{event: order, count: 0, within: 30d}", true, {}}, "other");
}

TEST_F(SegmentEvents, FiltersLateFutureAndDuplicates) {
  person("a");
  event("a", "order", hour(0), R"({"amount":"100","plan":"pro"})", "one");
  event("a", "order", hour(0), R"({"amount":"100","plan":"pro"})", "one");  // delivered twice
  event("a", "order", hour(30), R"({"amount":5,"plan":null,"due":"2026-06-03T00:00:00Z"})", "future");
  follow({"{event: order, count: 1}", false, {0, 30}}, "a");
  follow({"{event: order, where: {amount: {gte: 50}}, within: 10h}", false, {0, 10}}, "a");
  follow({"{event: order, where: {plan: {exists: false}}}", false, {30}}, "a");
  follow({"{event: order, where: {plan: {in: [pro, team]}, amount: 100}, count: 0}", true, {0}}, "a");
  follow({"{event: order, where: {due: {within_next: 6h}}}", false, {42, 48}}, "a");
  follow({"{event: order, where: {due: {more_than_ago: 1h}}, within: 24h}", false, {49, 54}}, "a");
  // A late one is counted at its own time, a window that is over stays over.
  event("a", "late", hour(-100));
  follow({"{event: late, within: 24h}", false, {-100, -76}}, "a");
  EXPECT_FALSE(answers(of_people("{event: late, within: 24h}"), hour(0))["a"].next_us);
}

TEST_F(SegmentEvents, ValuesOfEvents) {
  person("a");
  person("none");
  event("a", "order", hour(0), R"({"amount":"0.1","sku":"x"})");
  event("a", "order", hour(10), R"({"amount":0.2,"sku":"y"})");
  event("a", "order", hour(20), R"({"amount":"many","sku":"x"})");
  for (const Case& one : std::vector<Case>{
           {"{event: order, sum: {property: amount, gte: 0.3}}", false, {10}},  // not 0.30000000000000004
           {"{event: order, sum: {property: amount, eq: 0.3}, within: 24h}", false, {10, 24}},
           {"{event: order, sum: {property: amount, lt: 0.2}}", true, {10}},
           {"{event: order, avg: {property: amount, eq: 0.15}}", false, {10}},
           {"{event: order, avg: {property: amount, gt: 0.15}, within: 24h}", false, {24, 34}},
           {"{event: order, min: {property: amount, lte: 0.1}, within: 24h}", false, {0, 24}},
           {"{event: order, max: {property: amount, gte: 0.2}, within: 24h}", false, {10, 34}},
           {"{event: order, count_distinct: {property: sku, gte: 2}, within: 24h}", false, {10, 34}},
           {"{event: order, last: {sku: x}}", false, {0, 10, 20}},
           {"{event: order, first: {sku: x}}", false, {0}},
           {"{event: order, first: {sku: y}, within: 24h}", false, {24, 34}},
           {"{event: order, last: {amount: {exists: true}}, where: {sku: y}}", false, {10}},
           {"{event: order, last: {sku: {neq: x}}}", false, {10, 20}}})
    follow(one, "a");
  follow({"{event: order, sum: {property: amount, lt: 1}}", true, {}}, "none");
  follow({"{event: order, max: {property: amount, lt: 1}}", false, {}}, "none");
  follow({"{event: order, last: {sku: {neq: x}}}", false, {}}, "none");
}

TEST_F(SegmentEvents, DaysAndPeriods) {
  person("a");
  for (double hours : {1.0, 2.0, 30.0, 24.0 * 7, 24.0 * 14}) event("a", "visit", hour(hours));
  for (const Case& one : std::vector<Case>{
           {"{event: visit, active_days: {gte: 2}}", false, {30}},
           {"{event: visit, active_days: 2, within: 48h}", false, {30, 50}},
           {"{event: visit, regularly: {times: 1, periods: 3, of: 3, period: week}}",
            false,
            {24 * 14, 24 * 21}},
           {"{event: visit, regularly: {times: 3, periods: 1, of: 2, period: week}}", false, {30, 24 * 14}},
           {"{event: visit, regularly: {times: 1, periods: 2, of: 3, period: day}}", false, {30, 72}},
           {"{event: visit, regularly: {times: 5, periods: 1, of: 1, period: month}}",
            false,
            {24 * 14, 24 * 30}}})
    follow(one, "a");
}

TEST_F(SegmentEvents, Sequences) {
  person("a");
  event("a", "cart", hour(0));
  event("a", "cart", hour(10));
  event("a", "order", hour(10));  // the same instant: not after the second cart
  event("a", "order", hour(13));
  event("a", "cart", hour(40));
  for (const Case& one : std::vector<Case>{
           {"{sequence: [{event: cart}, {event: order}], within: 4h}", false, {13}},
           {"{sequence: [{event: cart}, {event: order}], within: 3h}", false, {}},
           {"{sequence: [{event: cart}, {event: order}], within: 11h}", false, {10}},
           {"{sequence: [{event: cart}, {event: order}], within: 4h, started: {within: 20h}}",
            false,
            {13, 30}},
           {"{sequence: [{event: cart}, {event: cart}], within: 31h}", false, {10}},
           {"{sequence: [{event: cart}, {no_event: order}], within: 4h}", false, {4}},
           {"{sequence: [{event: cart}, {no_event: order}], within: 11h}", false, {51}},
           {"{sequence: [{event: cart}, {no_event: order}], within: 4h, started: {within: 20h}}",
            false,
            {4, 20, 44, 60}}})
    follow(one, "a");
}

TEST_F(SegmentEvents, TwoLeavesThatExpireTogetherChangeOnce) {
  person("a");
  event("a", "x", hour(0));
  event("a", "y", hour(0));
  follow({"{all: [{event: x, within: 10h}, {event: y, within: 10h}]}", false, {0, 10}}, "a");
  follow({"{any: [{event: x, within: 10h}, {event: y, within: 10h}]}", false, {0, 10}}, "a");
}

TEST_F(SegmentEvents, PlainColumnsAndConstantNames) {
  person("a");
  add("orders",
      {"1, 'a', 5, 19.90, 'paid', '2026-06-01 10:00:00'", "2, 'a', 6, 5.00, 'open', '2026-06-02 10:00:00'"});
  options_.events.push_back(
      {.table = "bronze.orders", .key = {"buyer"}, .constant_name = "ordered", .time = "placed", .id = "id"});
  follow({"{event: ordered, count: {gte: 2}}", false, {34}}, "a");
  follow({"{event: ordered, where: {status: paid}, within: 24h}", false, {10, 34}}, "a");
  follow({"{event: ordered, sum: {property: price, gte: 24.9}}", false, {34}}, "a");
  // Events of both tables together.
  event("a", "visit", hour(1));
  follow({"{event: \"*\", count: {gte: 2}}", false, {10}}, "a");
  follow({"{event: \"*\", from_table: bronze.orders, count: {gte: 2}}", false, {34}}, "a");
}

}  // namespace
}  // namespace tidemark::segments
