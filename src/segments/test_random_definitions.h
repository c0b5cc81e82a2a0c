// For tests: random definitions as a user writes them, and random properties, all from one seed. Moments lie
// around `start`, which is a midnight in UTC.
#pragma once

#include "segments/test_reference_evaluator.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <random>
#include <string>
#include <vector>

namespace tidemark::segments {

inline constexpr int64_t hour_us = 3'600'000'000;

class RandomDefinitions {
 public:
  // `other`: a segment that conditions may name; empty: they name none.
  RandomDefinitions(uint64_t seed, int64_t start_us, std::string other)
      : random_(seed), start_us_(start_us), other_(std::move(other)) {}

  void seed(uint64_t seed) { random_.seed(seed); }
  size_t below(size_t bound) { return random_() % bound; }
  template <class T>
  const T& one_of(const std::vector<T>& values) {
    return values[below(values.size())];
  }
  std::string text(const std::vector<std::string>& values) { return one_of(values); }

  // "2026-06-01", or with a format of its own.
  std::string moment(int hours, const char* format = "{:%Y-%m-%d}") const {
    return fmt::format(fmt::runtime(format), fmt::gmtime((start_us_ + hours * hour_us) / 1'000'000));
  }

  // JSON and the value it stands for.
  void property(ReferenceRow& row, std::string& json, const std::string& name) {
    struct Choice {
      std::string json;
      std::optional<std::string> text;  // nothing: missing
      std::vector<std::string> items = {};
    };
    const std::string hour = moment(30, "{:%Y-%m-%dT%H:%M:%SZ}"), day = moment(0);
    const std::vector<Choice> choices = {
        {"\"pro\"", "pro", {}},
        {"\"free\"", "free", {}},
        {"\"\"", "", {}},
        {"null", std::nullopt, {}},
        {"10", "10", {}},
        {"\"10\"", "10", {}},
        {"\"10.0\"", "10.0", {}},
        {"9.99", "9.99", {}},
        {"-3", "-3", {}},
        {"\"1e1\"", "1e1", {}},
        {"true", "true", {}},
        {"[\"pro\",10]", "[\"pro\",10]", {"pro", "10"}},
        {"[]", "[]", {}},
        {"\"" + hour + "\"", hour, {}},
        {"\"" + day + "\"", day, {}},
        {"\"2024-02-29\"", "2024-02-29", {}},
    };
    const Choice& choice = one_of(choices);
    json += fmt::format("{}\"{}\":{}", json.empty() ? "" : ",", name, choice.json);
    if (!choice.text) return;
    ReferenceValue value{*choice.text, std::nullopt};
    if (value.text.starts_with('[')) value.items = choice.items;
    row[name] = value;
  }

  std::string properties(ReferenceRow& row) {
    std::string json;
    for (const char* name : {"p", "q", "r"})
      if (below(4) != 0) property(row, json, name);
    return "{" + json + "}";
  }

  // --- definitions, as a user writes them

  std::string duration() { return text({"1h", "5h", "12h", "1d", "36h", "3d"}); }

  std::string comparison(const std::vector<std::string>& numbers) {
    if (below(6) == 0) return fmt::format("between: [{}, {}]", numbers.front(), numbers.back());
    return fmt::format("{}: {}", text({"eq", "neq", "gt", "gte", "lt", "lte"}), one_of(numbers));
  }

  std::string operators() {
    switch (below(12)) {
      case 0:
        return fmt::format("eq: {}", text({"pro", "10", "\"10\"", "true", "\"\""}));
      case 1:
        return fmt::format("neq: {}", text({"pro", "10", "free"}));
      case 2:
        return fmt::format("{}: [{}, {}]", text({"in", "not_in"}), text({"pro", "10", "true"}),
                           text({"free", "-3"}));
      case 3:
        return fmt::format("{}: true", text({"exists", "not_exists"}));
      case 4:
        return text({"gt: 9.99", "gte: 10", "lt: 10", "lte: -3", "between: [-3, 9.99]", "eq: 10.00"});
      case 5:
        return fmt::format("{}: {}", text({"contains", "not_contains", "starts_with", "ends_with"}),
                           text({"r", "fr", "0", "pro"}));
      case 6:
        return fmt::format("{}: '{}'", text({"matches", "not_matches"}), text({"^[a-z]+$", "^1", "0$"}));
      case 7:
        return text({"has: pro", "has_any: [pro, free]", "has_all: [pro, 10]", "has_none: [10]",
                     "has_all: [pro, x]"});
      case 8:
        return fmt::format("{}: {}", text({"before", "after", "on"}), moment(below(2) == 0 ? 0 : 24));
      case 9:
      case 10:
        return fmt::format("{}: {}", text({"within_last", "within_next", "more_than_ago", "more_than_ahead"}),
                           duration());
      default:
        return fmt::format("anniversary: {}", text({"today", "tomorrow", "yesterday", "3"}));
    }
  }

