// Bounds of following tables that change.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Forms of a table that are remembered (table_shape.h): a restart reads back at most what one cut holds, and
// no migration changes a table that often within it.
constexpr size_t table_forms_max = 64;
// How often the catalog is asked whether a table changed while no row says so.
constexpr int64_t shape_look_every_us = 5'000'000;
// How often tables that are on their way are looked after; a pause of the copy, not of the stream.
constexpr std::chrono::milliseconds table_look_every{50};
// Between tries of a table that fails; the longest is source_backoff_max.
constexpr std::chrono::milliseconds table_backoff_min{1'000};

}  // namespace tidemark::limits
