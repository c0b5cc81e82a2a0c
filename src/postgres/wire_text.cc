#include "postgres/wire_text.h"

#include "postgres/big_endian.h"
#include "postgres/calendar.h"

#include <arpa/inet.h>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

namespace tidemark::postgres {

const char* const wrong_length = "the value's length is wrong for its type";

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t minute_micros = 60 * second_micros;
constexpr int64_t hour_micros = 60 * minute_micros;

template <class... Arguments>
void print(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

// ".5", ".000001", nothing for zero.
void append_fraction(std::string& out, int64_t micros) {
  if (micros == 0) return;
  print(out, ".{:06}", micros);
  while (out.back() == '0') out.pop_back();
}

void append_clock(std::string& out, int64_t micros) {
  print(out, "{:02}:{:02}:{:02}", micros / hour_micros, micros / minute_micros % 60,
        micros / second_micros % 60);
  append_fraction(out, micros % second_micros);
}

void append_date(std::string& out, const CivilDate& date) {
  print(out, "{:04}-{:02}-{:02}", date.year > 0 ? date.year : 1 - date.year, date.month, date.day);
}

DecodeError text_of_text(const Decoder&, const char* data, size_t length, std::string& out) {
  out.append(data, length);
  return nullptr;
}

DecodeError text_of_char(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 1) return wrong_length;
  if (*data != '\0') out += *data;
  return nullptr;
}

DecodeError text_of_jsonb(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length < 1) return wrong_length;
  if (*data != 1) return "jsonb in a binary version that is not known here";
  out.append(data + 1, length - 1);
  return nullptr;
}

DecodeError text_of_boolean(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 1) return wrong_length;
  out += *data != 0 ? 't' : 'f';
  return nullptr;
}

template <class T>
DecodeError text_of_integer(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != sizeof(T)) return wrong_length;
  uint64_t raw = sizeof(T) == 2 ? read_u16(data) : sizeof(T) == 4 ? read_u32(data) : read_u64(data);
  print(out, "{}", static_cast<T>(raw));
  return nullptr;
}

DecodeError text_of_float4(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 4) return wrong_length;
  append_float(out, std::bit_cast<float>(read_u32(data)));
  return nullptr;
}
DecodeError text_of_float8(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 8) return wrong_length;
  append_float(out, std::bit_cast<double>(read_u64(data)));
  return nullptr;
}

DecodeError text_of_uuid(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 16) return wrong_length;
  uint64_t high = read_u64(data);
  uint64_t low = read_u64(data + 8);
  print(out, "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff,
        low >> 48, low & 0xffffffffffff);
  return nullptr;
}

// The text of bytea, as inside an array literal. (A bytea column's own target takes the raw bytes.)
DecodeError text_of_bytea(const Decoder&, const char* data, size_t length, std::string& out) {
  static const char digits[] = "0123456789abcdef";
  out += "\\x";
  for (size_t index = 0; index < length; ++index) {
    auto byte = static_cast<unsigned char>(data[index]);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return nullptr;
}

DecodeError text_of_date(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 4) return wrong_length;
  int32_t days = read_i32(data);
  if (days == INT32_MAX) return out += "infinity", nullptr;
  if (days == INT32_MIN) return out += "-infinity", nullptr;
  CivilDate date = civil_from_days(days + postgres_epoch_days);
  append_date(out, date);
  if (date.year <= 0) out += " BC";
  return nullptr;
}

template <bool with_zone>
DecodeError text_of_timestamp(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 8) return wrong_length;
  int64_t micros = read_i64(data);
  if (micros == INT64_MAX) return out += "infinity", nullptr;
  if (micros == INT64_MIN) return out += "-infinity", nullptr;
  int64_t day = micros / day_micros - (micros % day_micros < 0 ? 1 : 0);
  CivilDate date = civil_from_days(day + postgres_epoch_days);
  append_date(out, date);
  out += ' ';
  append_clock(out, micros - day * day_micros);
  if (with_zone) out += "+00";
  if (date.year <= 0) out += " BC";
  return nullptr;
}

DecodeError text_of_time(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 8) return wrong_length;
  int64_t micros = read_i64(data);
  if (micros < 0 || micros > day_micros) return "a time of day outside 00:00 .. 24:00";
  append_clock(out, micros);
  return nullptr;
}

