#include "kafka/value_decoder.h"

#include "kafka/encoded_text.h"
#include "postgres/catalog.h"
#include "postgres/decimal_decoder.h"
#include "postgres/text_parser.h"

#include <charconv>
#include <cmath>

namespace tidemark::kafka {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::SUCCESS;

constexpr const char* null_refused = "null, and the column does not take NULL";
constexpr const char* bad_number = "the number does not fit the column's type";
constexpr const char* bad_object = "the value has not the fields of its form";

// Debezium's infinities in numbers: of its library's largest time in each unit. In nanoseconds and in days
// they overflow, so what arrives is what is left of them after the overflow.
constexpr int64_t infinity_ms = 9'223'372'036'825'200;
constexpr int64_t minus_infinity_ms = -9'223'372'036'832'400;
constexpr int64_t infinity_us = 9'223'372'036'825'200'000;
constexpr int64_t minus_infinity_us = -9'223'372'036'832'400'000;
constexpr int64_t wrapped(int64_t micros) {
  return static_cast<int64_t>(static_cast<uint64_t>(micros) * 1000);
}

bool is_infinity(int64_t value, Form form) {
  switch (form) {
    case Form::milliseconds:
      return value == infinity_ms || value == minus_infinity_ms;
    case Form::microseconds:
      return value == infinity_us || value == minus_infinity_us;
    case Form::nanoseconds:
      return value == wrapped(infinity_us) || value == wrapped(minus_infinity_us) || value == INT64_MAX ||
             value == INT64_MIN;
    default:
      return false;
  }
}

std::string_view trimmed(std::string_view token) {
  while (!token.empty() &&
         (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t'))
    token.remove_suffix(1);
  return token;
}

// A number's or a string's text; numbers may be written either way.
ValueError scalar_text(ondemand::value& value, std::string_view& text) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return not_json;
  if (type == ondemand::json_type::string)
    return value.get_string().get(text) == SUCCESS ? nullptr : not_json;
  if (type != ondemand::json_type::number) return not_of_its_type;
  text = trimmed(value.raw_json_token());
  double checked = 0;
  return value.get_double().get(checked) == SUCCESS ? nullptr : bad_number;
}

ValueError whole_number(ondemand::value& value, int64_t& number) {
  if (value.get_int64().get(number) == SUCCESS) return nullptr;
  std::string_view text;
  if (ValueError error = scalar_text(value, text)) return error;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? nullptr : bad_number;
}

template <class T>
ValueError append_integer(ondemand::value& value, Column& out) {
  int64_t number = 0;
  if (value.get_int64().get(number) == SUCCESS) {
    if constexpr (sizeof(T) < sizeof(int64_t))
      if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) return bad_number;
    if constexpr (std::is_same_v<T, uint64_t>)
      if (number < 0) return bad_number;
    out.append(static_cast<T>(number));
    return nullptr;
  }
  std::string_view text;
  if (ValueError error = scalar_text(value, text)) return error;
  T wide{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wide);
  if (error != std::errc() || end != text.data() + text.size()) return bad_number;
  out.append(wide);
  return nullptr;
}

template <class T>
ValueError append_float(ondemand::value& value, Column& out) {
  double number = 0;
  if (value.get_double().get(number) != SUCCESS) {
    std::string_view text;
    if (value.get_string().get(text) != SUCCESS) return not_of_its_type;
    if (text == "NaN")
      number = NAN;
    else if (text == "Infinity")
      number = INFINITY;
    else if (text == "-Infinity")
      number = -INFINITY;
    else {
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc() || end != text.data() + text.size()) return bad_number;
    }
  }
  out.append(static_cast<T>(number));
  return nullptr;
}

ValueError append_decimal_text(std::string_view text, ValueScratch& scratch, Column& out) {
  if (text.find_first_of("eE") != std::string_view::npos) {
    std::string plain;
    if (ValueError error = plain_number(text, plain)) return error;
    scratch.text = std::move(plain);
    text = scratch.text;
  }
  const ColumnType& type = out.type();
  postgres::Decoder decoder{.precision = type.precision, .scale = type.scale};
  return postgres::decimal_functions(type).text(decoder, text.data(), text.size(), out);
}

