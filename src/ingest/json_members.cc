#include "ingest/json_members.h"

#include "ingest/json_walk.h"

namespace tidemark::ingest {

namespace ondemand = simdjson::ondemand;

const JsonField& field_of(const std::vector<JsonField>& fields, std::string_view name) {
  static const JsonField none;
  for (const auto& field : fields)
    if (field.name == name) return field;
  return none;
}

struct JsonMembers::State {
  ondemand::parser parser;
  PaddedCopy body;

  static bool read_field(ondemand::value value, JsonField& field) {
    ondemand::json_type type;
    std::string_view json, text;
    if (value.type().get(type) != simdjson::SUCCESS) return false;
    if (type != ondemand::json_type::string) {
      if (read_json(value, json) != simdjson::SUCCESS) return false;
      field.json = json;
      if (type == ondemand::json_type::number) field.text = json;
      return true;
    }
    field.json = trimmed_json(value.raw_json_token());
    if (value.get_string().get(text) != simdjson::SUCCESS) return false;
    field.text = text;
    return true;
  }
};

JsonMembers::JsonMembers() : state_(std::make_unique<State>()) {}
JsonMembers::~JsonMembers() = default;

bool JsonMembers::open_object(std::string_view text, std::vector<JsonField>& fields) {
  ondemand::document document;
  if (state_->parser.iterate(state_->body.set(text)).get(document) != simdjson::SUCCESS) return false;
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return false;
  for (auto result : object) {
    ondemand::field field;
    std::string_view name;
    if (std::move(result).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(name) != simdjson::SUCCESS)
      return false;
    fields.push_back({.name = std::string(name), .json = {}, .text = {}});
    if (!State::read_field(field.value(), fields.back())) return false;
  }
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

bool JsonMembers::open_array(std::string_view text, std::vector<std::string>& elements) {
  ondemand::document document;
  if (state_->parser.iterate(state_->body.set(text)).get(document) != simdjson::SUCCESS) return false;
  ondemand::array array;
  if (document.get_array().get(array) != simdjson::SUCCESS) return false;
  for (auto result : array) {
    ondemand::value value;
    std::string_view element;
    if (std::move(result).get(value) != simdjson::SUCCESS || read_json(value, element) != simdjson::SUCCESS)
      return false;
    elements.emplace_back(element);
  }
  return true;
}

}  // namespace tidemark::ingest
