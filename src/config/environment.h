// ${env:NAME} and ${file:/path} inside string values: the only way the environment and secrets enter a
// project.
// ${env:NAME:-text} is `text` where the variable is not set. `$${` stands for a literal `${`. The bytes that
// come in are never looked at again for more `${`, and never appear in a message. A file's trailing line end
// is dropped; a relative path starts at the project.
#pragma once

#include "config/report.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tidemark::config {

class Environment {
 public:
  using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

  // `offline`: what is not there is a warning. The default lookup is the process's environment.
  explicit Environment(bool offline, Lookup lookup = {});

  // The value with everything filled in; nothing when a part is missing or malformed, which has been reported
  // at its own place (`where` is the place of the value).
  std::optional<std::string> substitute(Report& report, const Location& where,
                                        const std::string& value) const;

 private:
  std::optional<std::string> lookup(Report& report, const Location& where, const std::string& scheme,
                                    const std::string& name) const;
  void missing(Report& report, const Location& where, std::string message, std::string remedy) const;

  bool offline_;
  Lookup lookup_;
};

}  // namespace tidemark::config
