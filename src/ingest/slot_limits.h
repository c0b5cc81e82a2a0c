// When a replication slot is worth a warning (slot_watch.h).
#pragma once

#include <chrono>
#include <cstdint>

namespace tidemark::limits {

// One short query on a connection of its own.
constexpr std::chrono::milliseconds slot_look_every{2'000};
// The growth of the log is told over so long: a checkpoint more or less says nothing.
constexpr int64_t slot_rate_window_us = 60'000'000;
// slot_invalid_soon: time for somebody to come and look.
constexpr int64_t slot_seconds_left_min = 3'600;
// slot_retains_much: of a server that keeps the log without a bound, so its disk is the bound.
constexpr uint64_t slot_retained_bytes_max = 10ULL << 30;
// slot_stands_still: an idle slot moves every ten seconds; log worth this is kept for one that does not.
constexpr int64_t slot_still_seconds_max = 600;
constexpr uint64_t slot_still_bytes_min = 1ULL << 30;

}  // namespace tidemark::limits
