#include "kafka/encoded_text.h"

#include "base/digits.h"
#include "postgres/calendar.h"

#include <array>
#include <charconv>

namespace tidemark::kafka {

const char* const not_of_its_type = "the value cannot be read as the column's type";
const char* const infinite_time = "infinity does not fit a date or time column";

namespace {

constexpr const char* bad_base64 = "the text is not base64";
constexpr const char* bad_hex = "the text is not hexadecimal";
constexpr const char* time_out_of_range =
    "the time is outside the years 1900 .. 2299, which is what DateTime64 can hold";
constexpr const char* date_out_of_range =
    "the date is outside 1900-01-01 .. 2299-12-31, which is what Date32 can hold";
constexpr const char* too_fine = "the time has more digits of a second than the column";
constexpr std::string_view standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> base64_values() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (size_t index = 0; index < standard.size(); ++index)
    values[static_cast<unsigned char>(standard[index])] = static_cast<int8_t>(index);
  values['-'] = 62;
  values['_'] = 63;
  return values;
}
constexpr auto base64_value = base64_values();

bool is_infinite(std::string_view text) {
  // Debezium writes the largest and smallest time of its library for infinity in ISO form.
  return text.ends_with("infinity") || text.starts_with("+29") || text.starts_with("-29");
}

TextError civil(const char*& position, const char* end, int64_t& days) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!digits(position, end, 4, year) || !mark(position, end, '-') || !digits(position, end, 2, month) ||
      !mark(position, end, '-') || !digits(position, end, 2, day) || month < 1 || month > 12 || day < 1 ||
      day > 31)
    return not_of_its_type;
  days = postgres::days_from_civil(year, month, day);
  postgres::CivilDate back = postgres::civil_from_days(days);
  return back.day == day && back.month == month ? nullptr : not_of_its_type;
}

// "Z", "+02", "+0200", "+02:00"; nothing is UTC.
bool zone(const char*& position, const char* end, int64_t& seconds) {
  seconds = 0;
  if (position == end || (*position == 'Z' && position + 1 == end)) {
    position = end;
    return true;
  }
  int sign = *position == '+' ? 1 : *position == '-' ? -1 : 0;
  if (sign == 0) return false;
  ++position;
  int hours = 0;
  int minutes = 0;
  if (!digits(position, end, 2, hours)) return false;
  if (position != end) {
    if (*position == ':') ++position;
    if (!digits(position, end, 2, minutes)) return false;
  }
  if (position != end || hours > 18 || minutes > 59) return false;
  seconds = sign * (hours * 3600 + minutes * 60);
  return true;
}

constexpr int64_t power_of_ten(int exponent) {
  int64_t value = 1;
  for (int index = 0; index < exponent; ++index) value *= 10;
  return value;
}

}  // namespace

TextError decode_base64(std::string_view text, std::string& out) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return bad_base64;
  uint32_t bits = 0;
  int count = 0;
  for (char character : text) {
    int value = base64_value[static_cast<unsigned char>(character)];
    if (value < 0) return bad_base64;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  return nullptr;
}

void encode_base64(std::string_view bytes, bool url_safe, std::string& out) {
  auto letter = [&](uint32_t value) {
    char character = standard[value & 63];
    if (url_safe) character = character == '+' ? '-' : character == '/' ? '_' : character;
    out.push_back(character);
  };
  for (size_t index = 0; index < bytes.size(); index += 3) {
    size_t left = bytes.size() - index;
    auto byte = [&](size_t offset) {
      return offset < left ? static_cast<uint32_t>(static_cast<unsigned char>(bytes[index + offset])) : 0;
    };
    uint32_t bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
    letter(bits >> 18);
    letter(bits >> 12);
    if (left > 1) letter(bits >> 6);
    if (left > 2) letter(bits);
    for (size_t pad = left; pad < 3; ++pad) out.push_back('=');
  }
}

