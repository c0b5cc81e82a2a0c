// Cut numbers of streams that share tables. A source that several processes read is several streams (Kafka
// slots, ingest/kafka_slot.h), each with cuts of its own, and what is kept by cut (`_cut` of rows, tokens of
// INSERTs, keys touched) must tell them apart: so each stream counts in a range of its own.
#pragma once

#include <cstdint>

namespace tidemark {

// More cuts than one stream can make: 300 years at a hundred a second. Numbers of 256 streams fit into the 53
// bits of a number in JSON.
constexpr uint64_t cuts_a_stream = 1ULL << 40;
constexpr uint32_t streams_max = 256;

// The first number of the stream that `cut` is of.
constexpr uint64_t first_cut_of_stream(uint64_t cut) {
  return cut / cuts_a_stream * cuts_a_stream;
}
constexpr uint32_t stream_of(uint64_t cut) {
  return static_cast<uint32_t>(cut / cuts_a_stream);
}

}  // namespace tidemark
