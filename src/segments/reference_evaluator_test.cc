// The evaluator of test_reference_evaluator.h, and tests that it is right about the cases one can see at a
// glance.
#include "segments/canonical.h"
#include "segments/test_reference_evaluator.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <regex>
#include <set>

namespace tidemark::segments {
namespace {

constexpr int64_t second = 1'000'000;
constexpr int64_t day = 86'400 * second;

// Units of 10^-10.
std::optional<__int128> number(const std::string& text) {
  auto canonical = canonical_number(text);
  if (!canonical) return std::nullopt;
  __int128 value = 0;
  bool negative = canonical->starts_with('-');
  int behind = -1;
  for (char character : *canonical) {
    if (character == '-') continue;
    if (character == '.') {
      behind = 0;
      continue;
    }
    value = value * 10 + (character - '0');
    if (behind >= 0) ++behind;
  }
  for (int digits = std::max(behind, 0); digits < 10; ++digits) value *= 10;
  return negative ? -value : value;
}

bool in_range(const NumberRange& range, __int128 value, __int128 factor = 1) {
  if (range.low) {
    __int128 low = *number(*range.low) * factor;
    if (range.low_open ? value <= low : value < low) return false;
  }
  if (range.high) {
    __int128 high = *number(*range.high) * factor;
    if (range.high_open ? value >= high : value > high) return false;
  }
  return true;
}

bool in_range(const CountRange& range, int64_t count) {
  return count >= range.low && (!range.high || count <= *range.high);
}

int64_t days_from_civil(int year, int month, int day_of_month) {
  int64_t count = 0;
  auto leap = [](int y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; };
  for (int y = 1970; y < year; ++y) count += leap(y) ? 366 : 365;
  for (int y = year; y < 1970; ++y) count -= leap(y) ? 366 : 365;
  static constexpr int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (int m = 1; m < month; ++m) count += lengths[m - 1] + (m == 2 && leap(year) ? 1 : 0);
  return count + day_of_month - 1;
}

int64_t day_number(int64_t at_us) {
  return at_us >= 0 ? at_us / day : -((-at_us + day - 1) / day);
}

// "2026-05-03 10:00:00", "2026-05-03", with or without Z: all UTC here.
std::optional<int64_t> instant(std::string text) {
  if (text.ends_with('Z')) text.pop_back();
  if (text.size() == 10) text += " 00:00:00";
  static const std::string form = "dddd-dd-dd?dd:dd:dd";
  if (text.size() != form.size()) return std::nullopt;
  for (size_t index = 0; index < form.size(); ++index)
    if (form[index] == 'd' ? text[index] < '0' || text[index] > '9'
                           : form[index] != '?' && text[index] != form[index])
      return std::nullopt;
  auto part = [&](size_t from, size_t count) { return std::stoi(text.substr(from, count)); };
  return days_from_civil(part(0, 4), part(5, 2), part(8, 2)) * day +
         (part(11, 2) * 3600LL + part(14, 2) * 60LL + part(17, 2)) * second;
}

bool has_match(const std::string& text, const std::string& pattern) {
  static std::map<std::string, std::regex> known;  // making one takes longer than everything else here
  auto found = known.find(pattern);
  if (found == known.end()) found = known.emplace(pattern, std::regex(pattern)).first;
  return std::regex_search(text, found->second);
}

}  // namespace

bool ReferenceEvaluator::property(const PropertyCondition& condition, const ReferenceRow& row,
                                  int64_t as_of_us) const {
  auto found = row.find(condition.path.front());
  if (found == row.end()) return false;
  const ReferenceValue& value = found->second;
  if (auto* test = std::get_if<IsOneOf>(&condition.test)) {
    for (const Literal& literal : test->values) {
      if (literal.kind != Literal::Kind::number && value.text == literal.text) return true;
      auto known = number(value.text);
      if (literal.kind == Literal::Kind::number && known && *known == *number(literal.text)) return true;
    }
    return false;
  }
  if (std::holds_alternative<Exists>(condition.test)) return !value.text.empty();
  if (auto* test = std::get_if<InRange>(&condition.test)) {
    auto known = number(value.text);
    return known && in_range(test->range, *known);
  }
  if (auto* test = std::get_if<TextTest>(&condition.test)) {
    switch (test->kind) {
      case TextTest::Kind::contains:
        return value.text.find(test->text) != std::string::npos;
      case TextTest::Kind::starts_with:
        return value.text.starts_with(test->text);
      case TextTest::Kind::ends_with:
        return value.text.ends_with(test->text);
      case TextTest::Kind::matches:
        return has_match(value.text, test->text);
    }
  }
  if (auto* test = std::get_if<ListTest>(&condition.test)) {
    if (!value.items) return false;
    auto has = [&](const std::string& wanted) {
      return std::find(value.items->begin(), value.items->end(), wanted) != value.items->end();
    };
    return test->all ? std::all_of(test->values.begin(), test->values.end(), has)
                     : std::any_of(test->values.begin(), test->values.end(), has);
  }
  if (auto* test = std::get_if<DateTest>(&condition.test)) {
    auto at = instant(value.text);
    if (!at) return false;
    int64_t length = test->seconds * second;
    switch (test->kind) {
      case DateTest::Kind::before:
        return *at < *instant(test->moment.text);
      case DateTest::Kind::after:
        return *at >= *instant(test->moment.text);
      case DateTest::Kind::on:
        return day_number(*at) == day_number(*instant(test->moment.text));
      case DateTest::Kind::within_last:
        return *at <= as_of_us && as_of_us < *at + length;
      case DateTest::Kind::within_next:
        return *at - length <= as_of_us && as_of_us < *at;
      case DateTest::Kind::more_than_ago:
        return as_of_us >= *at + length;
      case DateTest::Kind::more_than_ahead:
        return as_of_us < *at - length;
      case DateTest::Kind::anniversary: {
        int64_t today = day_number(as_of_us) + test->days;
        for (int year = 1990; year < 2040; ++year) {
          int month = std::stoi(value.text.substr(5, 2)), of_month = std::stoi(value.text.substr(8, 2));
          bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
          if (month == 2 && of_month == 29 && !leap) of_month = 28;
          if (year > std::stoi(value.text) && days_from_civil(year, month, of_month) == today) return true;
        }
        return false;
      }
    }
  }
  ADD_FAILURE() << "a test of a property that this evaluator does not know";
  return false;
}

bool ReferenceEvaluator::filter(const std::vector<Node>& nodes, const ReferenceRow& row,
                                int64_t as_of_us) const {
  ReferenceEntity entity{.key = "", .properties = row, .events = {}};
  return std::all_of(nodes.begin(), nodes.end(),
                     [&](const Node& node) { return holds(node, entity, as_of_us); });
}

std::vector<const ReferenceEvent*> ReferenceEvaluator::selected(const EventSelection& events,
                                                                const ReferenceEntity& entity,
                                                                int64_t as_of_us) const {
  std::vector<const ReferenceEvent*> found;
  for (const ReferenceEvent& event : entity.events) {
    bool named = std::find(events.names.begin(), events.names.end(), event.name) != events.names.end();
    for (const std::string& prefix : events.prefixes) named = named || event.name.starts_with(prefix);
    if (named && event.at_us <= as_of_us && filter(events.filter, event.properties, as_of_us))
      found.push_back(&event);
  }
  std::sort(found.begin(), found.end(), [](auto* one, auto* other) {
    return std::pair(one->at_us, one->id) < std::pair(other->at_us, other->id);
  });
  return found;
}

namespace {

bool in_window(const Window& window, int64_t at_us, int64_t as_of_us) {
  if (window.older_seconds && as_of_us >= at_us + *window.older_seconds * second) return false;
  if (as_of_us < at_us + window.newer_seconds * second) return false;
  if (window.from && at_us < *instant(window.from->text)) return false;
  return !window.to || at_us < *instant(window.to->text);
}

int64_t period_number(Regularly::Period period, int64_t at_us) {
  int64_t days = day_number(at_us);
  if (period == Regularly::Period::day) return days;
  if (period == Regularly::Period::week) {
    int64_t monday = days;
    while (((monday + 3) % 7 + 7) % 7 != 0) --monday;  // 1970-01-01 was a Thursday
    return monday / 7 + (monday % 7 == 0 ? 0 : monday < 0 ? -1 : 0);
  }
  int64_t month = 0;
  for (int year = 1990; year < 2040; ++year)
    for (int of_year = 1; of_year <= 12; ++of_year)
      if (days_from_civil(year, of_year, 1) <= days) month = year * 12 + of_year;
  return month;
}

}  // namespace

bool ReferenceEvaluator::event(const EventCondition& condition, const ReferenceEntity& entity,
                               int64_t as_of_us) const {
  auto all = selected(condition.events, entity, as_of_us);
  std::vector<const ReferenceEvent*> inside;
  for (auto* event : all)
    if (in_window(condition.window, event->at_us, as_of_us)) inside.push_back(event);
  auto numbers = [&](const Path& path) {
    std::vector<__int128> found;
    for (auto* event : inside)
      if (auto value = event->properties.find(path.front()); value != event->properties.end())
        if (auto known = number(value->second.text)) found.push_back(*known);
    return found;
  };
  if (auto* test = std::get_if<EventCount>(&condition.test))
    return in_range(test->range, static_cast<int64_t>(inside.size()));
  if (auto* test = std::get_if<EventValue>(&condition.test)) {
    if (test->function == EventValue::Function::count_distinct) {
      std::set<std::string> distinct;
      for (auto* event : inside)
        if (auto value = event->properties.find(test->path.front()); value != event->properties.end())
          distinct.insert(value->second.text);
      return in_range(test->range, static_cast<__int128>(distinct.size()) * 10'000'000'000);
    }
    auto values = numbers(test->path);
    __int128 sum = 0;
    for (auto value : values) sum += value;
    if (test->function == EventValue::Function::sum) return in_range(test->range, sum);
    if (values.empty()) return false;
    if (test->function == EventValue::Function::average)
      return in_range(test->range, sum, static_cast<__int128>(values.size()));
    auto [low, high] = std::minmax_element(values.begin(), values.end());
    return in_range(test->range, test->function == EventValue::Function::minimum ? *low : *high);
  }
  if (auto* test = std::get_if<EdgeEvent>(&condition.test))
    return !inside.empty() &&
           filter(test->test, (test->last ? inside.back() : inside.front())->properties, as_of_us);
  if (auto* test = std::get_if<ActiveDays>(&condition.test)) {
    std::set<int64_t> days;
    for (auto* event : inside) days.insert(day_number(event->at_us));
    return in_range(test->range, static_cast<int64_t>(days.size()));
  }
  if (auto* test = std::get_if<Regularly>(&condition.test)) {
    std::map<int64_t, int64_t> counts;
    for (auto* event : all) ++counts[period_number(test->period, event->at_us)];
    int64_t good = 0, last = period_number(test->period, as_of_us);
    for (int64_t period = last - test->of + 1; period <= last; ++period)
      if (counts[period] >= test->times) ++good;
    return good >= test->periods;
  }
  const auto& test = std::get<Restarted>(condition.test);
  for (size_t index = 1; index < all.size(); ++index)
    if (all[index]->at_us - all[index - 1]->at_us >= test.gap_seconds * second &&
        in_window(condition.window, all[index]->at_us, as_of_us))
      return true;
  return false;
}

bool ReferenceEvaluator::sequence(const Sequence& sequence, const ReferenceEntity& entity,
                                  int64_t as_of_us) const {
  auto firsts = selected(sequence.first, entity, as_of_us), thens = selected(sequence.then, entity, as_of_us);
  int64_t within = sequence.within_seconds * second;
  for (auto* first : firsts) {
    if (!in_window(sequence.window, first->at_us, as_of_us)) continue;
    bool followed = std::any_of(thens.begin(), thens.end(), [&](auto* then) {
      return then->at_us > first->at_us && then->at_us < first->at_us + within;
    });
    if (sequence.absent ? !followed && as_of_us >= first->at_us + within : followed) return true;
  }
  return false;
}

bool ReferenceEvaluator::holds(const Node& node, const ReferenceEntity& entity, int64_t as_of_us) const {
  auto child_holds = [&](const Node& child) { return holds(child, entity, as_of_us); };
  if (auto* all = std::get_if<All>(&node.condition))
    return std::all_of(all->children.begin(), all->children.end(), child_holds);
  if (auto* any = std::get_if<Any>(&node.condition))
    return std::any_of(any->children.begin(), any->children.end(), child_holds);
  if (auto* negation = std::get_if<Not>(&node.condition)) return !child_holds(negation->child.front());
  if (auto* condition = std::get_if<PropertyCondition>(&node.condition))
    return property(*condition, entity.properties, as_of_us);
  if (auto* condition = std::get_if<EventCondition>(&node.condition))
    return event(*condition, entity, as_of_us);
  if (auto* condition = std::get_if<Sequence>(&node.condition)) return sequence(*condition, entity, as_of_us);
  if (auto* member = std::get_if<MemberOf>(&node.condition))
    return holds(segment_(member->segment)->condition, entity, as_of_us);
  ADD_FAILURE() << "a condition that this evaluator does not know";
  return false;
}

TEST(ReferenceEvaluator, KnowsCalendarAndNumbers) {
  EXPECT_EQ(instant("2000-03-01"), 951868800 * second);
  EXPECT_EQ(instant("2026-05-03T10:00:01Z"), 1777802401 * second);
  EXPECT_TRUE(number("0.29") == __int128{2'900'000'000});
  EXPECT_TRUE(number("-1e2") == __int128{-1'000'000'000'000});
  EXPECT_FALSE(number("many"));
  EXPECT_EQ(period_number(Regularly::Period::week, *instant("2026-05-04")),
            period_number(Regularly::Period::week, *instant("2026-05-10")));
  EXPECT_NE(period_number(Regularly::Period::week, *instant("2026-05-03")),
            period_number(Regularly::Period::week, *instant("2026-05-04")));
}

}  // namespace tidemark::segments