DecodeError text_of_timetz(const Decoder& decoder, const char* data, size_t length, std::string& out) {
  if (length != 12) return wrong_length;
  if (auto* error = text_of_time(decoder, data, 8, out)) return error;
  int64_t west = read_i32(data + 8);
  int64_t zone = west < 0 ? -west : west;
  print(out, "{}{:02}", west <= 0 ? '+' : '-', zone / 3600);
  if (zone % 3600 != 0) print(out, ":{:02}", zone / 60 % 60);
  if (zone % 60 != 0) print(out, ":{:02}", zone % 60);
  return nullptr;
}

// Postgres's rendering of ISO 8601: every field carries its own sign, zero fields are left out.
DecodeError text_of_interval(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 16) return wrong_length;
  int64_t micros = read_i64(data);
  int64_t days = read_i32(data + 8);
  int64_t months = read_i32(data + 12);
  if (micros == 0 && days == 0 && months == 0) return out += "PT0S", nullptr;
  auto field = [&](int64_t value, char unit) {
    if (value != 0) print(out, "{}{}", value, unit);
  };
  out += 'P';
  field(months / 12, 'Y');
  field(months % 12, 'M');
  field(days, 'D');
  if (micros == 0) return nullptr;
  out += 'T';
  field(micros / hour_micros, 'H');
  field(micros % hour_micros / minute_micros, 'M');
  int64_t seconds = micros % minute_micros;
  if (seconds == 0) return nullptr;
  if (seconds < 0) out += '-';
  seconds = std::abs(seconds);
  print(out, "{}", seconds / second_micros);
  append_fraction(out, seconds % second_micros);
  out += 'S';
  return nullptr;
}

DecodeError text_of_inet(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length < 4) return wrong_length;
  bool four = data[0] == 2;
  unsigned bits = static_cast<unsigned char>(data[1]);
  bool cidr = data[2] != 0;
  size_t address_bytes = four ? 4 : 16;
  unsigned bits_max = four ? 32 : 128;
  if ((data[0] != 2 && data[0] != 3) || length != 4 + address_bytes ||
      static_cast<size_t>(data[3]) != address_bytes || bits > bits_max)
    return "a network address of unknown form";
  char text[INET6_ADDRSTRLEN];
  inet_ntop(four ? AF_INET : AF_INET6, data + 4, text, sizeof text);
  out += text;
  if (cidr || bits != bits_max) print(out, "/{}", bits);
  return nullptr;
}

DecodeError text_of_macaddr(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 6 && length != 8) return wrong_length;
  for (size_t index = 0; index < length; ++index)
    print(out, "{}{:02x}", index == 0 ? "" : ":", static_cast<unsigned char>(data[index]));
  return nullptr;
}

// As in the "C" locale: $ and groups of three.
DecodeError text_of_money(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 8) return wrong_length;
  int64_t cents = read_i64(data);
  uint64_t amount = cents < 0 ? uint64_t{0} - static_cast<uint64_t>(cents) : static_cast<uint64_t>(cents);
  std::string whole = std::to_string(amount / 100);
  for (size_t at = whole.size(); at > 3; at -= 3) whole.insert(at - 3, 1, ',');
  print(out, "{}${}.{:02}", cents < 0 ? "-" : "", whole, amount % 100);
  return nullptr;
}

DecodeError text_of_bit(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length < 4) return wrong_length;
  uint64_t bits = read_u32(data);
  if ((bits + 7) / 8 != length - 4) return wrong_length;
  for (uint64_t index = 0; index < bits; ++index)
    out += (data[4 + index / 8] >> (7 - index % 8) & 1) != 0 ? '1' : '0';
  return nullptr;
}

DecodeError text_of_lsn(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length != 8) return wrong_length;
  out += format_lsn(read_u64(data));
  return nullptr;
}

