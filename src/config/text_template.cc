#include "config/text_template.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

constexpr const char* names[] = {"type", "subject", "subject_version", "entity", "cause", "seq", "timestamp"};

bool known(std::string_view name) {
  if (name.starts_with("data.") && name.size() > 5) return true;
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

Result<TextTemplate> parse_text_template(std::string_view text) {
  TextTemplate parsed;
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    if ((text[at] == '{' || text[at] == '}') && at + 1 < text.size() && text[at + 1] == text[at]) {
      plain += text[at++];
      continue;
    }
    if (text[at] == '}') return fail(ErrorKind::config, "a } without its {", "Write }} for a brace.");
    if (text[at] != '{') {
      plain += text[at];
      continue;
    }
    size_t close = text.find('}', at);
    if (close == std::string_view::npos)
      return fail(ErrorKind::config, "a { without its }", "Write {{ for a brace.");
    std::string name(text.substr(at + 1, close - at - 1));
    if (!known(name))
      return fail(ErrorKind::config, fmt::format("`{{{}}}` is no placeholder", name),
                  "There are {type}, {subject}, {subject_version}, {entity}, {cause}, {seq}, {timestamp} and "
                  "{data.<path>}.");
    if (!plain.empty()) parsed.push_back({false, std::exchange(plain, {})});
    parsed.push_back({true, std::move(name)});
    at = close;
  }
  if (!plain.empty()) parsed.push_back({false, std::move(plain)});
  return parsed;
}

}  // namespace tidemark::config
