// Stretches of time as people choose them, on dashboards and in alerts:
//
//   all
//   last 30 minutes, last 24 hours       up to now
//   today, last 7 days, last 4 weeks     whole days of a time zone, today among them (a month: 30, a year:
//   365) 2026-11-01..2026-11-07               days, both of them 2026-11-01T10:00..2026-11-01T12:30 moments,
//   the second not
//
// What that is in seconds depends on the clock and the zone: the server of the data is asked
// (serve/range_clock.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidemark::config {

struct TimeRange {
  enum class Kind { all, rolling, days, fixed_days, fixed };
  Kind kind = Kind::all;
  std::string text = "all";  // in one way of writing: the same range has the same text
  int64_t seconds = 0;       // rolling
  int days = 0;              // days: how many; fixed_days likewise
  std::string from, to;      // fixed_days: "2026-11-01", both inclusive; fixed: "2026-11-01 10:00:00"

  bool operator==(const TimeRange& other) const { return text == other.text; }
};

// Nothing: not a range, or one that ends before it begins.
std::optional<TimeRange> parse_time_range(std::string_view text);

// For messages.
constexpr std::string_view time_range_remedy =
    "Write `all`, `today`, or `last 30 minutes`, `last 24 hours`, `last 7 days`, or "
    "`2026-11-01..2026-11-07`.";

}  // namespace tidemark::config
