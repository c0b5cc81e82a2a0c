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
// Files of spools go within some tenths of a second of their fence, unless a disk fails.
constexpr int64_t erasure_spools_wait_us = 60'000'000;
// Shorter texts occur by chance in whatever is JSON.
constexpr size_t erasure_quoted_text_min = 6;
// What a redaction looks for. Shorter texts are everywhere.
constexpr size_t redacted_text_bytes_min = 3;
// Texts that one search looks for; with more (a whole shop) everything that is not seen any more goes.
constexpr size_t redacted_texts_max = 2'000;
// The server's bound of a search for several texts at once.
constexpr size_t redacted_texts_a_search = 255;
// Redactions are asked whether there is something for them: behind cuts, at most so often.
constexpr std::chrono::milliseconds redaction_look_every{5'000};
// And so many times as long as the last look took: it is a query over all models it reads.
constexpr int redaction_pause_times = 5;
// What no `when` tells of (docs/REDACTIONS.md) waits at most so long: people have 30 days.
constexpr int64_t redaction_look_anyway_us = 600'000'000;

}  // namespace tidemark::profiles::limits
