// Bounds of looking at tables while no cut is half in.
#pragma once

#include <chrono>

namespace tidemark::limits {

// A cut's parts are in within a second; a stream that takes this long waits for its warehouse or is broken.
constexpr std::chrono::seconds half_in_patience{10};

}  // namespace tidemark::limits
