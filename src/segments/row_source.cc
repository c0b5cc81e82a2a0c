#include "segments/row_source.h"

#include "clickhouse/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

// The type inside Nullable and LowCardinality.
std::string_view bare(std::string_view type) {
  for (std::string_view wrapper : {"LowCardinality(", "Nullable("})
    if (type.starts_with(wrapper)) type = type.substr(wrapper.size(), type.size() - wrapper.size() - 1);
  return type;
}

}  // namespace

// A place in the tuple: a leaf (a text) or further steps, in the order of the tuple.
struct RowSource::Step {
  std::vector<std::pair<std::string, std::unique_ptr<Step>>> steps;

  std::string type() const {
    if (steps.empty()) return "Nullable(String)";
    std::vector<std::string> members;
    for (const auto& [name, step] : steps)
      members.push_back(clickhouse::quote_identifier(name) + " " + step->type());
    return fmt::format("Tuple({})", fmt::join(members, ", "));
  }

  // The 1-based places on the way to `path`, made where they are missing; nothing when a leaf would have to
  // be an inner place too.
  std::optional<std::vector<size_t>> place(const Path& path, size_t from) {
    std::vector<size_t> places;
    Step* at = this;
    for (size_t index = from; index < path.size(); ++index) {
      size_t found = 0;
      while (found < at->steps.size() && at->steps[found].first != path[index]) ++found;
      bool last = index + 1 == path.size();
      if (found < at->steps.size()) {
        if (last != at->steps[found].second->steps.empty()) return std::nullopt;
      } else {
        at->steps.emplace_back(path[index], std::make_unique<Step>());
      }
      places.push_back(found + 1);
      at = at->steps[found].second.get();
    }
    return places;
  }
};

RowSource::RowSource(TableShape shape, std::string properties, const Zone& zone)
    : shape_(std::move(shape)), properties_(std::move(properties)), zone_(zone) {
  if (!properties_.empty()) return;
  for (const char* name : {"properties", "traits", "data"})
    if (const std::string* type = shape_.type(name))
      if (bare(*type) == "String" || bare(*type).starts_with("JSON")) {
        properties_ = name;
        break;
      }
}

std::string RowSource::column(const std::string& name) {
  used_.insert(name);
  return clickhouse::quote_identifier(name);
}

std::string RowSource::json_element(const std::string& name, const Path& path, size_t from) {
  // `a` and `a.b` cannot be in one tuple: the second gets a tuple of its own.
  for (size_t index = 0;; ++index) {
    if (index == parsed_.size())
      parsed_.push_back(std::make_shared<Parsed>(Parsed{name, std::make_unique<Step>()}));
    if (parsed_[index]->column != name) continue;
    // place() may have made steps before it finds that it cannot go on; they cost nothing but their
    // extraction.
    auto places = parsed_[index]->root->place(path, from);
    if (!places) continue;
    std::string element = fmt::format("`_json{}`", index);
    for (size_t place : *places) element = fmt::format("tupleElement({}, {})", element, place);
    return element;
  }
}

std::optional<Operand> RowSource::find(const Path& path) {
  const std::string* type = shape_.type(path.front());
  std::string name = type != nullptr ? path.front() : properties_;
  if (type == nullptr) type = shape_.type(name);
  if (type == nullptr) return std::nullopt;
  size_t from = shape_.type(path.front()) != nullptr ? 1 : 0;
  std::string_view kind = bare(*type);
  bool json = kind.starts_with("JSON");
  Operand operand;
  if (from < path.size()) {
    if (!json && kind != "String") return std::nullopt;
    operand.text = json_element(name, path, from);
    return operand;
  }
  std::string value = column(name);
  operand.text = fmt::format("toString({})", value);
  if (json) operand.text = fmt::format("toJSONString({})", value);
  if (kind.starts_with("DateTime")) {
    operand.instant = fmt::format("toUnixTimestamp64Micro(toDateTime64({}, 6))", value);
    operand.text = fmt::format("concat(toString(toDateTime64({}, 6, 'UTC')), 'Z')", value);
  } else if (kind.starts_with("Date")) {
    operand.instant = zone_.start_of(value);
  } else if (kind.starts_with("Array")) {
    operand.list = fmt::format("arrayMap(item -> toString(item), {})", value);
    operand.text = fmt::format("toNullable(toJSONString({}))", value);
  }
  return operand;
}

std::vector<std::string> RowSource::computed(const std::string& wanted) const {
  std::vector<std::string> columns;
  for (const auto& name : used_) columns.push_back(clickhouse::quote_identifier(name));
  for (size_t index = 0; index < parsed_.size(); ++index) {
    const Parsed& parsed = *parsed_[index];
    std::string column = clickhouse::quote_identifier(parsed.column);
    if (bare(*shape_.type(parsed.column)).starts_with("JSON"))
      column = fmt::format("toJSONString({})", column);
    else if (shape_.type(parsed.column)->starts_with("Nullable"))
      column = fmt::format("ifNull({}, '')", column);
    if (!wanted.empty()) column = fmt::format("if({}, {}, '')", wanted, column);
    columns.push_back(fmt::format("JSONExtract({}, {}) AS `_json{}`", column,
                                  clickhouse::quote_string(parsed.root->type()), index));
  }
  return columns;
}

std::set<std::string> RowSource::columns_read() const {
  std::set<std::string> columns = used_;
  for (const auto& parsed : parsed_) columns.insert(parsed->column);
  return columns;
}

std::string number_of(const std::string& text) {
  return fmt::format("toDecimal128OrNull({}, 10)", text);
}

std::string instant_of(const std::string& text, const Zone& zone) {
  // Only what begins like a date: the best-effort parser also reads "10" and "May".
  return fmt::format(
      "multiIf(match(ifNull({0}, ''), '^\\\\d{{4}}-\\\\d{{2}}-\\\\d{{2}}'), "
      "toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull({0}, 6, {1})), match(ifNull({0}, ''), "
      "'^\\\\d{{10}}$'), "
      "toInt64OrNull({0}) * 1000000, match(ifNull({0}, ''), '^\\\\d{{13}}$'), toInt64OrNull({0}) * 1000, "
      "NULL)",
      text, zone.name());
}

}  // namespace tidemark::segments
