#include "ingest/airbyte_record.h"

#include "kafka/debezium_value.h"

namespace tidemark::ingest {
namespace {

constexpr std::string_view data_member = "_airbyte_data";

}  // namespace

std::string_view AirbyteRecord::unwrap(std::string_view json) {
  if (json.find(data_member) == std::string_view::npos) return json;
  envelope_.clear();
  object_.clear();
  if (!members_.open_object(json, envelope_)) return json;
  const JsonField& data = field_of(envelope_, data_member);
  std::string inside = data.json.starts_with('"') ? data.text : data.json;
  if (inside.empty() || !members_.open_object(inside, object_)) return json;
  text_ = "{";
  auto add = [&](const JsonField& field) {
    if (text_.size() > 1) text_.push_back(',');
    kafka::append_json_string(field.name, text_);
    text_.push_back(':');
    text_ += field.json;
  };
  for (const auto& field : envelope_)
    if (field.name != data_member && field_of(object_, field.name).name.empty()) add(field);
  for (const auto& field : object_) add(field);
  text_.push_back('}');
  return text_;
}

}  // namespace tidemark::ingest
