#include "config/report.h"

#include "base/limits.h"

#include <fstream>
#include <iterator>
#include <system_error>
#include <tuple>

namespace tidemark::config {
namespace {

void normalise_line_ends(std::string& text) {
  size_t kept = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      // "\r\n" and a lone "\r" (old editors) both end a line
      if (i + 1 < text.size() && text[i + 1] == '\n') continue;
      text[kept++] = '\n';
    } else {
      text[kept++] = text[i];
    }
  }
  text.resize(kept);
}

}  // namespace

std::optional<size_t> first_invalid_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    auto byte = [&](size_t at) -> unsigned {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    unsigned first = byte(i);
    size_t length = first < 0x80         ? 1
                    : (first >> 5) == 6  ? 2
                    : (first >> 4) == 14 ? 3
                    : (first >> 3) == 30 ? 4
                                         : 0;
    if (length == 0 || first == 0) return i;
    unsigned value = length == 1 ? first : first & (0xFFU >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return i;
      value = (value << 6) | (byte(i + k) & 0x3F);
    }
    static constexpr unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return i;
    i += length;
  }
  return std::nullopt;
}

void Report::error(Location where, std::string message, std::string remedy) {
  errors_.push_back(make(std::move(where), std::move(message), std::move(remedy)));
}

void Report::warning(Location where, std::string message, std::string remedy) {
  warnings_.push_back(make(std::move(where), std::move(message), std::move(remedy)));
}

void Report::conceal(std::string value, std::string reference) {
  // one or two characters ("1", "db") are no secret, and replacing them everywhere would garble the text
  if (value.size() >= 3) concealed_.emplace(std::move(value), std::move(reference));
}

void Report::conceal_in(std::string& text) const {
  for (const auto& [value, reference] : concealed_)
    for (size_t at = text.find(value); at != std::string::npos; at = text.find(value, at + reference.size()))
      text.replace(at, value.size(), reference);
}

Diagnostic Report::make(Location where, std::string message, std::string remedy) const {
  Diagnostic diagnostic{std::move(where), std::move(message), std::move(remedy), {}};
  conceal_in(diagnostic.message);
  conceal_in(diagnostic.remedy);
  if (auto text = texts_.find(diagnostic.where.file); text != texts_.end() && diagnostic.where.line > 0) {
    std::string_view line = line_of(text->second, diagnostic.where.line);
    // a machine-made line of a megabyte helps nobody
    if (line.size() <= limits::diagnostic_line_bytes_max) diagnostic.source_line = line;
  }
  return diagnostic;
}

std::optional<std::string> Report::read(const std::filesystem::path& file) {
  std::error_code failure;
  auto path = root_ / file;
  auto size = std::filesystem::file_size(path, failure);
  if (failure) {
    error({file}, "cannot read the file: " + failure.message(), "Check that it is a file and may be read.");
    return std::nullopt;
  }
  if (size > limits::config_file_bytes_max) {
    error({file}, "the file has " + std::to_string(size) + " bytes; a project file may have " +
                      std::to_string(limits::config_file_bytes_max));
    return std::nullopt;
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream.is_open() || stream.bad()) {
    error({file}, "cannot read the file", "Check that it may be read by this user.");
    return std::nullopt;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  normalise_line_ends(text);
  if (auto invalid = first_invalid_utf8(text)) {
    std::string_view before = std::string_view(text).substr(0, *invalid);
    int line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    // the line itself is not shown: a terminal would not like it
    error({file, line, static_cast<int>(*invalid - line_begin) + 1}, "the file is not valid UTF-8 here",
          "Save the file as UTF-8.");
    return std::nullopt;
  }
  texts_[file] = text;
  return text;
}

void Report::add_text(const std::filesystem::path& file, std::string text) {
  texts_[file] = std::move(text);
}

const std::string& Report::text_of(const std::filesystem::path& file) const {
  static const std::string none;
  auto found = texts_.find(file);
  return found == texts_.end() ? none : found->second;
}

std::vector<Diagnostic> Report::sorted(std::vector<Diagnostic> diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.where.file, a.where.line, a.where.column) <
           std::tie(b.where.file, b.where.line, b.where.column);
  });
  return diagnostics;
}

}  // namespace tidemark::config
