// The texts in which producers wrap bytes, numbers and times. Pure functions; nullptr: good, else a static
// text that says why not.
#pragma once

#include "base/column.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace tidemark::kafka {

using TextError = const char*;

// Standard and URL-safe alphabet, with or without padding. Appends to `out`.
TextError decode_base64(std::string_view text, std::string& out);
void encode_base64(std::string_view bytes, bool url_safe, std::string& out);
TextError decode_hex(std::string_view text, std::string& out);
void encode_hex(std::string_view bytes, std::string& out);

// An unscaled big-endian two's complement number of at most 64 bytes as the text of a decimal number.
TextError decimal_text(std::string_view bytes, int scale, std::string& out);
// "12.50", "-1e3", "1.5E-2": without exponent and sign of zero, as a decimal's text. Fails for what is no
// number, and for exponents past 400.
TextError plain_number(std::string_view text, std::string& out);

// ISO 8601 with a T or a space, up to nine digits of a second, and an optional zone (Z, +02, +02:00): ticks
// of 10^-scale seconds since 1970 in UTC. Digits past the scale must be zero.
TextError parse_timestamp(std::string_view text, int scale, int64_t& ticks);
// "2024-02-29", also with the zone Z.
TextError parse_date(std::string_view text, int64_t& days);
// Microseconds since midnight as Postgres writes a time: "12:34:56.789". 24:00:00 is one.
TextError time_text(int64_t nanoseconds, std::string& out);

// What a DateTime64 of `scale` can hold; a reason when not.
TextError check_ticks(int64_t ticks, int scale);
TextError check_days(int64_t days);

extern const char* const not_of_its_type;
extern const char* const infinite_time;

}  // namespace tidemark::kafka
