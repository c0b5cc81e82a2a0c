// The bounds of capturing to Kafka, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Positions looked through from the end of their topic before looking further back: with one source the last
// one is among the last two (the other is a transaction's marker).
constexpr int64_t positions_read_back = 256;
constexpr std::chrono::milliseconds positions_read_wait{60'000};
// Rows of the initial copy in one Kafka transaction: a quarter of a second's work, so that a kill costs no
// more, and committing costs little beside it.
constexpr size_t copy_chunk_rows = 50'000;
// Old rows, keys and refused rows that wait for the end of a cut (they travel in its transaction).
constexpr size_t refused_rows_max = 100'000;

}  // namespace tidemark::limits
