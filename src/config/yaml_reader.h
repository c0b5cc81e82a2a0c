// A typed view of a YAML mapping that knows what was asked for: every key that is read becomes a known key,
// and finish() reports the rest with the nearest known one. A value of the wrong type is reported at its
// place with what was expected, and reads as its default, so that one pass finds every mistake.
//
//   MappingReader source(reader, node, "a source");
//   std::string name = source.required_text("source");
//   Mode mode = source.choice<Mode>("mode", {{"cdc", Mode::cdc}, {"batch", Mode::batch}}, Mode::cdc);
//   source.finish();
//
// A key without a value (`slot:`) is an error for every type: leaving the key out is how a default is asked
// for.
#pragma once

#include "config/environment.h"
#include "config/yaml_node.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

// What every part of the loader needs.
struct Reader {
  Report& report;
  const Environment& environment;
};

struct ListenAddress {
  std::string host;
  uint16_t port = 0;
};

class MappingReader {
 public:
  // Reports and reads as empty when `node` is not a mapping. `what` is used in messages: "a source". `node`
  // must outlive the reader.
  MappingReader(Reader reader, const YamlNode& node, std::string what);

  bool has(const std::string& key);
  // Of the value, else of the mapping.
  Location where(const std::string& key) const;
  const Location& where() const { return node_.where; }
  const YamlNode* child(const std::string& key);  // null when it is not there
  const YamlNode* required_child(const std::string& key);

  std::string text(const std::string& key, std::string otherwise = {});
  std::string required_text(const std::string& key);
  // Nothing when absent, wrong, or offline with a variable unset.
  std::optional<std::string> optional_text(const std::string& key);
  bool boolean(const std::string& key, bool otherwise = false);
  std::optional<int64_t> integer(const std::string& key, int64_t minimum, int64_t maximum);
  std::optional<double> number(const std::string& key, double minimum, double maximum);
  std::optional<int64_t> duration_seconds(const std::string& key);  // "30s", "5m", "24h", "7d"
  std::optional<int64_t> size_bytes(const std::string& key);        // "512", "64 KB", "2 GiB"
  std::optional<ListenAddress> listen(const std::string& key);      // "127.0.0.1:8088", "[::1]:0", "8088"
  // A list of strings; one string is a list of one. Empty strings and repeated ones are errors.
  std::vector<std::string> texts(const std::string& key);
  // The same for one item of a list, with the environment filled in.
  std::optional<std::string> item_text(const YamlNode& item, const std::string& key);
  // A list of anything; reports when it is not a list.
  const std::vector<YamlNode>& items(const std::string& key);

  template <class T>
  T choice(const std::string& key, const std::vector<std::pair<std::string, T>>& allowed, T otherwise) {
    std::vector<std::string> words;
    for (const auto& [word, value] : allowed) words.push_back(word);
    auto found = choice_index(key, words);
    return found ? allowed[*found].second : otherwise;
  }

  // Reports what was never asked for. Known keys that this version does not handle: ask has() first.
  void finish();

  void error(const std::string& key, std::string message, std::string remedy = {});
  void warning(const std::string& key, std::string message, std::string remedy = {});
  Reader reader() const { return reader_; }

 private:
  const YamlNode* find(const std::string& key);
  const std::string& written(const std::string& key) const;
  void wrong_type(const std::string& key, const YamlNode& value, const char* expected);
  std::optional<std::string> scalar(const std::string& key, const char* expected);
  std::optional<size_t> choice_index(const std::string& key, const std::vector<std::string>& words);

  Reader reader_;
  const YamlNode& node_;
  std::string what_;
  std::vector<std::string> known_;
};

// The parts without a file, for headers of SQL files and for tests. Nothing: not of that form.
std::optional<int64_t> parse_duration_seconds(std::string_view text);
std::optional<int64_t> parse_size_bytes(std::string_view text);
std::optional<ListenAddress> parse_listen(std::string_view text);

}  // namespace tidemark::config
