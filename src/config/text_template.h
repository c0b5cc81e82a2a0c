// Texts for people, made of a notification: "{subject}: {entity} {type}". Placeholders: {type}, {subject},
// {subject_version}, {entity}, {cause}, {seq}, {timestamp}, and {data.a.b}, which is a value inside `data`
// (empty when it is not there). {{ and }} are braces. notify fills them in.
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::config {

struct TextPiece {
  bool placeholder = false;
  std::string text;  // of a placeholder its name
};
using TextTemplate = std::vector<TextPiece>;

// Errors: config, naming the placeholder.
Result<TextTemplate> parse_text_template(std::string_view text);

}  // namespace tidemark::config