ValueError read_bytes(ondemand::value& value, ValueScratch& scratch) {
  std::string_view text;
  if (value.get_string().get(text) != SUCCESS) return not_of_its_type;
  scratch.text.clear();
  return decode_base64(text, scratch.text);
}

// Both forms end as a decimal's text, which a Decimal or a String column takes.
ValueError append_scaled(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch, Column& out) {
  int64_t scale = plan.scale;
  if (plan.form == Form::variable_decimal) {
    ondemand::object object;
    if (value.get_object().get(object) != SUCCESS) return bad_object;
    bool has_value = false;
    scratch.text.clear();
    for (auto field : object) {
      std::string_view key;
      ondemand::value inner;
      if (field.unescaped_key().get(key) != SUCCESS || field.value().get(inner) != SUCCESS) return not_json;
      if (key == "scale" && inner.get_int64().get(scale) != SUCCESS) return bad_object;
      if (key != "value") continue;
      if (ValueError error = read_bytes(inner, scratch)) return error;
      has_value = true;
    }
    if (!has_value) return bad_object;
  } else if (ValueError error = read_bytes(value, scratch)) {
    return error;
  }
  std::string text;
  if (ValueError error = decimal_text(scratch.text, static_cast<int>(scale), text)) return error;
  if (out.type().kind == TypeKind::decimal) return append_decimal_text(text, scratch, out);
  if (!out.type().is_text()) return not_of_its_type;
  out.append_text(text);
  return nullptr;
}

// {"year": 2024, "month": 2, ..., "specialValue": null} as the ISO text of it. Durations keep their JSON.
ValueError structured_time(ondemand::object object, std::string& text) {
  int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, nanos = 0, offset = 0;
  bool dated = false, timed = false, zoned = false;
  for (auto field : object) {
    std::string_view key;
    ondemand::value inner;
    if (field.unescaped_key().get(key) != SUCCESS || field.value().get(inner) != SUCCESS) return not_json;
    bool null = false;
    if (inner.is_null().get(null) != SUCCESS) return not_json;
    if (null) continue;
    if (key == "specialValue") return infinite_time;
    int64_t* place = key == "year"            ? &year
                     : key == "month"         ? &month
                     : key == "day"           ? &day
                     : key == "hour"          ? &hour
                     : key == "minute"        ? &minute
                     : key == "second"        ? &second
                     : key == "nanos"         ? &nanos
                     : key == "offsetSeconds" ? &offset
                                              : nullptr;
    if (place == nullptr) continue;
    if (inner.get_int64().get(*place) != SUCCESS) return bad_object;
    dated |= place == &year;
    timed |= place == &hour;
    zoned |= place == &offset;
  }
  if (!dated && !timed) return bad_object;
  text.clear();
  if (dated) text = fmt::format("{:04}-{:02}-{:02}", year, month, day);
  if (timed) {
    std::string clock;
    if (ValueError error = time_text((hour * 3600 + minute * 60 + second) * 1'000'000'000 + nanos, clock))
      return error;
    text += (dated ? "T" : "") + clock;
  }
  if (zoned && (offset != 0 || dated))
    text += fmt::format("{}{:02}:{:02}", offset < 0 ? "-" : "+", std::abs(offset) / 3600,
                        std::abs(offset) / 60 % 60);
  return nullptr;
}

ValueError time_string(ondemand::value& value, ValueScratch& scratch, std::string_view& text) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return not_json;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if (value.get_object().get(object) != SUCCESS) return not_json;
    if (ValueError error = structured_time(object, scratch.text)) return error;
    text = scratch.text;
    return nullptr;
  }
  return value.get_string().get(text) == SUCCESS ? nullptr : not_of_its_type;
}

bool is_number(ondemand::value& value) {
  ondemand::json_type type;
  return value.type().get(type) == SUCCESS && type == ondemand::json_type::number;
}

ValueError append_date(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch, Column& out) {
  int64_t days = 0;
  if (is_number(value)) {
    if (ValueError error = whole_number(value, days)) return error;
    int64_t unit = plan.form == Form::milliseconds ? 86'400'000 : 1;
    days = days / unit - (days % unit < 0 ? 1 : 0);
    if (ValueError error = check_days(days)) return error;
  } else {
    std::string_view text;
    if (ValueError error = time_string(value, scratch, text)) return error;
    if (ValueError error = parse_date(text, days)) return error;
  }
  if (out.type().kind == TypeKind::date32)
    out.append(static_cast<int32_t>(days));
  else if (days >= 0 && days <= UINT16_MAX)
    out.append(static_cast<uint16_t>(days));
  else
    return bad_number;
  return nullptr;
}

