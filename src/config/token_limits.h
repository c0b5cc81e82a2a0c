// What a token of tidemark.yaml may ask at most, until when, and of what alone. Read apart from the token
// itself: only who takes requests wants it.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tidemark::config {

// Parameters of endpoints, filters of dashboards, and the values that they have.
using FixedParameters = std::map<std::string, std::vector<std::string>>;

struct TokenLimits {
  int64_t expires_s = 0;            // since 1970; 0: never
  int64_t requests_per_minute = 0;  // 0: no limit
  FixedParameters fixed;            // empty: it may ask for everything that its scopes let it
  int64_t in_flight = 0;            // requests under way at once, event streams among them; 0: no limit
};

// By name; tokens without limits are left out. Precondition: load_project() found no mistakes. Errors:
// config, when the file cannot be read.
Result<std::map<std::string, TokenLimits>> load_token_limits(const std::filesystem::path& project_directory);

}  // namespace tidemark::config
