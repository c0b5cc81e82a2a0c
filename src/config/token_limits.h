// What a token of tidemark.yaml may ask at most, and until when. Read apart from the token itself: only who
// counts requests wants it.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace tidemark::config {

struct TokenLimits {
  int64_t expires_s = 0;            // since 1970; 0: never
  int64_t requests_per_minute = 0;  // 0: no limit
  int64_t in_flight = 0;            // requests under way at once, event streams among them; 0: no limit
};

// By name; tokens without limits are left out. Precondition: load_project() found no mistakes. Errors:
// config, when the file cannot be read.
Result<std::map<std::string, TokenLimits>> load_token_limits(const std::filesystem::path& project_directory);

}  // namespace tidemark::config
