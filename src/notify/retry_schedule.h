// When a notification that failed is tried again, and when it is given up: Standard Webhooks' example
// schedule, 5 s to 24 h, about three days in all, each pause longer by a random share.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tidemark::notify {

// The pause after the `attempts`-th failed try (1: the first); nothing: it is dead. `random` in [0, 1).
std::optional<int64_t> retry_pause_us(uint32_t attempts, double random);

// A Retry-After header: seconds, or a date (HTTP's three forms); capped. Nothing when it is neither.
std::optional<int64_t> parse_retry_after(std::string_view text, int64_t now_s);

}  // namespace tidemark::notify
