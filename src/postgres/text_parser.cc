#include "postgres/text_parser.h"

#include "base/digits.h"

#include <cmath>

namespace tidemark::postgres {

const char* const unreadable = "the value's text cannot be read as its type";
const char* const infinite_time = "infinity does not fit a date or time column";
const char* const date_out_of_range =
    "the date is outside 1900-01-01 .. 2299-12-31, which is what Date32 can hold";
const char* const timestamp_out_of_range =
    "the time is outside the years 1900 .. 2299, which is what DateTime64 can hold";

namespace {

// "2024-02-29"; nullptr and the days, or why not. Years of other than four digits are out of range anyway.
DecodeError parse_date(const char*& position, const char* end, DecodeError out_of_range, int64_t& days) {
  std::string_view text(position, static_cast<size_t>(end - position));
  if (text == "infinity" || text == "-infinity") return infinite_time;
  if (text.ends_with(" BC")) return out_of_range;
  if (size_t dash = text.find('-'); dash > 4 && dash != std::string_view::npos) return out_of_range;
  int year = 0;
  int month = 0;
  int day = 0;
  if (!digits(position, end, 4, year) || !mark(position, end, '-') || !digits(position, end, 2, month) ||
      !mark(position, end, '-') || !digits(position, end, 2, day) || month < 1 || month > 12 || day < 1 ||
      day > 31)
    return unreadable;
  days = days_from_civil(year, month, day);
  return nullptr;
}

template <class T>
DecodeError float_from_text(const char* data, size_t length, Column& out) {
  T value{};
  auto [end, error] = std::from_chars(data, data + length, value);
  if (error != std::errc() || end != data + length) return unreadable;
  out.append(std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value);
  return nullptr;
}

}  // namespace

DecodeError append_date(int64_t days, Column& out) {
  if (days < warehouse_day_min || days > warehouse_day_max) {
    bool infinite = days - 10'957 == INT32_MAX || days - 10'957 == INT32_MIN;
    return infinite ? infinite_time : date_out_of_range;
  }
  out.append(static_cast<int32_t>(days));
  return nullptr;
}

DecodeError boolean_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 1 || (*data != 't' && *data != 'f')) return unreadable;
  out.append<uint8_t>(*data == 't' ? 1 : 0);
  return nullptr;
}

DecodeError float4_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  return float_from_text<float>(data, length, out);
}
DecodeError float8_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  return float_from_text<double>(data, length, out);
}

DecodeError uuid_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 36) return unreadable;
  uint64_t halves[2] = {};
  int nibbles = 0;
  for (size_t index = 0; index < length; ++index) {
    if (index == 8 || index == 13 || index == 18 || index == 23) {
      if (data[index] != '-') return unreadable;
      continue;
    }
    int value = hex_digit(data[index]);
    if (value < 0) return unreadable;
    uint64_t& half = halves[nibbles++ / 16];
    half = half << 4 | static_cast<uint64_t>(value);
  }
  std::memcpy(out.append_fixed(), halves, sizeof halves);
  return nullptr;
}

DecodeError bytea_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  if (length < 2 || length % 2 != 0 || data[0] != '\\' || data[1] != 'x') return unreadable;
  thread_local std::string bytes;
  bytes.clear();
  for (size_t index = 2; index < length; index += 2) {
    int high = hex_digit(data[index]);
    int low = hex_digit(data[index + 1]);
    if (high < 0 || low < 0) return unreadable;
    bytes += static_cast<char>(high << 4 | low);
  }
  out.append_text(bytes);
  return nullptr;
}

DecodeError date_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  const char* end = data + length;
  int64_t days = 0;
  if (auto* error = parse_date(data, end, date_out_of_range, days)) return error;
  if (data != end) return unreadable;
  return append_date(days, out);
}

DecodeError timestamp_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  const char* end = data + length;
  int64_t days = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (auto* error = parse_date(data, end, timestamp_out_of_range, days)) return error;
  if (!mark(data, end, ' ') || !digits(data, end, 2, hour) || !mark(data, end, ':') ||
      !digits(data, end, 2, minute) || !mark(data, end, ':') || !digits(data, end, 2, second))
    return unreadable;
  int64_t micros = 0;
  if (mark(data, end, '.')) {
    int64_t unit = 100'000;
    for (; data < end && *data >= '0' && *data <= '9'; ++data, unit /= 10) micros += (*data - '0') * unit;
  }
  if (mark(data, end, '+') && (!mark(data, end, '0') || !mark(data, end, '0'))) return unreadable;
  if (data != end) return unreadable;
  micros += days * day_micros + (int64_t{hour} * 3600 + minute * 60 + second) * 1'000'000;
  if (micros < warehouse_micros_min || micros > warehouse_micros_max) return timestamp_out_of_range;
  out.append(micros);
  return nullptr;
}

// Postgres 16 and later print bytes above 127 as \ooo.
DecodeError char_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  if (length == 4 && data[0] == '\\') {
    auto byte = static_cast<char>((data[1] - '0') << 6 | (data[2] - '0') << 3 | (data[3] - '0'));
    out.append_text({&byte, 1});
  } else {
    out.append_text({data, length});
  }
  return nullptr;
}

}  // namespace tidemark::postgres
