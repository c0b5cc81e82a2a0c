// Bounds of transactions that are read while they run, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Of all of them together, in memory; past it the largest goes to its file. The server sends a transaction
// early when it holds 64 MB (logical_decoding_work_mem), so most that come here at all are larger, and a few
// megabytes are enough to write in large pieces. With the cut being filled (48 MB) and the parts on the way
// (32 MB) the process stays below its bound of 256 MB.
constexpr size_t streamed_memory_bytes_max = 16 << 20;
// What is allocated at a time: the first piece is small, because hundreds of transactions may be open.
constexpr size_t streamed_piece_bytes_min = 16 << 10;
constexpr size_t streamed_piece_bytes_max = 256 << 10;
// A message larger than this is written at once instead of being copied first.
constexpr size_t streamed_message_bytes_max = 1 << 20;
// What is read back at a time.
constexpr size_t streamed_read_bytes = 1 << 20;
// On disk, all of them together: some 500 million rows. Past it, and when less than this is left on the disk
// (the warehouse is often on the same one), transactions are read after their commit, as before Postgres 14.
constexpr uint64_t streamed_disk_bytes_max = uint64_t{64} << 30;
constexpr uint64_t streamed_disk_left_bytes_min = uint64_t{1} << 30;

}  // namespace tidemark::limits
