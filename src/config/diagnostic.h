// What is wrong in a project file, told so that a person can fix it without opening a manual: the place
// (file:line:col), what is wrong, the line itself with a caret under the place, and what to do.
//
// Everything that reads project files reports through this one type: the YAML layer, the SQL headers, and
// later the model compiler (ClickHouse's positions are mapped back to the file). Plain values, no threads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::config {

struct Location {
  std::filesystem::path file;  // as shown to the user: relative to the project where possible
  int line = 0;                // 1-based; 0: the file as a whole
  int column = 0;              // 1-based, in bytes; 0: the line as a whole

  std::string describe() const;  // "sources/ads.yaml:4:3"
};

struct Diagnostic {
  Location where;
  std::string message;      // what is wrong, one sentence, no trailing full stop
  std::string remedy;       // what to do; may be empty
  std::string source_line;  // the line `where` points into, without its end; may be empty

  // file:line:col: message
  //   source line
  //   ^
  //   remedy
  std::string render() const;
};

// "\n"-separated renderings of all of them.
std::string render(const std::vector<Diagnostic>& diagnostics);

// The candidate nearest to `word` by edit distance when it is near enough to be a likely typing error, else
// empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// " (did you mean `key`?)" or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

// Line `line` (1-based) of `text`, without its end ("\n" or "\r\n"); empty past the end.
std::string_view line_of(std::string_view text, int line);

}  // namespace tidemark::config
