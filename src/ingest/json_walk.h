// The JSON text of a value as it stands in a document, after a look at all of it: simdjson's on-demand reader
// finds the end of an object without looking at what is inside, and what is kept must be JSON. Only for .cc
// files of this room: simdjson is a heavy header.
#pragma once

#include "ingest/spool_limits.h"

#include <simdjson.h>
#include <string>
#include <string_view>

namespace tidemark::ingest {

// A text that lies in memory simdjson may read past.
class PaddedCopy {
 public:
  simdjson::padded_string_view set(std::string_view text) {
    bytes_.assign(text);
    bytes_.resize(text.size() + simdjson::SIMDJSON_PADDING, '\0');
    return simdjson::padded_string_view(bytes_.data(), text.size(), bytes_.size());
  }
  std::string_view view(size_t size) const { return std::string_view(bytes_).substr(0, size); }

 private:
  std::string bytes_;
};

inline std::string_view trimmed_json(std::string_view text) {
  while (!text.empty() &&
         (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

inline bool is_json_number(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at > from;
  };
  if (at < text.size() && text[at] == '-') ++at;
  bool zero = at < text.size() && text[at] == '0';
  size_t from = at;
  if (!digits() || (zero && at - from > 1)) return false;
  if (at < text.size() && text[at] == '.' && (++at, !digits())) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

// Everything in `value` is JSON, and no deeper than limits::event_depth_max. Reads it to its end.
inline simdjson::error_code walk_json(simdjson::ondemand::value value, size_t depth = 0) {
  using simdjson::SUCCESS;
  namespace ondemand = simdjson::ondemand;
  if (depth > limits::event_depth_max) return simdjson::DEPTH_ERROR;
  ondemand::json_type type;
  if (auto error = value.type().get(type); error != SUCCESS) return error;
  switch (type) {
    case ondemand::json_type::object: {
      ondemand::object object;
      if (auto error = value.get_object().get(object); error != SUCCESS) return error;
      for (auto result : object) {
        ondemand::field field;
        if (auto error = std::move(result).get(field); error != SUCCESS) return error;
        std::string_view key;
        if (auto error = field.unescaped_key().get(key); error != SUCCESS) return error;
        if (auto error = walk_json(field.value(), depth + 1); error != SUCCESS) return error;
      }
      return SUCCESS;
    }
    case ondemand::json_type::array: {
      ondemand::array array;
      if (auto error = value.get_array().get(array); error != SUCCESS) return error;
      for (auto result : array) {
        ondemand::value element;
        if (auto error = std::move(result).get(element); error != SUCCESS) return error;
        if (auto error = walk_json(element, depth + 1); error != SUCCESS) return error;
      }
      return SUCCESS;
    }
    case ondemand::json_type::string: {
      std::string_view text;
      return value.get_string().get(text);
    }
    case ondemand::json_type::number:
      // Of any size: it is kept as text.
      return is_json_number(trimmed_json(value.raw_json_token())) ? SUCCESS : simdjson::NUMBER_ERROR;
    case ondemand::json_type::boolean: {
      bool flag = false;
      return value.get_bool().get(flag);
    }
    case ondemand::json_type::null: {
      bool null = false;
      if (auto error = value.is_null().get(null); error != SUCCESS) return error;
      return null ? SUCCESS : simdjson::N_ATOM_ERROR;
    }
  }
  return simdjson::TAPE_ERROR;
}

// The text of `value`; what is inside is looked at too, unless `skip_walk` says that this text is known.
template <class Known>
simdjson::error_code read_json(simdjson::ondemand::value value, std::string_view& text, Known known) {
  using simdjson::SUCCESS;
  namespace ondemand = simdjson::ondemand;
  ondemand::json_type type;
  if (auto error = value.type().get(type); error != SUCCESS) return error;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if (auto error = value.get_object().get(object); error != SUCCESS) return error;
    if (auto error = object.raw_json().get(text); error != SUCCESS) return error;
    text = trimmed_json(text);
    if (known(text)) return SUCCESS;
    bool ignored = false;
    if (auto error = object.reset().get(ignored); error != SUCCESS) return error;
    for (auto result : object) {
      ondemand::field field;
      if (auto error = std::move(result).get(field); error != SUCCESS) return error;
      std::string_view key;
      if (auto error = field.unescaped_key().get(key); error != SUCCESS) return error;
      if (auto error = walk_json(field.value(), 1); error != SUCCESS) return error;
    }
    return SUCCESS;
  }
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    if (auto error = value.get_array().get(array); error != SUCCESS) return error;
    if (auto error = array.raw_json().get(text); error != SUCCESS) return error;
    text = trimmed_json(text);
    if (known(text)) return SUCCESS;
    bool ignored = false;
    if (auto error = array.reset().get(ignored); error != SUCCESS) return error;
    for (auto result : array) {
      ondemand::value element;
      if (auto error = std::move(result).get(element); error != SUCCESS) return error;
      if (auto error = walk_json(element, 1); error != SUCCESS) return error;
    }
    return SUCCESS;
  }
  text = trimmed_json(value.raw_json_token());
  return walk_json(value);
}

inline simdjson::error_code read_json(simdjson::ondemand::value value, std::string_view& text) {
  return read_json(value, text, [](std::string_view) { return false; });
}

// One object and nothing else, all of it JSON.
inline bool is_json_object(std::string_view text) {
  PaddedCopy padded;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (parser.iterate(padded.set(text)).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS)
    return false;
  for (auto result : object) {
    simdjson::ondemand::field field;
    std::string_view key;
    if (std::move(result).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(key) != simdjson::SUCCESS ||
        walk_json(field.value(), 1) != simdjson::SUCCESS)
      return false;
  }
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

}  // namespace tidemark::ingest
