// Bounds of syncing parts together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// More than this waiting to be written - a large merge, a checkpoint of a Postgres on the same disk - and one
// INSERT would wait for all of it: a disk of 200 MB/s writes this in 80 ms.
constexpr uint64_t sync_together_dirty_bytes = 16ull << 20;
// Parts between their first and their last sync. An INSERT has few, and at most a hundred or so run; those
// that failed stay until there are this many.
constexpr size_t parts_synced_together_max = 512;

}  // namespace tidemark::limits
