#include "clickhouse/wire_type.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::clickhouse {
namespace {

using Form = WireType::Form;

// "Wrapper(inside)" -> inside; empty when it is not that wrapper.
std::string_view unwrap(std::string_view name, std::string_view wrapper) {
  if (name.size() < wrapper.size() + 2 || !name.starts_with(wrapper) || name[wrapper.size()] != '(' ||
      name.back() != ')')
    return {};
  return name.substr(wrapper.size() + 1, name.size() - wrapper.size() - 2);
}

Error unreadable(std::string_view name) {
  return Error(ErrorKind::unsupported, fmt::format("the ClickHouse type {} cannot be read here", name),
               "cast it in the query, for example with toString(...) or toJSONString(...)");
}

// "'a' = 1, 'it\'s' = -2" -> names by number.
bool parse_enum_values(std::string_view text, std::unordered_map<int32_t, std::string>& values) {
  size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && (text[at] == ' ' || text[at] == ',')) ++at;
    if (at == text.size()) break;
    if (text[at++] != '\'') return false;
    std::string value;
    while (at < text.size() && text[at] != '\'') {
      if (text[at] == '\\' && at + 1 < text.size()) {
        char escaped = text[++at];
        value.push_back(escaped == 'n'   ? '\n'
                        : escaped == 't' ? '\t'
                        : escaped == 'r' ? '\r'
                        : escaped == '0' ? '\0'
                                         : escaped);
      } else {
        value.push_back(text[at]);
      }
      ++at;
    }
    if (at == text.size()) return false;
    ++at;
    while (at < text.size() && (text[at] == ' ' || text[at] == '=')) ++at;
    int32_t number = 0;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
    if (error != std::errc()) return false;
    at = static_cast<size_t>(end - text.data());
    values[number] = std::move(value);
  }
  return !values.empty();
}

}  // namespace

Result<WireType> parse_wire_type(std::string_view name) {
  WireType type;
  type.column = ColumnType::of(TypeKind::string);
  if (auto inside = unwrap(name, "LowCardinality"); !inside.empty()) {
    WireType whole = TRY(parse_wire_type(inside));
    if (whole.form != Form::plain && whole.form != Form::text && whole.form != Form::fixed_string)
      return fail(unreadable(name));
    type.form = Form::low_cardinality;
    type.column = whole.column;
    whole.column.nullable = false;
    type.inner = std::make_shared<const WireType>(std::move(whole));
    return type;
  }
  if (auto inside = unwrap(name, "Nullable"); !inside.empty()) {
    type = TRY(parse_wire_type(inside));
    if (type.form == Form::array || type.form == Form::low_cardinality) return fail(unreadable(name));
    type.column.nullable = true;
    return type;
  }
  if (auto inside = unwrap(name, "Array"); !inside.empty()) {
    auto element = std::make_shared<const WireType>(TRY(parse_wire_type(inside)));
    type.form = Form::array;
    type.column = ColumnType::array_of(element->column);
    type.inner = std::move(element);
    return type;
  }
  if (auto inside = unwrap(name, "SimpleAggregateFunction"); !inside.empty()) {
    auto comma = inside.find(", ");
    if (comma == std::string_view::npos) return fail(unreadable(name));
    return parse_wire_type(inside.substr(comma + 2));
  }
  if (auto inside = unwrap(name, "FixedString"); !inside.empty()) {
    type.form = Form::fixed_string;
    auto [end, error] = std::from_chars(inside.data(), inside.data() + inside.size(), type.fixed_length);
    if (error != std::errc() || end != inside.data() + inside.size()) return fail(unreadable(name));
    return type;
  }
  for (bool wide : {false, true}) {
    if (auto inside = unwrap(name, wide ? "Enum16" : "Enum8"); !inside.empty()) {
      type.form = wide ? Form::enum16 : Form::enum8;
      if (!parse_enum_values(inside, type.values)) return fail(unreadable(name));
      return type;
    }
  }
  auto plain = parse_column_type(name);
  if (!plain) return fail(unreadable(name));
  type.column = std::move(*plain);
  type.form = type.column.kind == TypeKind::json     ? Form::json
              : type.column.kind == TypeKind::string ? Form::text
                                                     : Form::plain;
  return type;
}

}  // namespace tidemark::clickhouse
