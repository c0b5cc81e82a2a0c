#include "profiles/id_reader.h"

#include "profiles/id_sql.h"
#include "profiles/profile_limits.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

namespace tidemark::profiles {
namespace {

namespace json = boost::json;
using ingest::EventRow;
using ingest::EventText;

std::string lower_ascii(std::string text) {
  for (char& character : text)
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  return text;
}

// lowerUTF8() of the warehouse, for the letters of two bytes that have one partner: Latin, Greek, Cyrillic.
std::string lower_text(std::string text) {
  text = lower_ascii(std::move(text));
  for (size_t at = 0; at + 1 < text.size(); ++at) {
    auto first = static_cast<unsigned char>(text[at]), second = static_cast<unsigned char>(text[at + 1]);
    if (first < 0xC3 || first > 0xD0) continue;
    uint32_t code = (first & 0x1Fu) << 6 | (second & 0x3Fu);
    bool latin = code >= 0xC0 && code <= 0xDE && code != 0xD7;
    bool greek = code >= 0x391 && code <= 0x3AB && code != 0x3A2;
    bool cyrillic = code >= 0x410 && code <= 0x42F;
    if (latin || greek || cyrillic) code += 0x20;
    if (code >= 0x400 && code <= 0x40F) code += 0x50;
    text[at] = static_cast<char>(0xC0 | code >> 6);
    text[at + 1] = static_cast<char>(0x80 | (code & 0x3F));
    ++at;
  }
  return text;
}

std::string cleaned(const IdKind& kind, std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return kind.ignore_case ? lower_text(std::string(text)) : std::string(text);
}

bool is_id(const Definition& definition, const std::string& value) {
  if (value.empty() || value.size() > limits::id_bytes_max) return false;
  if (value.front() == '{' || value.front() == '[') return false;
  if (value.find_first_not_of("-0") == std::string::npos) return false;
  std::string word = lower_ascii(value);
  for (const char* never : never_ids)
    if (word == never) return false;
  return std::find(definition.blocked.begin(), definition.blocked.end(), word) == definition.blocked.end();
}

std::string text_of(const json::value& value) {
  if (value.is_null()) return {};
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

json::value parsed(std::string_view text) {
  boost::system::error_code error;
  json::value value = text.empty() ? json::value() : json::parse(text, error);
  return error ? json::value() : value;
}

// Parts of an event that are JSON, each read once and only when somebody asks.
class EventFields {
 public:
  explicit EventFields(const EventRow& event) : event_(event) {}

  std::string at(const std::string& from, const std::string& kind) {
    static const std::map<std::string, EventText> columns{{"user_id", EventText::user_id},
                                                          {"anonymous_id", EventText::anonymous_id},
                                                          {"group_id", EventText::group_id},
                                                          {"previous_id", EventText::previous_id}};
    if (auto column = columns.find(from); column != columns.end()) return std::string(event_[column->second]);
    if (from == "context.externalIds") return external(kind);
    size_t dot = from.find('.');
    if (dot == std::string::npos) return {};
    const json::value* value = &object(from.substr(0, dot));
    for (size_t start = dot + 1; start <= from.size();) {
      size_t end = std::min(from.find('.', start), from.size());
      if (!value->is_object()) return {};
      value = value->as_object().if_contains(from.substr(start, end - start));
      if (value == nullptr) return {};
      start = end + 1;
    }
    return text_of(*value);
  }

 private:
  const json::value& object(const std::string& name) {
    auto [found, is_new] = parsed_.try_emplace(name);
    if (is_new)
      found->second = parsed(event_[name == "traits"       ? EventText::traits
                                    : name == "properties" ? EventText::properties
                                                           : EventText::context]);
    return found->second;
  }

  std::string external(const std::string& kind) {
    const json::value& context = object("context");
    if (!context.is_object()) return {};
    const auto* ids = context.as_object().if_contains("externalIds");
    if (ids == nullptr || !ids->is_array()) return {};
    for (const auto& one : ids->as_array()) {
      if (!one.is_object()) continue;
      const auto* type = one.as_object().if_contains("type");
      const auto* id = one.as_object().if_contains("id");
      if (type != nullptr && id != nullptr && type->is_string() && type->as_string() == kind)
        return text_of(*id);
    }
    return {};
  }

  const EventRow& event_;
  std::map<std::string, json::value> parsed_;
};

}  // namespace

std::string strongest_id(const Definition& definition, const EventRow& event) {
  EventFields fields(event);
  for (const auto& kind : definition.kinds)
    for (const auto& from : kind.from)
      if (std::string value = cleaned(kind, fields.at(from, kind.name)); is_id(definition, value))
        return kind.name + ":" + value;
  return {};
}

std::string strongest_id(const Definition& definition, const IdTable& table, std::string_view line) {
  json::value row = parsed(line);
  if (!row.is_object()) return {};
  for (const auto& [name, column] : table.ids) {
    const IdKind* kind = definition.kind(name);
    const auto* field = row.as_object().if_contains(column);
    if (kind == nullptr || field == nullptr) continue;
    if (std::string value = cleaned(*kind, text_of(*field)); is_id(definition, value))
      return name + ":" + value;
  }
  return {};
}

std::string canonical_id(const Definition& definition, const std::string& asked) {
  size_t colon = asked.find(':');
  const IdKind* kind = colon == std::string::npos ? nullptr : definition.kind(asked.substr(0, colon));
  if (kind == nullptr) return {};
  std::string value = cleaned(*kind, std::string_view(asked).substr(colon + 1));
  return is_id(definition, value) ? kind->name + ":" + value : std::string();
}

}  // namespace tidemark::profiles
