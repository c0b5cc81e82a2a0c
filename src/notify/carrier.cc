#include "notify/carrier.h"

#include "notify/notify_limits.h"

#include <algorithm>

namespace tidemark::notify {
namespace {

// Shorter ones would cut holes into innocent words, and are no secrets.
constexpr size_t concealed_bytes_min = 4;

// Where a UTF-8 character that begins at `at` ends; `at` itself when it is none.
size_t character_end(std::string_view text, size_t at) {
  auto byte = static_cast<unsigned char>(text[at]);
  size_t length = byte < 0x80                   ? 1
                  : byte >= 0xc2 && byte < 0xe0 ? 2
                  : byte >= 0xe0 && byte < 0xf0 ? 3
                  : byte >= 0xf0 && byte < 0xf5 ? 4
                                                : 0;
  if (length == 0 || at + length > text.size()) return at;
  for (size_t next = at + 1; next < at + length; ++next)
    if ((static_cast<unsigned char>(text[next]) & 0xc0) != 0x80) return at;
  return at + length;
}

}  // namespace

void Redaction::add(std::string text) {
  if (text.size() < concealed_bytes_min) return;
  texts_.push_back(std::move(text));
  // The longest first: one may be a part of another.
  std::sort(texts_.begin(), texts_.end(),
            [](const auto& left, const auto& right) { return left.size() > right.size(); });
}

std::string Redaction::excerpt(std::string_view text) const {
  std::string concealed(text.substr(0, limits::answer_bytes_max));
  for (const auto& secret : texts_)
    for (size_t at = concealed.find(secret); at != std::string::npos; at = concealed.find(secret, at + 3))
      concealed.replace(at, secret.size(), "***");
  std::string line;
  for (size_t at = 0; at < concealed.size() && line.size() < limits::answer_excerpt_bytes_max;) {
    size_t end = character_end(concealed, at);
    if (end == at) {
      line += "?";
      ++at;
      continue;
    }
    auto byte = static_cast<unsigned char>(concealed[at]);
    if (byte < 0x20 || byte == 0x7f)
      line += ' ';
    else
      line.append(concealed, at, end - at);
    at = end;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace tidemark::notify
