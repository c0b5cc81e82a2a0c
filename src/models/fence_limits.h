// The bounds of models/fence_watch.h.
#pragma once

#include <chrono>

namespace tidemark::limits {

// A cut that is under way is fenced within the first time; within the second when another source was, or when
// nothing moved at the last look. Cuts share fences within fence_distance_us, which both are well above.
constexpr std::chrono::milliseconds fence_patience{2'000};
constexpr std::chrono::milliseconds fence_grace{500};
constexpr std::chrono::milliseconds fence_look_every{20};

}  // namespace tidemark::limits