DecodeError text_of_hstore(const Decoder&, const char* data, size_t length, std::string& out) {
  const char* end = data + length;
  if (length < 4) return wrong_length;
  uint32_t count = read_u32(data);
  data += 4;
  // One quoted string; false when it runs over the end.
  auto append_quoted = [&](int32_t size) {
    if (size < 0 || size > end - data) return false;
    out += '"';
    for (const char* stop = data + size; data < stop; ++data) {
      if (*data == '"' || *data == '\\') out += '\\';
      out += *data;
    }
    out += '"';
    return true;
  };
  auto next_size = [&](int32_t& size) {
    if (end - data < 4) return false;
    size = read_i32(data);
    data += 4;
    return true;
  };
  for (uint32_t index = 0; index < count; ++index) {
    int32_t size = 0;
    if (index > 0) out += ", ";
    if (!next_size(size) || !append_quoted(size) || !next_size(size)) return wrong_length;
    out += "=>";
    if (size == -1) {
      out += "NULL";
    } else if (!append_quoted(size)) {
      return wrong_length;
    }
  }
  return data == end ? nullptr : wrong_length;
}

DecodeError text_of_numeric(const Decoder&, const char* data, size_t length, std::string& out) {
  if (length < 8) return wrong_length;
  int groups = read_u16(data);
  int weight = read_i16(data + 2);
  uint16_t sign = read_u16(data + 4);
  int scale = read_u16(data + 6);
  if (length != 8 + static_cast<size_t>(groups) * 2) return wrong_length;
  if (sign == 0xC000) return out += "NaN", nullptr;
  if (sign == 0xD000) return out += "Infinity", nullptr;
  if (sign == 0xF000) return out += "-Infinity", nullptr;
  if (sign != 0 && sign != 0x4000) return "a numeric with an unknown sign";
  auto group = [&](int index) -> unsigned {
    return index >= 0 && index < groups ? read_u16(data + 8 + index * 2) : 0;
  };
  for (int index = 0; index < groups; ++index)
    if (group(index) > 9999) return "a numeric with a digit that is none";
  if (sign == 0x4000) out += '-';
  if (weight < 0) {
    out += '0';
  } else {
    print(out, "{}", group(0));
    for (int index = 1; index <= weight; ++index) print(out, "{:04}", group(index));
  }
  if (scale == 0) return nullptr;
  out += '.';
  size_t wanted = out.size() + static_cast<size_t>(scale);
  for (int index = weight + 1; out.size() < wanted; ++index) print(out, "{:04}", group(index));
  out.resize(wanted);
  return nullptr;
}

// `text` is std::to_chars' shortest "d.ddde+XX"; Postgres writes exponents from `exponent_max` up and below
// -4, and plain digits between.
void append_layout(std::string& out, std::string_view text, int exponent_max) {
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  size_t mark = text.find('e');
  int exponent = std::atoi(std::string(text.substr(mark + 1)).c_str());
  std::string digits(1, text.front());
  if (mark > 1) digits += text.substr(2, mark - 2);
  if (exponent < -4 || exponent >= exponent_max) {
    out += digits.front();
    if (digits.size() > 1) print(out, ".{}", digits.substr(1));
    print(out, "e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  } else if (exponent < 0) {
    print(out, "0.{}{}", std::string(static_cast<size_t>(-exponent - 1), '0'), digits);
  } else {
    size_t whole = static_cast<size_t>(exponent) + 1;
    if (digits.size() <= whole) {
      out += digits;
      out.append(whole - digits.size(), '0');
    } else {
      print(out, "{}.{}", digits.substr(0, whole), digits.substr(whole));
    }
  }
}

// Is the decimal number `text` exactly half way between `value` and a neighbour of it? Then it reads back as
// `value` only by the rule "ties to even"; std::to_chars takes such a number as shortest, Postgres does not.
//
// With text = digits * 10^power and value = mantissa * 2^exponent, half way means digits * 10^power equals
// (2 * mantissa +- 1) * 2^(exponent - 1), or (4 * mantissa - 1) * 2^(exponent - 2) below a power of two. Both
// sides are compared as odd * 2^n. The odd side has 54 bits or fewer, so beyond |power| = 23 they cannot be
// equal.
template <class T>
bool is_half_way(std::string_view text, T value) {
  constexpr int mantissa_bits = std::numeric_limits<T>::digits;
  unsigned __int128 decimal = 0;
  int power = 0;
  size_t mark = text.find('e');
  for (size_t index = 0; index < mark; ++index) {
    if (text[index] < '0' || text[index] > '9') continue;
    decimal = decimal * 10 + static_cast<unsigned>(text[index] - '0');
    if (index > text.find('.')) --power;
  }
  power += std::atoi(text.data() + mark + 1);
  if (power > 23 || power < -24 || decimal == 0) return false;
  for (int step = 0; step < power; ++step) decimal *= 5;
  for (int step = 0; step > power; --step) {
    if (decimal % 5 != 0) return false;
    decimal /= 5;
  }
  int decimal_exponent = power;
  auto make_odd = [](unsigned __int128& number, int& exponent) {
    while ((number & 1) == 0) {
      number >>= 1;
      ++exponent;
    }
  };
  make_odd(decimal, decimal_exponent);
  int exponent = 0;
  auto mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(std::abs(value), &exponent), mantissa_bits));
  exponent -= mantissa_bits;
  bool power_of_two = (mantissa & (mantissa - 1)) == 0;
  struct Side {
    unsigned __int128 number;
    int exponent;
  };
  using Number = unsigned __int128;
  for (Side side : {Side{Number{2} * mantissa + 1, exponent - 1},
                    power_of_two ? Side{Number{4} * mantissa - 1, exponent - 2}
                                 : Side{Number{2} * mantissa - 1, exponent - 1}}) {
    make_odd(side.number, side.exponent);
    if (side.number == decimal && side.exponent == decimal_exponent) return true;
  }
  return false;
}

