#include "base/column_type.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark {
namespace {

struct SimpleName {
  const char* name;
  TypeKind kind;
  size_t width;
};

constexpr SimpleName simple_names[] = {
    {"Bool", TypeKind::boolean, 1},     {"Int8", TypeKind::int8, 1},
    {"Int16", TypeKind::int16, 2},      {"Int32", TypeKind::int32, 4},
    {"Int64", TypeKind::int64, 8},      {"Int128", TypeKind::int128, 16},
    {"Int256", TypeKind::int256, 32},   {"UInt8", TypeKind::uint8, 1},
    {"UInt16", TypeKind::uint16, 2},    {"UInt32", TypeKind::uint32, 4},
    {"UInt64", TypeKind::uint64, 8},    {"UInt128", TypeKind::uint128, 16},
    {"UInt256", TypeKind::uint256, 32}, {"Float32", TypeKind::float32, 4},
    {"Float64", TypeKind::float64, 8},  {"String", TypeKind::string, 0},
    {"UUID", TypeKind::uuid, 16},       {"Date", TypeKind::date, 2},
    {"Date32", TypeKind::date32, 4},    {"DateTime", TypeKind::datetime, 4},
    {"JSON", TypeKind::json, 0},
};

std::string bare_name(const ColumnType& type, bool on_wire) {
  switch (type.kind) {
    case TypeKind::decimal:
      return fmt::format("Decimal({}, {})", type.precision, type.scale);
    case TypeKind::datetime:
      return type.timezone.empty() ? "DateTime" : fmt::format("DateTime('{}')", type.timezone);
    case TypeKind::datetime64:
      return type.timezone.empty() ? fmt::format("DateTime64({})", type.scale)
                                   : fmt::format("DateTime64({}, '{}')", type.scale, type.timezone);
    case TypeKind::json:
      return on_wire ? "String" : "JSON";
    case TypeKind::array:
      return fmt::format("Array({})", on_wire ? type.element->wire_name() : type.element->name());
    default:
      for (const auto& entry : simple_names)
        if (entry.kind == type.kind) return entry.name;
      return "String";
  }
}

// "Wrapper(inside)" -> inside, or empty when `name` is not that wrapper.
std::string_view unwrap(std::string_view name, std::string_view wrapper) {
  if (name.size() < wrapper.size() + 2 || !name.starts_with(wrapper) || name[wrapper.size()] != '(' ||
      name.back() != ')')
    return {};
  return name.substr(wrapper.size() + 1, name.size() - wrapper.size() - 2);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string_view unquote(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') return text.substr(1, text.size() - 2);
  return text;
}

bool parse_number(std::string_view text, uint8_t& value) {
  text = trim(text);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string ColumnType::name() const {
  std::string text = bare_name(*this, false);
  if (nullable) text = "Nullable(" + text + ")";
  if (low_cardinality) text = "LowCardinality(" + text + ")";
  return text;
}

std::string ColumnType::wire_name() const {
  std::string text = bare_name(*this, true);
  return nullable ? "Nullable(" + text + ")" : text;
}

size_t ColumnType::width() const {
  switch (kind) {
    case TypeKind::decimal:
      return precision <= 9 ? 4 : precision <= 18 ? 8 : precision <= 38 ? 16 : 32;
    case TypeKind::datetime64:
      return 8;
    case TypeKind::array:
      return 0;
    default:
      for (const auto& entry : simple_names)
        if (entry.kind == kind) return entry.width;
      return 0;
  }
}

bool ColumnType::operator==(const ColumnType& other) const {
  return name() == other.name();
}

Result<ColumnType> parse_column_type(std::string_view name) {
  if (auto inside = unwrap(name, "LowCardinality"); !inside.empty()) {
    ColumnType type = TRY(parse_column_type(inside));
    type.low_cardinality = true;
    return type;
  }
  if (auto inside = unwrap(name, "Nullable"); !inside.empty()) {
    ColumnType type = TRY(parse_column_type(inside));
    type.nullable = true;
    return type;
  }
  if (auto inside = unwrap(name, "Array"); !inside.empty())
    return ColumnType::array_of(TRY(parse_column_type(inside)));
  // AggregateFunction states never travel; SimpleAggregateFunction(f, T) is stored and sent as T.
  if (auto inside = unwrap(name, "SimpleAggregateFunction"); !inside.empty()) {
    auto comma = inside.find(',');
    if (comma != std::string_view::npos) return parse_column_type(trim(inside.substr(comma + 1)));
  }
  if (auto inside = unwrap(name, "Decimal"); !inside.empty()) {
    auto comma = inside.find(',');
    ColumnType type = ColumnType::of(TypeKind::decimal);
    if (comma != std::string_view::npos && parse_number(inside.substr(0, comma), type.precision) &&
        parse_number(inside.substr(comma + 1), type.scale))
      return type;
  }
  if (auto inside = unwrap(name, "DateTime64"); !inside.empty()) {
    auto comma = inside.find(',');
    ColumnType type = ColumnType::of(TypeKind::datetime64);
    if (parse_number(inside.substr(0, comma), type.scale)) {
      if (comma != std::string_view::npos) type.timezone = unquote(inside.substr(comma + 1));
      return type;
    }
  }
  if (auto inside = unwrap(name, "DateTime"); !inside.empty()) {
    ColumnType type = ColumnType::of(TypeKind::datetime);
    type.timezone = unquote(inside);
    return type;
  }
  if (auto inside = unwrap(name, "JSON"); !inside.empty()) return ColumnType::of(TypeKind::json);
  for (const auto& entry : simple_names)
    if (name == entry.name) return ColumnType::of(entry.kind);
  return fail(ErrorKind::unsupported, fmt::format("the ClickHouse type {} cannot be read here", name),
              "cast it in the query, for example with toString(...)");
}

}  // namespace tidemark