int form_scale(Form form, int own) {
  switch (form) {
    case Form::seconds:
      return 0;
    case Form::milliseconds:
      return 3;
    case Form::microseconds:
      return 6;
    case Form::nanoseconds:
      return 9;
    default:
      return own;
  }
}

ValueError append_timestamp(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch,
                            Column& out) {
  int scale = out.type().kind == TypeKind::datetime ? 0 : out.type().scale;
  int64_t ticks = 0;
  if (is_number(value)) {
    if (ValueError error = whole_number(value, ticks)) return error;
    if (is_infinity(ticks, plan.form)) return infinite_time;
    int sent = form_scale(plan.form, scale);
    for (; sent < scale; ++sent)
      if (__builtin_mul_overflow(ticks, int64_t{10}, &ticks)) return bad_number;
    for (; sent > scale; --sent) {
      if (ticks % 10 != 0) return "the time has more digits of a second than the column";
      ticks /= 10;
    }
    if (ValueError error = check_ticks(ticks, scale)) return error;
  } else {
    std::string_view text;
    if (ValueError error = time_string(value, scratch, text)) return error;
    if (ValueError error = parse_timestamp(text, scale, ticks)) return error;
  }
  if (out.type().kind != TypeKind::datetime)
    out.append(ticks);
  else if (ticks >= 0 && ticks <= UINT32_MAX)
    out.append(static_cast<uint32_t>(ticks));
  else
    return bad_number;
  return nullptr;
}

ValueError append_bits(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch, Column& out) {
  if (ValueError error = read_bytes(value, scratch)) return error;
  std::string text;
  for (size_t bit = static_cast<size_t>(plan.scale); bit-- > 0;)
    text.push_back(bit / 8 < scratch.text.size() && ((scratch.text[bit / 8] >> (bit % 8)) & 1) != 0 ? '1'
                                                                                                    : '0');
  out.append_text(text);
  return nullptr;
}

ValueError append_time_of_day(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch,
                              Column& out) {
  if (!is_number(value)) {  // an ISO time stays what it is
    std::string_view text;
    if (ValueError error = time_string(value, scratch, text)) return error;
    out.append_text(text);
    return nullptr;
  }
  int64_t number = 0;
  if (ValueError error = whole_number(value, number)) return error;
  int64_t unit = plan.form == Form::time_milliseconds   ? 1'000'000
                 : plan.form == Form::time_microseconds ? 1'000
                                                        : 1;
  if (__builtin_mul_overflow(number, unit, &number)) return bad_number;
  scratch.text.clear();
  if (ValueError error = time_text(number, scratch.text)) return error;
  out.append_text(scratch.text);
  return nullptr;
}

ValueError append_text_value(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch,
                             Column& out) {
  switch (plan.form) {
    case Form::base64:
      if (ValueError error = read_bytes(value, scratch)) return error;
      out.append_text(scratch.text);
      return nullptr;
    case Form::hex: {
      std::string_view text;
      if (value.get_string().get(text) != SUCCESS) return not_of_its_type;
      scratch.text.clear();
      if (ValueError error = decode_hex(text, scratch.text)) return error;
      out.append_text(scratch.text);
      return nullptr;
    }
    case Form::bits:
      return append_bits(plan, value, scratch, out);
    case Form::time_milliseconds:
    case Form::time_microseconds:
    case Form::time_nanoseconds:
      return append_time_of_day(plan, value, scratch, out);
    default:
      break;
  }
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return not_json;
  if (type == ondemand::json_type::string && plan.form != Form::json) {
    std::string_view text;
    if (value.get_string().get(text) != SUCCESS) return not_json;
    out.append_text(text);
    return nullptr;
  }
  std::string_view text;
  if (json_text(value).get(text) != SUCCESS) return not_json;
  out.append_text(text);
  return nullptr;
}