  std::string where() {
    if (below(3) != 0) return "";
    std::string map = fmt::format("{}: {{{}}}", text({"p", "q", "r"}), operators());
    return fmt::format(", where: {{{}}}", map);
  }

  std::string names() { return text({"a", "b", "[a, b]", "\"a*\"", "\"*\"", "nothing"}); }

  std::string window() {
    switch (below(6)) {
      case 0:
      case 1:
        return fmt::format(", within: {}", duration());
      case 2:
        return text({", between_ago: [12h, 1d]", ", between_ago: [3d, 5h]", ", more_than_ago: 1d"});
      case 3:
        return text({", from: " + moment(24), ", to: " + moment(54, "{:%Y-%m-%d %H:%M}"),
                     ", from: " + moment(12, "{:%Y-%m-%d %H:%M}") + ", to: " + moment(48)});
      default:
        return "";
    }
  }

  std::string event() {
    std::string base = fmt::format("event: {}{}", names(), where());
    const std::vector<std::string> counts = {"0", "1", "2", "3"};
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        std::string count = comparison(counts);
        if (count == "lt: 0") count = "eq: 0";
        return fmt::format("{{{}{}, count: {{{}}}}}", base, window(), count);
      }
      case 4:
        return fmt::format("{{{}{}, {}: {{property: {}, {}}}}}", base, window(),
                           text({"sum", "avg", "min", "max", "count_distinct"}), text({"p", "q"}),
                           comparison({"-3", "2", "9.99", "10", "19.99"}));
      case 5:
        return fmt::format("{{{}{}, {}: {{{}: {{{}}}}}}}", base, window(), text({"first", "last"}),
                           text({"p", "q"}), operators());
      case 6:
        return fmt::format("{{{}{}, active_days: {{{}}}}}", base, window(),
                           text({"gte: 1", "gte: 2", "lte: 1", "eq: 2"}));
      case 7: {
        return fmt::format("{{{}, regularly: {{times: {}, periods: {}, of: {}, period: {}}}}}", base,
                           1 + below(2), 1 + below(2), 2 + below(3), text({"day", "day", "week", "month"}));
      }
      case 8:
        return fmt::format("{{restarted: {}{}, after: {}{}}}", names(), where(), duration(), window());
      case 9:
        return fmt::format("{{stopped: {}{}, for: {}{}}}", names(), where(), text({"1h", "5h"}),
                           text({"", ", active_within: 1d"}));
      default:
        return fmt::format("{{sequence: [{{event: {}{}}}, {{{}: {}{}}}], within: {}{}}}", names(), where(),
                           text({"event", "no_event"}), names(), where(), duration(),
                           below(2) == 0 ? "" : fmt::format(", started: {{within: {}}}", duration()));
    }
  }

  std::string condition(int depth) {
    size_t kind = below(depth == 0 ? 6 : 10);
    if (kind < 3) return event();
    if (kind < 6) return fmt::format("{{property: {}, {}}}", text({"p", "q", "r"}), operators());
    if (kind == 6) return fmt::format("{{not: {}}}", condition(depth - 1));
    if (kind == 7 && below(3) == 0 && !other_.empty()) return "{member: " + other_ + "}";
    std::string children;
    for (size_t count = 1 + below(3); count > 0; --count)
      children += fmt::format("{}{}", children.empty() ? "" : ", ", condition(depth - 1));
    return fmt::format("{{{}: [{}]}}", kind < 9 ? "all" : "any", children);
  }

 private:
  std::mt19937_64 random_;
  const int64_t start_us_;
  const std::string other_;
};

}  // namespace tidemark::segments
