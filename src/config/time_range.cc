#include "config/time_range.h"

#include <charconv>
#include <chrono>
#include <fmt/format.h>
#include <map>

namespace tidemark::config {
namespace {

// Of a few decades at most: a longer one is a typing error, and dates stay within what ClickHouse has.
constexpr int64_t count_max = 100'000;
constexpr int days_max = 36'500;

std::optional<int> digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  auto [end, failure] = std::from_chars(text.data() + at, text.data() + at + count, value);
  if (failure != std::errc{} || end != text.data() + at + count || text[at] == '-') return std::nullopt;
  return value;
}

// "2026-11-01" -> days since 1970.
std::optional<std::chrono::sys_days> parse_day(std::string_view text) {
  auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !year || !month || !day) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1971 || *year > 2099) return std::nullopt;
  return std::chrono::sys_days(date);
}

// "2026-11-01T10:00", "2026-11-01T10:00:30" -> as ClickHouse writes it.
std::optional<std::string> parse_moment(std::string_view text) {
  if (text.size() != 16 && text.size() != 19) return std::nullopt;
  auto hour = digits(text, 11, 2), minute = digits(text, 14, 2);
  std::optional<int> second = text.size() == 19 ? digits(text, 17, 2) : 0;
  if (!parse_day(text.substr(0, 10)) || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || !hour ||
      !minute || !second || *hour > 23 || *minute > 59 || *second > 59 ||
      (text.size() == 19 && text[16] != ':'))
    return std::nullopt;
  return fmt::format("{} {:02}:{:02}:{:02}", text.substr(0, 10), *hour, *minute, *second);
}

std::optional<TimeRange> parse_fixed(std::string_view from, std::string_view to) {
  TimeRange range;
  auto first = parse_day(from), last = parse_day(to);
  if (first && last && *first <= *last && (*last - *first).count() < days_max) {
    range.kind = TimeRange::Kind::fixed_days;
    range.days = static_cast<int>((*last - *first).count()) + 1;
    range.from = from;
    range.to = to;
    range.text = fmt::format("{}..{}", from, to);
    return range;
  }
  auto begin = first ? std::optional(std::string(from) + " 00:00:00") : parse_moment(from);
  auto end = last ? std::optional(std::string(to) + " 00:00:00") : parse_moment(to);
  if ((first && last) || !begin || !end || *begin >= *end) return std::nullopt;
  range.kind = TimeRange::Kind::fixed;
  range.from = *begin;
  range.to = *end;
  range.text = fmt::format("{}..{}", *begin, *end);
  for (char& c : range.text)
    if (c == ' ') c = 'T';
  return range;
}

std::optional<TimeRange> parse_relative(std::string_view text) {
  if (text == "today") text = "last day";
  if (!text.starts_with("last ")) return std::nullopt;
  std::string_view rest = text.substr(5);
  int64_t count = 1;
  if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
    auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (failure != std::errc{} || count < 1 || count > count_max || !rest.starts_with(' '))
      return std::nullopt;
    rest.remove_prefix(1);
  }
  if (rest.ends_with('s')) rest.remove_suffix(1);
  static const std::map<std::string_view, int64_t> clock = {{"minute", 60}, {"hour", 3600}};
  static const std::map<std::string_view, int> calendar = {
      {"day", 1}, {"week", 7}, {"month", 30}, {"year", 365}};
  TimeRange range;
  if (auto unit = clock.find(rest); unit != clock.end()) {
    range.kind = TimeRange::Kind::rolling;
    range.seconds = count * unit->second;
  } else if (auto days = calendar.find(rest); days != calendar.end() && count * days->second <= days_max) {
    range.kind = TimeRange::Kind::days;
    range.days = static_cast<int>(count) * days->second;
  } else {
    return std::nullopt;
  }
  range.text = count == 1 ? fmt::format("last {}", rest) : fmt::format("last {} {}s", count, rest);
  return range;
}

}  // namespace

std::optional<TimeRange> parse_time_range(std::string_view text) {
  if (text == "all") return TimeRange{};
  if (size_t dots = text.find(".."); dots != std::string_view::npos)
    return parse_fixed(text.substr(0, dots), text.substr(dots + 2));
  return parse_relative(text);
}

}  // namespace tidemark::config
