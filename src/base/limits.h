// Every bound of the program, in one place, each with its reason. Units are the last word of the name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// A part is the rows of one table in one cut that travel in one INSERT. Large enough that ClickHouse is at
// full speed (its own default block is 65,409 rows), small enough that two parts being filled and two being
// sent stay far below the memory bound of the process (256 MB). Part boundaries must be the same when a cut
// is replayed, so these two are written into tidemark.cuts with every cut and read back from there.
constexpr size_t part_rows_max = 131'072;
constexpr size_t part_bytes_max = 16 << 20;

// A cut closes by itself when the previous one is done; these close it under sustained load. One cut is one
// fence, so a larger cut costs freshness; 262,144 rows are under two seconds of the fastest stream measured
// here.
constexpr size_t cut_rows_max = 262'144;
constexpr size_t cut_bytes_max = 48 << 20;

// ClickHouse remembers this many insert tokens a table. A cut is replayed only while it is the newest, so a
// few parts of one cut are all that must be remembered; the rest is margin for large transactions (1000 parts
// = 131 M rows).
constexpr size_t deduplication_window_blocks = 1000;

}  // namespace tidemark::limits