ValueError append_array(const ColumnPlan& plan, ondemand::value& value, ValueScratch& scratch, Column& out) {
  ondemand::array array;
  if (value.get_array().get(array) != SUCCESS) return not_of_its_type;
  ColumnPlan inner{.name = {}, .target = out.element().type(), .form = plan.form, .scale = plan.scale};
  size_t before = out.element().rows();
  for (auto item : array) {
    ondemand::value element;
    ValueError error =
        item.get(element) != SUCCESS ? not_json : append_value(inner, element, scratch, out.element());
    if (error != nullptr) {
      out.element().drop_last(out.element().rows() - before);
      return error;
    }
  }
  out.close_array();
  return nullptr;
}

}  // namespace

simdjson::simdjson_result<std::string_view> json_text(ondemand::value& value) {
  ondemand::json_type type;
  if (auto error = value.type().get(type); error != SUCCESS) return error;
  std::string_view text;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if (auto error = value.get_object().get(object); error != SUCCESS) return error;
    if (auto error = object.raw_json().get(text); error != SUCCESS) return error;
    return trimmed(text);
  }
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    if (auto error = value.get_array().get(array); error != SUCCESS) return error;
    if (auto error = array.raw_json().get(text); error != SUCCESS) return error;
    return trimmed(text);
  }
  text = trimmed(value.raw_json_token());
  // A token is only skipped when it was read.
  switch (type) {
    case ondemand::json_type::string: {
      std::string_view ignored;
      if (auto error = value.get_string().get(ignored); error != SUCCESS) return error;
      break;
    }
    case ondemand::json_type::number: {
      double ignored = 0;
      if (auto error = value.get_double().get(ignored); error != SUCCESS) return error;
      break;
    }
    case ondemand::json_type::boolean: {
      bool ignored = false;
      if (auto error = value.get_bool().get(ignored); error != SUCCESS) return error;
      break;
    }
    default:
      break;
  }
  return text;
}

ValueError append_value(const ColumnPlan& plan, ondemand::value value, ValueScratch& scratch, Column& out) {
  bool null = false;
  if (value.is_null().get(null) != SUCCESS) return not_json;
  if (null) {
    if (!out.type().nullable) return null_refused;
    out.append_null();
    return nullptr;
  }
  if (plan.form == Form::decimal_bytes || plan.form == Form::variable_decimal)
    return append_scaled(plan, value, scratch, out);
  switch (out.type().kind) {
    case TypeKind::boolean: {
      bool flag = false;
      if (value.get_bool().get(flag) != SUCCESS) return not_of_its_type;
      out.append(static_cast<uint8_t>(flag));
      return nullptr;
    }
    case TypeKind::int8:
      return append_integer<int8_t>(value, out);
    case TypeKind::int16:
      return append_integer<int16_t>(value, out);
    case TypeKind::int32:
      return append_integer<int32_t>(value, out);
    case TypeKind::int64:
      return append_integer<int64_t>(value, out);
    case TypeKind::uint8:
      return append_integer<uint8_t>(value, out);
    case TypeKind::uint16:
      return append_integer<uint16_t>(value, out);
    case TypeKind::uint32:
      return append_integer<uint32_t>(value, out);
    case TypeKind::uint64:
      return append_integer<uint64_t>(value, out);
    case TypeKind::float32:
      return append_float<float>(value, out);
    case TypeKind::float64:
      return append_float<double>(value, out);
    case TypeKind::decimal: {
      std::string_view text;
      if (ValueError error = scalar_text(value, text)) return error;
      return append_decimal_text(text, scratch, out);
    }
    case TypeKind::uuid: {
      std::string_view text;
      if (value.get_string().get(text) != SUCCESS) return not_of_its_type;
      return postgres::uuid_from_text({}, text.data(), text.size(), out);
    }
    case TypeKind::date:
    case TypeKind::date32:
      return append_date(plan, value, scratch, out);
    case TypeKind::datetime:
    case TypeKind::datetime64:
      return append_timestamp(plan, value, scratch, out);
    case TypeKind::string:
    case TypeKind::json:
      return append_text_value(plan, value, scratch, out);
    case TypeKind::array:
      return append_array(plan, value, scratch, out);
    default:
      return "columns of this type cannot be filled from messages";
  }
}

}  // namespace tidemark::kafka
