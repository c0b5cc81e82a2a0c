// The bounds of deleting people, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::profiles::limits {

// A mutation rewrites the parts that have the person's rows: of 20 million events some ten seconds.
constexpr std::chrono::milliseconds erasure_statement_max{3'600'000};
// Of what waits between two cuts of all sources: inserts of one person's rows.
constexpr std::chrono::milliseconds erasure_correction_max{120'000};
// Ids of one person: a profile has a bounded number of each kind (profile_limits.h), whoever goes beyond
// this is a machine.
constexpr size_t erasure_ids_max = 20'000;
// A model that is filled, or a receiver: asked so often.
constexpr std::chrono::milliseconds erasure_look_again{100};
// Exits of segments are on their way: longer than a receiver takes that is there, and no longer than a person
// who waits for the receipt likes.
constexpr int64_t erasure_deliveries_wait_us = 15'000'000;
// After something failed: the warehouse was away, a source was not at a fence in time.
constexpr std::chrono::milliseconds erasure_try_again{2'000};
// Shorter texts occur by chance in whatever is JSON.
constexpr size_t erasure_quoted_text_min = 6;

}  // namespace tidemark::profiles::limits
