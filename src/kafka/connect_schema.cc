#include "kafka/connect_schema.h"

#include "kafka/kafka_limits.h"

#include <fmt/format.h>
#include <map>
#include <simdjson.h>

namespace tidemark::kafka {
namespace {

namespace dom = simdjson::dom;
using simdjson::SUCCESS;

struct Typed {
  ColumnType type;
  Form form = Form::plain;
  int scale = 0;
};

int parameter(const dom::element& schema, const char* name, int otherwise) {
  std::string_view text;
  if (schema["parameters"][name].get(text) != SUCCESS) return otherwise;
  return std::atoi(std::string(text).c_str());
}

// Debezium and Connect give their types names; the name says more than the type.
std::optional<Typed> by_name(std::string_view name, const dom::element& schema) {
  constexpr int decimal_digits_max = 76;
  const ColumnType text = ColumnType::of(TypeKind::string);
  ColumnType low = text;
  low.low_cardinality = true;
  static const std::map<std::string_view, Typed> fixed = {
      {"io.debezium.time.Date", {ColumnType::of(TypeKind::date32), Form::days}},
      {"org.apache.kafka.connect.data.Date", {ColumnType::of(TypeKind::date32), Form::days}},
      {"io.debezium.time.IsoDate", {ColumnType::of(TypeKind::date32), Form::plain}},
      {"io.debezium.time.StructuredDate", {ColumnType::of(TypeKind::date32), Form::plain}},
      {"io.debezium.time.Time", {text, Form::time_milliseconds}},
      {"org.apache.kafka.connect.data.Time", {text, Form::time_milliseconds}},
      {"io.debezium.time.MicroTime", {text, Form::time_microseconds}},
      {"io.debezium.time.NanoTime", {text, Form::time_nanoseconds}},
      {"io.debezium.time.StructuredTime", {text, Form::time_nanoseconds}},
      {"io.debezium.time.StructuredZonedTime", {text, Form::time_nanoseconds}},
      {"io.debezium.time.Timestamp", {ColumnType::datetime64(3), Form::milliseconds}},
      {"org.apache.kafka.connect.data.Timestamp", {ColumnType::datetime64(3), Form::milliseconds}},
      {"io.debezium.time.MicroTimestamp", {ColumnType::datetime64(6), Form::microseconds}},
      // Of a source whose times have microseconds: nine digits would end in the year 2262.
      {"io.debezium.time.NanoTimestamp", {ColumnType::datetime64(6), Form::nanoseconds}},
      {"io.debezium.time.IsoTimestamp", {ColumnType::datetime64(6), Form::plain}},
      {"io.debezium.time.StructuredTimestamp", {ColumnType::datetime64(6), Form::plain}},
      {"io.debezium.time.ZonedTimestamp", {ColumnType::datetime64(6, "UTC"), Form::plain}},
      {"io.debezium.time.StructuredZonedTimestamp", {ColumnType::datetime64(6, "UTC"), Form::plain}},
      {"io.debezium.time.StructuredDuration", {text, Form::json}},
      {"io.debezium.data.Uuid", {ColumnType::of(TypeKind::uuid), Form::plain}},
      {"io.debezium.data.Enum", {low, Form::plain}},
      {"io.debezium.data.VariableScaleDecimal", {text, Form::variable_decimal}},
  };
  if (auto found = fixed.find(name); found != fixed.end()) return found->second;
  if (name == "org.apache.kafka.connect.data.Decimal") {
    int scale = parameter(schema, "scale", 0);
    int precision = parameter(schema, "connect.decimal.precision", decimal_digits_max / 2);
    if (precision < 1 || precision > decimal_digits_max || scale < 0 || scale > precision)
      return Typed{text, Form::decimal_bytes, scale};
    return Typed{ColumnType::decimal(static_cast<uint8_t>(precision), static_cast<uint8_t>(scale)),
                 Form::decimal_bytes, scale};
  }
  if (name == "io.debezium.data.Bits") {
    int length = parameter(schema, "length", 0);
    // Of bits whose number varies the length is not sent: the bytes stay as they came.
    constexpr int bits_max = 1'000'000;
    if (length <= 0 || length > bits_max) return Typed{text, Form::plain};
    return Typed{text, Form::bits, length};
  }
  return std::nullopt;
}

Result<Typed> typed(const dom::element& schema) {
  std::string_view type;
  if (schema["type"].get(type) != SUCCESS) return fail(ErrorKind::corrupt, "a schema has no type");
  std::string_view name;
  if (schema["name"].get(name) == SUCCESS)
    if (auto known = by_name(name, schema)) return *known;
  static const std::map<std::string_view, TypeKind> kinds = {
      {"int8", TypeKind::int8},       {"int16", TypeKind::int16},     {"int32", TypeKind::int32},
      {"int64", TypeKind::int64},     {"float", TypeKind::float32},   {"double", TypeKind::float64},
      {"float32", TypeKind::float32}, {"float64", TypeKind::float64}, {"boolean", TypeKind::boolean},
      {"string", TypeKind::string}};
  if (auto found = kinds.find(type); found != kinds.end()) return Typed{ColumnType::of(found->second)};
  if (type == "bytes") return Typed{ColumnType::of(TypeKind::string), Form::base64};
  if (type == "array") {
    dom::element items;
    if (schema["items"].get(items) != SUCCESS)
      return fail(ErrorKind::corrupt, "an array's schema has no items");
    bool optional = true;
    [[maybe_unused]] auto sent = schema["optional"].get(optional);
    std::string_view inner;
    // ClickHouse has no array that may be NULL, and none of unknown depth.
    if (optional || (items["type"].get(inner) == SUCCESS && inner == "array"))
      return Typed{ColumnType::of(TypeKind::string), Form::json};
    Typed element = TRY(typed(items));
    return Typed{ColumnType::array_of(element.type.as_nullable()), element.form, element.scale};
  }
  // Structs (points, geometries) and maps.
  return Typed{ColumnType::of(TypeKind::string), Form::json};
}

Result<ColumnPlan> column_of(const dom::element& field) {
  std::string_view name;
  if (field["field"].get(name) != SUCCESS) return fail(ErrorKind::corrupt, "a schema's field has no name");
  bool optional = true;
  [[maybe_unused]] auto sent = field["optional"].get(optional);
  Typed type = TRY_IN(typed(field), "field " + std::string(name));
  return ColumnPlan{.name = std::string(name),
                    .target = optional ? type.type.as_nullable() : type.type,
                    .form = type.form,
                    .scale = type.scale};
}

Result<std::vector<ColumnPlan>> columns_of(const dom::element& schema) {
  dom::array fields;
  if (schema["fields"].get(fields) != SUCCESS)
    return fail(ErrorKind::corrupt, "the schema is not one of a row");
  for (dom::element field : fields) {
    std::string_view name;
    std::string_view type;
    if (field["field"].get(name) == SUCCESS && name == "after" && field["type"].get(type) == SUCCESS &&
        type == "struct")
      return columns_of(field);
  }
  std::vector<ColumnPlan> columns;
  for (dom::element field : fields) columns.push_back(TRY(column_of(field)));
  if (columns.size() > limits::columns_max)
    return fail(ErrorKind::limit, fmt::format("the schema has {} columns; the most are {}", columns.size(),
                                              limits::columns_max));
  return columns;
}

// What the values of a field have in common.
enum class Seen : uint8_t { nothing, boolean, whole, number, text };
Seen together(Seen left, Seen right) {
  if (left == Seen::nothing || left == right) return right;
  if (right == Seen::nothing) return left;
  bool numbers =
      (left == Seen::whole || left == Seen::number) && (right == Seen::whole || right == Seen::number);
  return numbers ? Seen::number : Seen::text;
}
Seen seen(const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::BOOL:
      return Seen::boolean;
    case dom::element_type::INT64:
      return Seen::whole;
    case dom::element_type::DOUBLE:
      return Seen::number;
    case dom::element_type::NULL_VALUE:
      return Seen::nothing;
    default:
      return Seen::text;  // also UInt64: beyond Int64 only text holds it
  }
}

class Learner {
 public:
  explicit Learner(Format format) : format_(format) {}

