// Bounds of proving tables over Kafka topics, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Rows of one INSERT into a scratch table: large enough that parts are few, a few MB of memory.
constexpr size_t replay_rows_max = 65'536;
// Bytes read for all tables together before they are sent.
constexpr size_t replay_bytes_max = 32 << 20;
// Nothing came from the brokers for this long, and the end is not reached.
constexpr std::chrono::milliseconds replay_silence_max{60'000};
constexpr std::chrono::milliseconds replay_poll{100};
// The warehouse moves on while topics are replayed; what came meanwhile is replayed again, until that takes
// no longer than this, or this often.
constexpr int64_t replay_lead_us = 2'000'000;
constexpr int replay_passes_max = 4;
// A query of the comparison: more goes to disk, and it ends when that is not enough.
constexpr uint64_t parity_query_memory_bytes_max = 2ULL << 30;
constexpr uint64_t parity_query_spill_bytes = 256ULL << 20;
// The longest of them reads one table once.
constexpr std::chrono::hours parity_query_time_max{6};
// Scratch tables of a run that nobody heard of for this long are of a machine that is gone.
constexpr int64_t scratch_forgotten_s = 86'400;
// Partitions that are named one by one in a note.
constexpr size_t parity_notes_max = 20;

}  // namespace tidemark::limits
