// Bounds of bringing tables back by parity (table_parity.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Keys a cut of parity is about: all sources of the project wait while it goes in, half a second with models
// that work on touched keys.
constexpr uint64_t parity_cut_keys_max = 20'000;
// Of the comparison of a table with its shadow, in the warehouse; what is more goes to its disk.
constexpr size_t parity_compare_memory_bytes = size_t{256} << 20;
// Of one statement of it: a table of a billion rows takes an hour.
constexpr std::chrono::hours parity_statement_timeout{6};

}  // namespace tidemark::limits
