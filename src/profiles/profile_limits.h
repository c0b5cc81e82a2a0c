// The bounds of profiles, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::profiles::limits {

// Longer texts are no ids but payloads in the wrong place.
constexpr size_t id_bytes_max = 512;
// Each is a column of the profile and a step of every joining.
constexpr size_t kinds_max = 20;
constexpr uint32_t ids_of_a_kind_max = 1000;
constexpr size_t definitions_max = 20;
// An id that came with more different sets of other ids than this is a machine's or a mistake, not a
// person's: it joins nobody (stitcher.h). A person whose browser forgets its cookie every day has 3,650 in
// ten years.
constexpr size_t hub_edges_max = 10'000;
// What one cut may have to look at again: some 100 MB. Beyond it the source waits, and says which id it is.
constexpr size_t component_edges_max = 300'000;
// Ids asked for in one query: half a megabyte of text.
constexpr size_t ids_a_query_max = 10'000;
// Traits are taken apart so deep; what lies deeper is one value.
constexpr size_t trait_steps_max = 4;
// Rows of one INSERT when everything is made anew.
constexpr size_t rows_a_block = 100'000;
// Plans of steps before this many are thrown away.
constexpr uint64_t steps_a_partition = 4096;
// Everything is made anew: 20 million events take some minutes.
constexpr int64_t rebuild_statement_ms_max = 3'600'000;

}  // namespace tidemark::profiles::limits
