#include "config/diagnostic.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

// Damerau-Levenshtein in its restricted form (a swap of neighbours is one edit), over lower-cased bytes.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t cost = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        current[j] = std::min(current[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, current);
  }
  return last[b.size()];
}

// Spaces up to the column, keeping tabs as tabs so that the caret stands under its character, and one space
// for a character of several bytes.
std::string indentation(std::string_view line, int column) {
  std::string out;
  size_t end = std::min(line.size(), static_cast<size_t>(column - 1));
  for (size_t i = 0; i < end; ++i) {
    auto byte = static_cast<unsigned char>(line[i]);
    if ((byte & 0xC0) == 0x80) continue;
    out += byte == '\t' ? '\t' : ' ';
  }
  return out;
}

}  // namespace

std::string Location::describe() const {
  std::string text = file.string();
  if (line > 0) text += fmt::format(":{}", line);
  if (line > 0 && column > 0) text += fmt::format(":{}", column);
  return text;
}

std::string Diagnostic::render() const {
  std::string text = where.describe() + ": " + message + "\n";
  if (!source_line.empty()) {
    text += "  " + source_line + "\n";
    if (where.column > 0) text += "  " + indentation(source_line, where.column) + "^\n";
  }
  if (!remedy.empty()) text += "  " + remedy + "\n";
  return text;
}

std::string render(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (!text.empty()) text += "\n";
    text += diagnostic.render();
  }
  return text;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // A third of the letters wrong is still a typing error; more is another word.
  size_t allowed = std::max<size_t>(1, std::max<size_t>(word.size(), 3) / 3);
  std::string best;
  size_t best_distance = allowed + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  std::string found = nearest(word, candidates);
  return found.empty() ? "" : fmt::format(" (did you mean `{}`?)", found);
}

std::string_view line_of(std::string_view text, int line) {
  size_t begin = 0;
  for (int current = 1; current < line; ++current) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) return {};
    begin = end + 1;
  }
  std::string_view found = text.substr(begin, text.find('\n', begin) - begin);
  if (found.ends_with('\r')) found.remove_suffix(1);
  return found;
}

}  // namespace tidemark::config
