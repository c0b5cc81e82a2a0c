#include "segments/event_leaf.h"

#include "segments/segment_limits.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <map>
#include <set>

namespace tidemark::segments {
namespace {

// Sums of Decimal(38, 10), which can be longer.
using Number = boost::multiprecision::int256_t;

// Canonical digits, at most limits::number_scale of them behind the point, as a whole number of the smallest
// unit.
Number number_of_text(std::string_view text) {
  bool negative = text.starts_with('-');
  std::string digits(text.substr(negative ? 1 : 0));
  size_t point = digits.find('.');
  size_t behind = point == std::string::npos ? 0 : digits.size() - point - 1;
  if (point != std::string::npos) digits.erase(point, 1);
  if (behind < limits::number_scale) digits.append(limits::number_scale - behind, '0');
  // A leading zero would be read as octal.
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  Number number(digits);
  return negative ? Number(-number) : number;
}

bool in_range(const Number& number, const NumberRange& range, const Number& times = 1) {
  if (range.low) {
    Number low = number_of_text(*range.low) * times;
    if (range.low_open ? number <= low : number < low) return false;
  }
  if (range.high) {
    Number high = number_of_text(*range.high) * times;
    if (range.high_open ? number >= high : number > high) return false;
  }
  return true;
}

bool in_range(int64_t count, const CountRange& range) {
  return count >= range.low && (!range.high || count <= *range.high);
}

// The selected events of one entity in a window, and when that set changes by itself.
class Selected {
 public:
  Selected(const LeafEvents& leaf, const EntityEvents& events, int64_t as_of)
      : leaf_(leaf), events_(events), newer_(as_of - leaf.newer_us) {
    if (leaf.older_us) older_ = as_of - *leaf.older_us;
    for (size_t event = 0; event < events.size(); ++event) {
      if (leaf.turn) turn_ = std::min(turn_, events.number(*leaf.turn, event));
      if (events.number(leaf.match, event) == 0) continue;
      int64_t at = events.at(event);
      if (at > newer_)
        enter_ = std::min(enter_, at + leaf.newer_us);
      else if (!older_ || at > *older_)
        inside_.push_back(event);
    }
  }

  const std::vector<size_t>& inside() const { return inside_; }
  int64_t enter() const { return std::min(enter_, turn_); }
  int64_t turn() const { return turn_; }
  int64_t leave(int64_t at) const { return leaf_.older_us ? at + *leaf_.older_us : never_us; }
  int64_t leave_oldest() const { return inside_.empty() ? never_us : leave(events_.at(inside_.front())); }
  // When fewer than `count` are left, given that so many are inside.
  int64_t leave_newest(int64_t count) const {
    if (count <= 0 || static_cast<size_t>(count) > inside_.size()) return never_us;
    return leave(events_.at(inside_[inside_.size() - static_cast<size_t>(count)]));
  }

 private:
  const LeafEvents& leaf_;
  const EntityEvents& events_;
  int64_t newer_;
  std::optional<int64_t> older_;
  int64_t enter_ = never_us, turn_ = never_us;
  std::vector<size_t> inside_;
};

struct Test {
  const EventLeaf& leaf;
  const EntityEvents& events;
  int64_t as_of;
  Selected selected;

  LeafAnswer operator()(const CountLeaf& test) const {
    auto count = static_cast<int64_t>(selected.inside().size());
    bool value = in_range(count, test.range);
    int64_t low = test.range.low > 0 ? selected.leave_newest(test.range.low) : never_us;
    int64_t high = test.range.high ? selected.leave_newest(*test.range.high + 1) : never_us;
    int64_t enter = selected.enter();
    int64_t next = test.range.high ? (value                    ? std::min(low, enter)
                                      : count < test.range.low ? enter
                                                               : high)
                                   : (value ? low : enter);
    return {value, std::min(next, selected.turn())};
  }

