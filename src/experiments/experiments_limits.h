// The bounds of experiments' definitions and read-outs, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::experiments::limits {

inline constexpr size_t metrics_max = 1'000;             // of a project: a mistake in a generator of files
inline constexpr size_t experiments_max = 1'000;         // the same
inline constexpr size_t variants_max = 20;               // arms; more is a bandit's work
inline constexpr size_t metrics_of_experiment_max = 50;  // columns of one query, and of one reader's patience
inline constexpr size_t dimensions_max = 10;
inline constexpr size_t steps_max = 20;  // of a funnel; bits of one number
inline constexpr size_t expression_bytes_max = 4'000;
inline constexpr size_t dimension_levels = 20;   // the rest is "(other)"
inline constexpr size_t series_points_max = 60;  // each groups all units once
inline constexpr int64_t window_seconds_max = 366 * 86'400;
// Past this a query has gone wrong; 50 M events take some 10 s on two cores.
inline constexpr std::chrono::milliseconds query_time{300'000};

// Units that are recomputed one by one between two questions: below the least always, above it up to this
// part of all; more is a copy or a correction of everything, for which reading all is cheaper.
inline constexpr uint64_t touched_units_least = 20'000;
inline constexpr uint64_t touched_units_part = 8;
inline constexpr uint64_t touched_units_a_cut_max = 1'000'000'000'000;  // more than a cut can have rows
// Experiments whose units are kept: a few seconds of reading each, and their disk.
inline constexpr size_t kept_experiments_max = 32;
inline constexpr int64_t kept_unasked_us = 1'800'000'000;  // nobody looks any more
// Questions about now that wait for each other are answered as of the last one's moment.
inline constexpr int64_t asked_together_us = 60'000'000;

// Exposed units of a slice (sliced_units.h): their hash tables are some tens of megabytes.
inline constexpr uint64_t slice_units = 100'000;
inline constexpr uint64_t slices_max = 200;     // parts of a table that are not merged
inline constexpr size_t slices_at_once = 2;     // one reads while the other joins
inline constexpr uint64_t slice_share_max = 3;  // times as many rows as its share: more is no slice
// One row of so many may be of no use without being looked for before the join: what that costs of every row
// is a third of what a row costs afterwards.
inline constexpr uint64_t rows_of_no_use_part = 4;
inline constexpr uint64_t slice_units_most = uint64_t{1}
                                             << 40;  // numbers of the next slice's units begin there

// Rows of a log for each row of the exposures' model, up to which the log is read instead.
inline constexpr uint64_t rows_an_exposure = 2;

// A cap is looked for among the values above a floor that an earlier question left: this many times as many
// as are above the cap. More is a lower floor for what moves meanwhile, and more to sort.
inline constexpr double cap_floor_share = 2;

// Exposures of fewer units are grouped sooner than what is kept of them is brought up to date.
inline constexpr uint64_t counters_kept_least = 200'000;

// Cuts wait while the last units before a fence are recomputed: some tenths of a second.
inline constexpr uint64_t touched_units_at_fence = 2'000;
inline constexpr int fence_attempts = 3;  // each has the units of a shorter time before it
// Waiting for the fence, cuts of other sources wait, too. A cut takes less, unless it is a very large one.
inline constexpr int64_t fence_patience_us = 5'000'000;
// What is read in less is read again with the cuts held back, when some came between.
inline constexpr int64_t held_reading_us = 500'000;

}  // namespace tidemark::experiments::limits
