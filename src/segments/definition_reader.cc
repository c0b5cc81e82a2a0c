#include "segments/definition_reader.h"

#include "segments/canonical.h"
#include "segments/condition_reader.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::segments {
namespace {

using config::MappingReader;
using config::Reader;
using config::YamlNode;

bool is_identifier(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  auto letter = [](char character) {
    return character == '_' || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z');
  };
  return letter(name.front()) && std::all_of(name.begin(), name.end(), [&](char character) {
           return letter(character) || (character >= '0' && character <= '9');
         });
}

void check_table(MappingReader& mapping, const char* key, const std::string& table) {
  if (!table.empty() && table.find('.') == std::string::npos)
    mapping.error(key, fmt::format("`{}` has no database", table),
                  fmt::format("Write bronze.{} or the full name of a model.", table));
}

EventTable read_event_table(Reader reader, const YamlNode& node) {
  MappingReader mapping(reader, node, "an event table");
  EventTable table;
  table.where = node.where;
  table.table = mapping.required_text("table");
  check_table(mapping, "table", table.table);
  mapping.required_child("key");
  table.key = mapping.texts("key");
  table.name = mapping.text("name");
  table.constant_name = mapping.text("event");
  if (table.name.empty() == table.constant_name.empty())
    reader.report.error(node.where,
                        "an event table needs either `name`, the column with the event's name, or `event`, "
                        "the name of all of them");
  table.time = mapping.required_text("time");
  table.properties = mapping.text("properties");
  table.id = mapping.text("id");
  mapping.finish();
  return table;
}

Options read_options(MappingReader& mapping) {
  Options options;
  options.initial = mapping.choice<Options::Initial>(
      "initial", {{"none", Options::Initial::none}, {"all", Options::Initial::all}}, Options::Initial::none);
  options.cooldown_seconds = mapping.duration_seconds("cooldown").value_or(0);
  options.minimum_dwell_seconds = mapping.duration_seconds("minimum_dwell").value_or(0);
  return options;
}

struct Operation {
  const char* word;
  const char* key;
  bool list;
};
// The words that criteria tables use, and ours.
constexpr Operation operations[] = {
    {"eq", "eq", false},
    {"=", "eq", false},
    {"==", "eq", false},
    {"equals", "eq", false},
    {"neq", "neq", false},
    {"ne", "neq", false},
    {"!=", "neq", false},
    {"<>", "neq", false},
    {"not_equals", "neq", false},
    {"gt", "gt", false},
    {">", "gt", false},
    {"gte", "gte", false},
    {">=", "gte", false},
    {"lt", "lt", false},
    {"<", "lt", false},
    {"lte", "lte", false},
    {"<=", "lte", false},
    {"between", "between", true},
    {"in", "in", true},
    {"not_in", "not_in", true},
    {"exists", "exists", false},
    {"not_exists", "not_exists", false},
    {"contains", "contains", false},
    {"not_contains", "not_contains", false},
    {"starts_with", "starts_with", false},
    {"ends_with", "ends_with", false},
    {"matches", "matches", false},
    {"not_matches", "not_matches", false},
    {"has", "has", false},
    {"has_any", "has_any", true},
    {"has_all", "has_all", true},
    {"has_none", "has_none", true},
    {"before", "before", false},
    {"after", "after", false},
    {"on", "on", false},
    {"within_last", "within_last", false},
    {"within_next", "within_next", false},
    {"more_than_ago", "more_than_ago", false},
    {"more_than_ahead", "more_than_ahead", false},
    {"anniversary", "anniversary", false},
};

YamlNode scalar_node(std::string text, bool quoted, const Location& where) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.text = std::move(text);
  node.quoted = quoted;
  node.where = where;
  return node;
}

}  // namespace

Node read_condition(Reader reader, const YamlNode& node) {
  return simplified(ConditionReader(reader).read(node));
}

std::optional<Definition> read_definition(Reader reader, const YamlNode& node) {
  MappingReader mapping(reader, node, "a segment");
  if (node.kind != YamlNode::Kind::mapping) return std::nullopt;
  Definition definition;
  definition.where = mapping.where("segment");
  definition.name = mapping.required_text("segment");
  if (!definition.name.empty() && !is_identifier(definition.name))
    mapping.error("segment", fmt::format("`{}` is not a name for a segment", definition.name),
                  "Use letters, digits and _, beginning with a letter, at most 64.");
  definition.description = mapping.text("description");
  definition.entity = mapping.required_text("entity");
  check_table(mapping, "entity", definition.entity);
  definition.key = mapping.texts("key");
  definition.time_zone = mapping.text("time_zone");
  if (mapping.has("events"))
    for (const YamlNode& item : mapping.items("events"))
      definition.events.push_back(read_event_table(reader, item));
  for (const EventTable& table : definition.events)
    if (!definition.key.empty() && table.key.size() != definition.key.size())
      reader.report.error(table.where,
                          fmt::format("`key` of {} has {} columns and the segment's key {}", table.table,
                                      table.key.size(), definition.key.size()),
                          "Name the columns that equal the entity's key, in that order.");
  if (const YamlNode* where = mapping.required_child("where"))
    definition.condition = read_condition(reader, *where);
  definition.notify = mapping.texts("notify");
  definition.properties = mapping.texts("properties");
  definition.options = read_options(mapping);
  mapping.finish();
  return definition;
}

std::optional<Node> read_filter(config::Report& report, const FilterTuple& filter, const Location& where) {
  config::Environment none(false, [](const std::string&) { return std::nullopt; });
  Reader reader{report, none};
  std::vector<std::string> words;
  const Operation* found = nullptr;
  for (const Operation& operation : operations) {
    words.emplace_back(operation.word);
    if (filter.operation == operation.word) found = &operation;
  }
  if (found == nullptr) {
    report.error(where, fmt::format("there is no operator `{}`{}", filter.operation,
                                    config::did_you_mean(filter.operation, words)));
    return std::nullopt;
  }
  static const std::vector<std::string> types = {"", "string", "number", "boolean", "date", "array"};
  if (std::find(types.begin(), types.end(), filter.data_type) == types.end()) {
    report.error(where,
                 fmt::format("there is no data type `{}`{}", filter.data_type,
                             config::did_you_mean(filter.data_type, types)),
                 "Use string, number, boolean, date or array.");
    return std::nullopt;
  }
  if (filter.value.find("${") != std::string::npos) {
    report.error(where, "`${` is not filled in here", "Write the value itself.");
    return std::nullopt;
  }
  bool text = filter.data_type.empty() || filter.data_type == "string" || filter.data_type == "array";
  YamlNode value = scalar_node(filter.value, text, where);
  if (found->list && filter.value.starts_with('[')) {
    auto list = parse_json(report, filter.value);
    if (!list) return std::nullopt;
    value = std::move(*list);
    for (YamlNode& item : value.items)
      if (!text) item.quoted = false;
  } else if (found->list) {
    value.kind = YamlNode::Kind::sequence;
    value.items.push_back(scalar_node(filter.value, text, where));
  }
  std::string_view key = found->key;
  if (key == "exists" || key == "not_exists") value = scalar_node("true", false, where);
  YamlNode mapping;
  mapping.kind = YamlNode::Kind::mapping;
  mapping.where = where;
  mapping.pairs.push_back({"property", where, scalar_node(filter.property_path, true, where)});
  mapping.pairs.push_back({std::string(key), where, std::move(value)});
  size_t errors = report.error_count();
  Node node = read_condition(reader, mapping);
  if (report.error_count() != errors) return std::nullopt;
  return node;
}

}  // namespace tidemark::segments