  LeafAnswer operator()(const ValueLeaf& test) const {
    int64_t next = std::min(selected.enter(), selected.leave_oldest());
    if (test.function == EventValue::Function::count_distinct) {
      std::set<std::string_view> distinct;
      for (size_t event : selected.inside())
        if (auto text = events.text(test.text, event)) distinct.insert(*text);
      return {in_range(number_of_text(std::to_string(distinct.size())), test.range), next};
    }
    std::vector<Number> numbers;
    for (size_t event : selected.inside())
      if (auto text = events.text(test.text, event)) numbers.push_back(number_of_text(*text));
    Number sum = 0;
    for (const Number& number : numbers) sum += number;
    switch (test.function) {
      case EventValue::Function::sum:
        return {in_range(sum, test.range), next};
      case EventValue::Function::average:
        // sum / count >= x is sum >= x * count: exact.
        return {!numbers.empty() && in_range(sum, test.range, numbers.size()), next};
      case EventValue::Function::minimum:
        return {!numbers.empty() && in_range(*std::min_element(numbers.begin(), numbers.end()), test.range),
                next};
      default:
        return {!numbers.empty() && in_range(*std::max_element(numbers.begin(), numbers.end()), test.range),
                next};
    }
  }

  LeafAnswer operator()(const EdgeLeaf& test) const {
    if (selected.inside().empty()) return {false, selected.enter()};
    size_t edge = test.last ? selected.inside().back() : selected.inside().front();
    int64_t next = std::min(selected.enter(), selected.leave(events.at(edge)));
    if (test.next) next = std::min(next, events.number(*test.next, edge));
    return {events.number(test.test, edge) != 0, next};
  }

  LeafAnswer operator()(const ActiveDaysLeaf& test) const {
    std::set<int64_t> days;
    for (size_t event : selected.inside()) days.insert(events.number(test.day, event));
    return {in_range(static_cast<int64_t>(days.size()), test.range),
            std::min(selected.enter(), selected.leave_oldest())};
  }

  LeafAnswer operator()(const RegularlyLeaf& test) const {
    std::map<int64_t, int64_t> counts;
    int64_t next = selected.enter();
    for (size_t event : selected.inside()) {
      int64_t period = events.number(test.period, event);
      if (period <= events.number(test.today, event) - test.of) continue;
      ++counts[period];
      next = std::min(next, events.number(test.next_start, event));
    }
    auto good = std::count_if(counts.begin(), counts.end(),
                              [&](const auto& entry) { return entry.second >= test.times; });
    return {good >= test.periods, next};
  }

  LeafAnswer operator()(const RestartedLeaf& test) const {
    int64_t latest = 0, before = 0;
    size_t inside = 0;
    for (size_t event = 0; event < events.size() && events.at(event) <= as_of; ++event) {
      if (events.number(test.all, event) == 0) continue;
      while (inside < selected.inside().size() && selected.inside()[inside] < event) ++inside;
      bool counts = inside < selected.inside().size() && selected.inside()[inside] == event;
      int64_t at = events.at(event);
      if (counts && before != 0 && at - before >= test.gap_us) latest = at;
      before = at;
    }
    int64_t next = selected.enter();
    if (latest != 0) next = std::min(next, selected.leave(latest));
    return {latest != 0, next};
  }

  LeafAnswer operator()(const SequenceLeaf& test) const {
    Selected then(test.then, events, as_of);
    struct Step {
      int64_t at;
      bool first;
      auto operator<=>(const Step&) const = default;
    };
    // At one instant a `then` stands before a first, because it must come after it.
    std::vector<Step> steps;
    for (size_t event : selected.inside()) steps.push_back({events.at(event), true});
    for (size_t event : then.inside()) steps.push_back({events.at(event), false});
    std::sort(steps.begin(), steps.end());
    int64_t enter = std::min(selected.enter(), then.enter()), turn = std::min(selected.turn(), then.turn());
    int64_t latest = 0, pending = never_us;
    if (!test.absent) {
      // For every `then` the nearest first before it.
      int64_t first = 0;
      for (const Step& step : steps) {
        if (step.first)
          first = step.at;
        else if (first != 0 && step.at - first < test.within_us)
          latest = std::max(latest, first);
      }
    } else {
      // For every first the next `then` after it; known at first + within.
      int64_t next = 0;
      for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
        if (!step->first) {
          next = step->at;
        } else if (next == 0 || next - step->at >= test.within_us) {
          if (step->at + test.within_us <= as_of)
            latest = std::max(latest, step->at);
          else
            pending = std::min(pending, step->at + test.within_us);
        }
      }
    }
    int64_t next = latest != 0 ? selected.leave(latest) : std::min(pending, enter);
    return {latest != 0, std::min(next, turn)};
  }
};

}  // namespace

LeafAnswer answer(const EventLeaf& leaf, const EntityEvents& events, int64_t as_of) {
  return std::visit(Test{leaf, events, as_of, Selected(leaf.events, events, as_of)}, leaf.test);
}

}  // namespace tidemark::segments