template <class T>
void append_shortest(std::string& out, T value, int exponent_max) {
  if (std::isnan(value)) return out += "NaN", void();
  if (std::isinf(value)) return out += value < 0 ? "-Infinity" : "Infinity", void();
  char text[64];
  auto result = std::to_chars(text, text + sizeof text - 1, value, std::chars_format::scientific);
  *result.ptr = '\0';
  std::string_view digits(text, static_cast<size_t>(result.ptr - text));
  // Rare (one double in some thousands, one float in some hundreds): the next longer number that is closer.
  for (size_t length = digits.find('e'); is_half_way(digits, value) && length < 24; ++length) {
    int places = static_cast<int>(length) - (value < 0 ? 2 : 1);
    int written =
        std::snprintf(text, sizeof text, "%.*e", places == 0 ? 1 : places, static_cast<double>(value));
    digits = {text, static_cast<size_t>(written)};
  }
  append_layout(out, digits, exponent_max);
}

}  // namespace

void append_float(std::string& out, double value) {
  append_shortest(out, value, 15);
}
void append_float(std::string& out, float value) {
  append_shortest(out, value, 6);
}

Decoder::TextFunction scalar_text_function(WireType wire) {
  switch (wire) {
    case WireType::boolean:
      return text_of_boolean;
    case WireType::int2:
      return text_of_integer<int16_t>;
    case WireType::int4:
      return text_of_integer<int32_t>;
    case WireType::int8:
      return text_of_integer<int64_t>;
    case WireType::oid:
      return text_of_integer<uint32_t>;
    case WireType::xid8:
      return text_of_integer<uint64_t>;
    case WireType::float4:
      return text_of_float4;
    case WireType::float8:
      return text_of_float8;
    case WireType::numeric:
      return text_of_numeric;
    case WireType::text:
      return text_of_text;
    case WireType::char1:
      return text_of_char;
    case WireType::jsonb:
      return text_of_jsonb;
    case WireType::uuid:
      return text_of_uuid;
    case WireType::bytea:
      return text_of_bytea;
    case WireType::date:
      return text_of_date;
    case WireType::timestamp:
      return text_of_timestamp<false>;
    case WireType::timestamptz:
      return text_of_timestamp<true>;
    case WireType::time:
      return text_of_time;
    case WireType::timetz:
      return text_of_timetz;
    case WireType::interval:
      return text_of_interval;
    case WireType::inet:
      return text_of_inet;
    case WireType::macaddr:
      return text_of_macaddr;
    case WireType::money:
      return text_of_money;
    case WireType::bit:
      return text_of_bit;
    case WireType::lsn:
      return text_of_lsn;
    case WireType::hstore:
      return text_of_hstore;
    case WireType::range:
    case WireType::multirange:
    case WireType::array:
    case WireType::other:
      return nullptr;
  }
  return nullptr;
}

}  // namespace tidemark::postgres
