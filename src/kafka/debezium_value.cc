#include "kafka/debezium_value.h"

#include "kafka/encoded_text.h"

#include <fmt/format.h>

namespace tidemark::kafka {

using postgres::WireType;

const char* const unavailable_value = "__debezium_unavailable_value";

namespace {

// Debezium's placeholder in an array of UUIDs: the name-based UUID of its text.
constexpr const char* unavailable_uuid = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";

struct Scalar {
  ValueKind kind;
  const char* type;
  const char* semantic;
};

Scalar scalar_of(WireType wire, const std::string& type_name) {
  switch (wire) {
    case WireType::boolean:
      return {ValueKind::boolean, "boolean", nullptr};
    case WireType::int2:
      return {ValueKind::number, "int16", nullptr};
    case WireType::int4:
      return {ValueKind::number, "int32", nullptr};
    case WireType::int8:
    case WireType::oid:
    case WireType::xid8:
      return {ValueKind::number, "int64", nullptr};
    case WireType::float4:
      return {ValueKind::real, "float", nullptr};
    case WireType::float8:
      return {ValueKind::real, "double", nullptr};
    case WireType::bytea:
      return {ValueKind::bytes, "bytes", nullptr};
    case WireType::uuid:
      return {ValueKind::text, "string", "io.debezium.data.Uuid"};
    case WireType::jsonb:
      return {ValueKind::text, "string", "io.debezium.data.Json"};
    case WireType::date:
      return {ValueKind::date, "string", "io.debezium.time.IsoDate"};
    case WireType::timestamp:
      return {ValueKind::timestamp, "string", "io.debezium.time.IsoTimestamp"};
    case WireType::timestamptz:
      return {ValueKind::timestamptz, "string", "io.debezium.time.ZonedTimestamp"};
    case WireType::time:
      return {ValueKind::time, "string", "io.debezium.time.IsoTime"};
    case WireType::timetz:
      return {ValueKind::timetz, "string", "io.debezium.time.ZonedTime"};
    case WireType::interval:
      return {ValueKind::text, "string", "io.debezium.time.Interval"};
    case WireType::hstore:
      return {ValueKind::hstore, "string", "io.debezium.data.Json"};
    case WireType::money:
      return {ValueKind::money, "string", nullptr};
    case WireType::bit:
      if (type_name.starts_with("bit varying")) return {ValueKind::text, "string", nullptr};
      return {ValueKind::bits, "bytes", "io.debezium.data.Bits"};
    case WireType::text:
      if (type_name.starts_with("json")) return {ValueKind::text, "string", "io.debezium.data.Json"};
      if (type_name.starts_with("xml")) return {ValueKind::text, "string", "io.debezium.data.Xml"};
      return {ValueKind::text, "string", nullptr};
    default:
      return {ValueKind::text, "string", nullptr};
  }
}

void append_base64_string(std::string_view bytes, std::string& out) {
  out.push_back('"');
  encode_base64(bytes, false, out);
  out.push_back('"');
}

std::string unavailable_json(const ValuePlan& plan) {
  std::string json;
  auto scalar = [&](ValueKind kind) {
    if (kind == ValueKind::bytes || kind == ValueKind::bits)
      append_base64_string(unavailable_value, json);
    else
      append_json_string(unavailable_value, json);
  };
  if (plan.kind != ValueKind::array) {
    scalar(plan.kind);
    return json;
  }
  json = "[";
  if (plan.element == ValueKind::number || plan.element == ValueKind::real) {
    for (const char* byte = unavailable_value; *byte != 0; ++byte)
      json += (json.size() > 1 ? "," : "") + std::to_string(static_cast<int>(*byte));
  } else if (plan.semantic != nullptr && std::string_view(plan.semantic) == "io.debezium.data.Uuid") {
    append_json_string(unavailable_uuid, json);
  } else {
    scalar(plan.element == ValueKind::bytes ? ValueKind::bytes : ValueKind::text);
  }
  return json + "]";
}

// What Debezium fills into columns that cannot be NULL when the source sent only the key.
const char* zero_of(const postgres::SourceColumn& column, ValueKind kind) {
  switch (kind) {
    case ValueKind::boolean:
      return "false";
    case ValueKind::number:
      return "0";
    case ValueKind::real:
      return "0.0";
    case ValueKind::date:
      return "\"1970-01-01Z\"";
    case ValueKind::timestamp:
      return "\"1970-01-01T00:00:00Z\"";
    case ValueKind::timestamptz:
      return "\"1970-01-01T00:00:00.000000Z\"";
    case ValueKind::time:
    case ValueKind::timetz:
      return "\"00:00:00Z\"";
    case ValueKind::money:
      return "\"0.00\"";
    case ValueKind::hstore:
      return "\"{}\"";
    case ValueKind::array:
      return "[]";
    case ValueKind::text:
      return column.wire == WireType::numeric ? "\"0\"" : "\"\"";
    case ValueKind::bytes:
    case ValueKind::bits:
      return "\"\"";
  }
  return "null";
}

bool infinite(std::string_view text) {
  return text.ends_with("infinity");
}

// "0044-03-15 BC" is year -43 of ISO 8601; a year of more than four digits has a sign. `text` begins with the
// date; returns what is behind it, and whether it was before Christ.
std::string_view append_date(std::string_view text, bool before_christ, std::string& out) {
  size_t dash = text.find('-');
  if (dash == std::string_view::npos) dash = text.size();
  std::string_view year = text.substr(0, dash);
  if (before_christ) {
    int number = 0;
    for (char digit : year) number = number * 10 + (digit - '0');
    out += number == 1 ? "0000" : fmt::format("-{:04}", number - 1);
  } else {
    if (year.size() > 4) out.push_back('+');
    out += year;
  }
  size_t end = std::min(text.size(), dash + 6);
  out += text.substr(dash, end - dash);
  return text.substr(end);
}

bool take_era(std::string_view& text) {
  if (!text.ends_with(" BC")) return false;
  text.remove_suffix(3);
  return true;
}

void append_timestamp(std::string_view text, bool zoned, std::string& out) {
  out.push_back('"');
  if (infinite(text)) {
    out += text;
    out.push_back('"');
    return;
  }
  bool before_christ = take_era(text);
  std::string_view clock = append_date(text, before_christ, out);
  if (!clock.empty()) clock.remove_prefix(1);             // the space
  if (zoned && clock.size() > 3) clock.remove_suffix(3);  // +00: sessions are in UTC
  out.push_back('T');
  out += clock;
  if (zoned) {  // always six digits of a second
    size_t point = clock.find('.');
    if (point == std::string_view::npos) {
      out.push_back('.');
      point = clock.size();
    }
    size_t digits = clock.size() > point ? clock.size() - point - 1 : 0;
    if (digits < 6) out.append(6 - digits, '0');
  }
  out += "Z\"";
}

// "12:34:56+02" and "12:34:56+05:30" with hours and minutes of the zone.
void append_timetz(std::string_view text, std::string& out) {
  size_t sign = text.find_first_of("+-");
  out.push_back('"');
  if (sign == std::string_view::npos) {
    out += text;
  } else {
    std::string_view zone = text.substr(sign);
    out += text.substr(0, sign);
    if (zone == "+00")
      out.push_back('Z');
    else
      out += zone.size() == 3 ? std::string(zone) + ":00" : std::string(zone);
  }
  out.push_back('"');
}

// "1011" are the bits from high to low; the bytes go from low to high.
void append_bits(std::string_view digits, int bits, std::string& out) {
  if (bits == 1) {
    out += digits == "1" ? "true" : "false";
    return;
  }
  std::string bytes((digits.size() + 7) / 8, '\0');
  for (size_t index = 0; index < digits.size(); ++index) {
    size_t place = digits.size() - 1 - index;
    if (digits[index] == '1') bytes[place / 8] |= static_cast<char>(1 << (place % 8));
  }
  append_base64_string(bytes, out);
}

// "-$1,234.56" and "(1.00)" in some locales.
void append_money(std::string_view text, std::string& out) {
  out.push_back('"');
  if (text.find('-') != std::string_view::npos || text.starts_with('(')) out.push_back('-');
  for (char character : text)
    if ((character >= '0' && character <= '9') || character == '.') out.push_back(character);
  out.push_back('"');
}

// One token of an array's or hstore's literal: in quotes with backslashes, or bare up to one of `ends`.
std::string_view token(std::string_view text, size_t& place, std::string_view ends, std::string& scratch,
                       bool& quoted) {
  scratch.clear();
  quoted = place < text.size() && text[place] == '"';
  if (quoted) {
    for (++place; place < text.size() && text[place] != '"'; ++place) {
      if (text[place] == '\\' && place + 1 < text.size()) ++place;
      scratch.push_back(text[place]);
    }
    ++place;
    return scratch;
  }
  while (place < text.size() && ends.find(text[place]) == std::string_view::npos) {
    if (text[place] == '\\' && place + 1 < text.size()) ++place;
    scratch.push_back(text[place++]);
  }
  return scratch;
}

// "a"=>"1", "b"=>NULL becomes the text of {"a":"1","b":null}.
void append_hstore(std::string_view text, std::string& out) {
  std::string json = "{";
  std::string scratch;
  bool quoted = false;
  for (size_t place = 0; place < text.size();) {
    if (text[place] == ',' || text[place] == ' ') {
      ++place;
      continue;
    }
    std::string_view key = token(text, place, "=", scratch, quoted);
    if (json.size() > 1) json.push_back(',');
    append_json_string(key, json);
    json.push_back(':');
    place += 2;  // =>
    std::string_view value = token(text, place, ",", scratch, quoted);
    if (!quoted && value == "NULL")
      json += "null";
    else
      append_json_string(value, json);
  }
  json.push_back('}');
  append_json_string(json, out);
}

void append_scalar(ValueKind kind, int bits, std::string_view text, std::string& out) {
  switch (kind) {
    case ValueKind::boolean:
      out += text.starts_with('t') ? "true" : "false";
      return;
    case ValueKind::number:
      out += text;
      return;
    case ValueKind::real:
      if (text.ends_with('N') || text.ends_with('y')) return append_json_string(text, out);
      out += text;
      return;
    case ValueKind::bytes:
      return append_base64_string(text, out);
    case ValueKind::date: {
      out.push_back('"');
      if (infinite(text)) {
        out += text;
      } else {
        bool before_christ = take_era(text);
        append_date(text, before_christ, out);
        out.push_back('Z');
      }
      out.push_back('"');
      return;
    }
    case ValueKind::timestamp:
      return append_timestamp(text, false, out);
    case ValueKind::timestamptz:
      return append_timestamp(text, true, out);
    case ValueKind::time:
      out.push_back('"');
      out += text;
      out += "Z\"";
      return;
    case ValueKind::timetz:
      return append_timetz(text, out);
    case ValueKind::bits:
      return append_bits(text, bits, out);
    case ValueKind::money:
      return append_money(text, out);
    case ValueKind::hstore:
      return append_hstore(text, out);
    case ValueKind::text:
    case ValueKind::array:
      return append_json_string(text, out);
  }
}

// {1,NULL,"a \"b\""} with nesting; a lower bound before it ([0:1]={...}) is not kept, as in Debezium.
void append_array(const ValuePlan& plan, std::string_view text, std::string& out) {
  size_t place = text.find('{');
  if (place == std::string_view::npos) return append_json_string(text, out);
  const char ends[] = {plan.delimiter, '}', 0};
  std::string scratch;
  std::string bytes;
  bool first = true;
  while (place < text.size()) {
    char character = text[place];
    if (character == '{') {
      if (!first) out.push_back(',');
      out.push_back('[');
      first = true;
      ++place;
    } else if (character == '}') {
      out.push_back(']');
      first = false;
      ++place;
    } else if (character == plan.delimiter) {
      ++place;
    } else {
      if (!first) out.push_back(',');
      first = false;
      bool quoted = false;
      std::string_view value = token(text, place, ends, scratch, quoted);
      if (!quoted && value == "NULL") {
        out += "null";
      } else if (plan.element == ValueKind::bytes) {  // in an array they are hexadecimal: \xdead
        bytes.clear();
        if (value.starts_with("\\x") && decode_hex(value.substr(2), bytes) == nullptr)
          append_base64_string(bytes, out);
        else
          append_base64_string(value, out);
      } else {
        append_scalar(plan.element, plan.bits, value, out);
      }
    }
  }
}

}  // namespace

ValuePlan plan_of(const postgres::SourceColumn& column) {
  ValuePlan plan;
  bool array = column.wire == WireType::array;
  Scalar scalar = scalar_of(array ? column.element_wire : column.wire, column.type_name);
  plan.kind = array ? ValueKind::array : scalar.kind;
  plan.element = scalar.kind;
  plan.delimiter = column.element_delimiter;
  plan.type = scalar.type;
  plan.semantic = scalar.semantic;
  if (scalar.kind == ValueKind::bits) {
    plan.bits = column.effective_modifier > 0 ? column.effective_modifier : 1;
    if (plan.bits == 1) plan.type = "boolean", plan.semantic = nullptr;
  }
  plan.unavailable = unavailable_json(plan);
  bool one_bit = plan.kind == ValueKind::bits && plan.bits == 1;
  plan.absent = !column.not_null ? "null" : one_bit ? "false" : zero_of(column, plan.kind);
  return plan;
}

void append_value(const ValuePlan& plan, std::string_view text, std::string& out) {
  if (plan.kind == ValueKind::array) return append_array(plan, text, out);
  append_scalar(plan.kind, plan.bits, text, out);
}

void append_json_string(std::string_view text, std::string& out) {
  static constexpr const char* digits = "0123456789abcdef";
  out.push_back('"');
  size_t clean = 0;
  for (size_t index = 0; index < text.size(); ++index) {
    auto byte = static_cast<unsigned char>(text[index]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text, clean, index - clean);
    clean = index + 1;
    out.push_back('\\');
    switch (byte) {
      case '"':
      case '\\':
        out.push_back(static_cast<char>(byte));
        break;
      case '\n':
        out.push_back('n');
        break;
      case '\r':
        out.push_back('r');
        break;
      case '\t':
        out.push_back('t');
        break;
      default:
        out += "u00";
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
  }
  out.append(text, clean);
  out.push_back('"');
}

}  // namespace tidemark::kafka
