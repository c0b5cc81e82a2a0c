// Where the loader's parts put what they find: errors and warnings with the source line filled in. Also the
// one reader of project files: bytes are checked (UTF-8, size) and brought to one form (no byte order mark,
// "\n") on the way in, so that every parser behind it sees the same text and counts the same lines.
//
// One Report for one load; not thread-safe.
#pragma once

#include "config/diagnostic.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::config {

class Report {
 public:
  explicit Report(std::filesystem::path root) : root_(std::move(root)) {}

  void error(Location where, std::string message, std::string remedy = {});
  void warning(Location where, std::string message, std::string remedy = {});

  // The text of a file (path relative to the root); nothing, with an error reported, when it cannot be used.
  std::optional<std::string> read(const std::filesystem::path& file);
  // Text given by hand, for tests and for texts that are not files: its lines are shown in diagnostics.
  void add_text(const std::filesystem::path& file, std::string text);

  // From now on `value`, which came in through `reference` ("${env:NAME}"), is written as that in every text.
  // The net under every message that quotes a value: one of them will be a password some day.
  void conceal(std::string value, std::string reference);

  const std::filesystem::path& root() const { return root_; }
  // By file, then line, then column.
  std::vector<Diagnostic> take_errors() { return sorted(std::move(errors_)); }
  std::vector<Diagnostic> take_warnings() { return sorted(std::move(warnings_)); }
  size_t error_count() const { return errors_.size(); }
  const std::string& text_of(const std::filesystem::path& file) const;

 private:
  Diagnostic make(Location where, std::string message, std::string remedy) const;
  void conceal_in(std::string& text) const;
  static std::vector<Diagnostic> sorted(std::vector<Diagnostic> diagnostics);

  std::filesystem::path root_;
  std::map<std::filesystem::path, std::string> texts_;
  std::map<std::string, std::string> concealed_;  // value -> reference
  std::vector<Diagnostic> errors_;
  std::vector<Diagnostic> warnings_;
};

// The offset of the first byte that is not UTF-8 (overlong forms, surrogates and U+0000 are not either).
std::optional<size_t> first_invalid_utf8(std::string_view text);

}  // namespace tidemark::config
