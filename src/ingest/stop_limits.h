// Bounds of ending a source, each with its reason.
#pragma once

#include <chrono>

namespace tidemark::limits {

// The last word of a source ("ended in peace") only saves the next start a look for rows in doubt: a
// warehouse that is away must not hold up the end of the process for it.
constexpr std::chrono::milliseconds farewell_deadline{2'000};

}  // namespace tidemark::limits