  // True: nothing more is needed.
  bool take(const Sample& sample) {
    if (sample.key) take_key(*sample.key);
    if (!sample.value) return false;
    if (format_ == Format::ndjson) {
      std::string_view rest = *sample.value;
      while (!rest.empty()) {
        size_t end = std::min(rest.find('\n'), rest.size());
        dom::element row;
        if (parser_.parse(rest.data(), end).get(row) == SUCCESS) add(row);
        rest.remove_prefix(std::min(rest.size(), end + 1));
      }
      return false;
    }
    dom::element root;
    if (parser_.parse(*sample.value).get(root) != SUCCESS) return false;
    dom::element schema;
    dom::element payload;
    bool wrapped = format_ != Format::json && root["payload"].get(payload) == SUCCESS &&
                   root["schema"].get(schema) == SUCCESS;
    if (wrapped && schema.is_object()) {
      // A heartbeat's schema is a struct, too.
      bool envelope = format_ != Format::debezium || payload["op"].error() == SUCCESS;
      if (auto columns = columns_of(schema); columns && envelope) {
        shape_.columns = std::move(*columns);
        std::erase_if(shape_.columns, [&](const auto& column) {
          return format_ == Format::flat && column.name.starts_with("__");
        });
        return true;
      }
    }
    if (wrapped) root = payload;
    if (format_ == Format::debezium) {
      dom::element row;
      if (root["after"].get(row) != SUCCESS || !row.is_object()) return false;
      root = row;
    }
    add(root);
    return false;
  }

