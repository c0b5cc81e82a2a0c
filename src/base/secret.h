// A string that does not print itself: passwords and tokens. fmt, logs and --json show "***"; reveal() is the
// only way to the bytes and is easy to search for.
#pragma once

#include <fmt/format.h>
#include <string>
#include <utility>

namespace tidemark {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

}  // namespace tidemark

template <>
struct fmt::formatter<tidemark::Secret> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const tidemark::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};