TextError decode_hex(std::string_view text, std::string& out) {
  if (text.starts_with("\\x")) text.remove_prefix(2);
  if (text.size() % 2 != 0) return bad_hex;
  for (size_t index = 0; index < text.size(); index += 2) {
    int high = hex_digit(text[index]);
    int low = hex_digit(text[index + 1]);
    if (high < 0 || low < 0) return bad_hex;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return nullptr;
}

void encode_hex(std::string_view bytes, std::string& out) {
  constexpr std::string_view letters = "0123456789abcdef";
  for (char byte : bytes) {
    out.push_back(letters[static_cast<unsigned char>(byte) >> 4]);
    out.push_back(letters[static_cast<unsigned char>(byte) & 15]);
  }
}

TextError decimal_text(std::string_view bytes, int scale, std::string& out) {
  // Postgres's numeric has up to 131,072 digits before the point; what is that large stays a poison message.
  constexpr size_t bytes_max = 64;
  constexpr int scale_max = 20'000;
  if (bytes.empty() || bytes.size() > bytes_max || scale < -scale_max || scale > scale_max)
    return "the decimal number is empty or too large";
  std::array<uint32_t, bytes_max / 4 + 1> limbs{};
  bool negative = (static_cast<unsigned char>(bytes[0]) & 0x80) != 0;
  for (size_t index = 0; index < bytes.size(); ++index) {
    size_t place = bytes.size() - 1 - index;
    limbs[place / 4] |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[index])) << (place % 4 * 8);
  }
  if (negative) {
    for (size_t place = bytes.size(); place < limbs.size() * 4; ++place)
      limbs[place / 4] |= uint32_t{0xff} << (place % 4 * 8);
    uint64_t carry = 1;
    for (uint32_t& limb : limbs) {
      carry += static_cast<uint32_t>(~limb);
      limb = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::string reversed;
  size_t used = limbs.size();
  while (used > 0 && limbs[used - 1] == 0) --used;
  while (used > 0) {
    uint64_t remainder = 0;
    for (size_t index = used; index-- > 0;) {
      remainder = (remainder << 32) | limbs[index];
      limbs[index] = static_cast<uint32_t>(remainder / 1'000'000'000);
      remainder %= 1'000'000'000;
    }
    while (used > 0 && limbs[used - 1] == 0) --used;
    for (int digit = 0; digit < 9; ++digit, remainder /= 10)
      reversed.push_back(static_cast<char>('0' + remainder % 10));
  }
  while (!reversed.empty() && reversed.back() == '0') reversed.pop_back();
  bool zero = reversed.empty();
  if (scale < 0 && !zero) reversed.insert(0, static_cast<size_t>(-scale), '0');
  size_t places = static_cast<size_t>(std::max(scale, 0));
  while (reversed.size() <= places) reversed.push_back('0');
  if (negative) out.push_back('-');
  for (size_t index = reversed.size(); index-- > 0;) {
    out.push_back(reversed[index]);
    if (index == places && places > 0) out.push_back('.');
  }
  return nullptr;
}

TextError plain_number(std::string_view text, std::string& out) {
  size_t exponent_at = text.find_first_of("eE");
  if (exponent_at == std::string_view::npos) {
    out.append(text);
    return nullptr;
  }
  int exponent = 0;
  std::string_view power = text.substr(exponent_at + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (error != std::errc() || end != power.data() + power.size() || exponent < -400 || exponent > 400)
    return not_of_its_type;
  std::string_view mantissa = text.substr(0, exponent_at);
  if (mantissa.starts_with('-')) {
    out.push_back('-');
    mantissa.remove_prefix(1);
  }
  size_t point = mantissa.find('.');
  std::string all(mantissa.substr(0, point));
  int places = 0;
  if (point != std::string_view::npos) {
    all.append(mantissa.substr(point + 1));
    places = static_cast<int>(mantissa.size() - point - 1);
  }
  places -= exponent;
  if (places <= 0) {
    out.append(all).append(static_cast<size_t>(-places), '0');
    return nullptr;
  }
  if (all.size() <= static_cast<size_t>(places))
    all.insert(0, static_cast<size_t>(places) - all.size() + 1, '0');
  out.append(all, 0, all.size() - static_cast<size_t>(places)).push_back('.');
  out.append(all, all.size() - static_cast<size_t>(places));
  return nullptr;
}

TextError parse_date(std::string_view text, int64_t& days) {
  if (is_infinite(text)) return infinite_time;
  const char* position = text.data();
  const char* end = position + text.size();
  if (TextError error = civil(position, end, days)) return error;
  int64_t offset = 0;
  if (!zone(position, end, offset) || offset != 0) return not_of_its_type;
  return check_days(days);
}

TextError parse_timestamp(std::string_view text, int scale, int64_t& ticks) {
  if (is_infinite(text)) return infinite_time;
  const char* position = text.data();
  const char* end = position + text.size();
  int64_t days = 0;
  if (TextError error = civil(position, end, days)) return error;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int64_t nanoseconds = 0;
  int64_t offset = 0;
  if (position != end) {
    if (!mark(position, end, 'T') && !mark(position, end, ' ')) return not_of_its_type;
    if (!digits(position, end, 2, hour) || !mark(position, end, ':') || !digits(position, end, 2, minute))
      return not_of_its_type;
    if (mark(position, end, ':') && !digits(position, end, 2, second)) return not_of_its_type;
    if (position != end && (*position == '.' || *position == ',')) {
      ++position;
      int64_t unit = 100'000'000;
      const char* first = position;
      for (; position != end && *position >= '0' && *position <= '9'; ++position, unit /= 10)
        if (unit == 0) {
          if (*position != '0') return too_fine;
        } else {
          nanoseconds += (*position - '0') * unit;
        }
      if (position == first) return not_of_its_type;
    }
    if (!zone(position, end, offset)) return not_of_its_type;
  }
  if (hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute > 0 || second > 0)))
    return not_of_its_type;
  int64_t seconds = days * 86'400 + hour * 3'600 + minute * 60 + second - offset;
  if (seconds < postgres::warehouse_day_min * 86'400 || seconds >= (postgres::warehouse_day_max + 1) * 86'400)
    return time_out_of_range;
  int64_t unit = power_of_ten(9 - scale);
  if (nanoseconds % unit != 0) return too_fine;
  // A DateTime64(9) ends in 2262.
  int64_t whole = 0;
  if (__builtin_mul_overflow(seconds, power_of_ten(scale), &whole)) return time_out_of_range;
  ticks = whole + nanoseconds / unit;
  return check_ticks(ticks, scale);
}

TextError time_text(int64_t nanoseconds, std::string& out) {
  constexpr int64_t day = int64_t{86'400} * 1'000'000'000;
  if (nanoseconds < 0 || nanoseconds > day) return "the time of day is outside 00:00 .. 24:00";
  int64_t seconds = nanoseconds / 1'000'000'000;
  int64_t fraction = nanoseconds % 1'000'000'000;
  auto two = [&](int64_t value) {
    out.push_back(static_cast<char>('0' + value / 10));
    out.push_back(static_cast<char>('0' + value % 10));
  };
  two(seconds / 3600);
  out.push_back(':');
  two(seconds / 60 % 60);
  out.push_back(':');
  two(seconds % 60);
  if (fraction == 0) return nullptr;
  out.push_back('.');
  for (int64_t unit = 100'000'000; fraction > 0; unit /= 10) {
    out.push_back(static_cast<char>('0' + fraction / unit));
    fraction %= unit;
  }
  return nullptr;
}

TextError check_ticks(int64_t ticks, int scale) {
  int64_t unit = power_of_ten(scale);
  int64_t seconds = ticks / unit - (ticks % unit < 0 ? 1 : 0);
  if (seconds < postgres::warehouse_day_min * 86'400 || seconds >= (postgres::warehouse_day_max + 1) * 86'400)
    return time_out_of_range;
  return nullptr;
}

TextError check_days(int64_t days) {
  if (days < postgres::warehouse_day_min || days > postgres::warehouse_day_max) return date_out_of_range;
  return nullptr;
}

}  // namespace tidemark::kafka
