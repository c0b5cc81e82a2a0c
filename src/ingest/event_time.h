// Times as SDKs write them: ISO 8601 with any number of digits of a second and a zone, a date, or a number
// of milliseconds (of seconds, when it is too small for that) since 1970. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tidemark::ingest {

// Microseconds since 1970, UTC; nothing: it is no time, or not between the years 1900 and 2299. Digits past
// the microsecond are cut off.
std::optional<int64_t> parse_event_time(std::string_view text);
std::optional<int64_t> event_time_of_number(double number);
// Is it between the years 1900 and 2299?
bool is_event_time(int64_t micros);

}  // namespace tidemark::ingest