  Result<TableShape> finish() {
    bool by_values = shape_.columns.empty();
    if (by_values)
      for (const auto& name : order_) {
        ColumnType type = ColumnType::of(TypeKind::string);
        switch (fields_.at(name)) {
          case Seen::boolean:
            type = ColumnType::of(TypeKind::boolean);
            break;
          case Seen::whole:
            type = ColumnType::of(TypeKind::int64);
            break;
          case Seen::number:
            type = ColumnType::of(TypeKind::float64);
            break;
          default:
            break;
        }
        shape_.columns.push_back({.name = name, .target = type.as_nullable()});
      }
    if (shape_.columns.empty())
      return fail(ErrorKind::config, "no message says which columns there are",
                  "declare the table with `columns`, or start when the topic has messages");
    bool keyed = format_ == Format::debezium || format_ == Format::flat;
    for (const auto& name : keyed ? key_ : std::vector<std::string>()) {
      auto column = std::find_if(shape_.columns.begin(), shape_.columns.end(),
                                 [&](const auto& one) { return one.name == name; });
      if (column == shape_.columns.end()) continue;
      column->key = true;
      if (by_values) column->target.nullable = false;
      shape_.key.push_back(name);
    }
    return shape_;
  }

 private:
  void take_key(const std::string& text) {
    dom::element root;
    if (parser_.parse(text).get(root) != SUCCESS) return;
    dom::element payload;
    if (root["payload"].get(payload) == SUCCESS && root["schema"].error() == SUCCESS) root = payload;
    dom::object object;
    if (!key_.empty() || root.get(object) != SUCCESS) return;
    for (auto field : object) key_.emplace_back(field.key);
  }
  void add(const dom::element& row) {
    dom::object object;
    if (row.get(object) != SUCCESS) return;
    for (auto field : object) {
      std::string name(field.key);
      if (format_ == Format::flat && name.starts_with("__")) continue;
      auto [entry, fresh] = fields_.try_emplace(name, Seen::nothing);
      if (fresh) order_.push_back(name);
      entry->second = together(entry->second, seen(field.value));
    }
  }

  Format format_;
  dom::parser parser_;
  TableShape shape_;
  std::vector<std::string> key_;
  std::vector<std::string> order_;
  std::map<std::string, Seen> fields_;
};

}  // namespace

Result<Form> parse_form(std::string_view word) {
  static const std::map<std::string_view, Form> forms = {{"base64", Form::base64},
                                                         {"hex", Form::hex},
                                                         {"decimal_bytes", Form::decimal_bytes},
                                                         {"days", Form::days},
                                                         {"s", Form::seconds},
                                                         {"ms", Form::milliseconds},
                                                         {"us", Form::microseconds},
                                                         {"ns", Form::nanoseconds},
                                                         {"time_ms", Form::time_milliseconds},
                                                         {"json", Form::json},
                                                         {"time_us", Form::time_microseconds},
                                                         {"time_ns", Form::time_nanoseconds}};
  if (auto found = forms.find(word); found != forms.end()) return found->second;
  std::string all;
  for (const auto& [name, form] : forms) all += (all.empty() ? "" : ", ") + std::string(name);
  return fail(ErrorKind::config, fmt::format("`{}` is no form of values", word), "One of: " + all + ".");
}

Result<std::vector<ColumnPlan>> columns_of_schema(std::string_view schema) {
  dom::parser parser;
  dom::element root;
  if (parser.parse(schema.data(), schema.size()).get(root) != SUCCESS)
    return fail(ErrorKind::corrupt, "the schema is not valid JSON");
  return columns_of(root);
}

Result<TableShape> learn_shape(Format format, const std::vector<Sample>& samples) {
  if (TableShape fixed = fixed_shape(format); !fixed.columns.empty()) return fixed;
  Learner learner(format);
  for (const auto& sample : samples)
    if (learner.take(sample)) break;
  return learner.finish();
}

TableShape fixed_shape(Format format) {
  const ColumnType text = ColumnType::of(TypeKind::string);
  ColumnType low = text;
  low.low_cardinality = true;
  if (format == Format::outbox)
    return {.columns = {{.name = "id", .target = text, .key = true},
                        {.name = "aggregate_type", .target = low},
                        {.name = "aggregate_id", .target = text.as_nullable()},
                        {.name = "event_type", .target = low},
                        {.name = "payload", .target = text.as_nullable()},
                        {.name = "event_at", .target = ColumnType::datetime64(3, "UTC").as_nullable()}},
            .key = {"id"}};
  if (format == Format::lines)
    return {.columns = {{.name = "topic", .target = low},
                        {.name = "partition", .target = ColumnType::of(TypeKind::int32)},
                        {.name = "offset", .target = ColumnType::of(TypeKind::int64)},
                        {.name = "sent_at", .target = ColumnType::datetime64(3, "UTC").as_nullable()},
                        {.name = "key", .target = text.as_nullable()},
                        {.name = "line", .target = text.as_nullable()}},
            .key = {}};
  return {};
}

}  // namespace tidemark::kafka
