// Bounds of segment definitions and of the queries made of them, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::segments::limits {

// A tree deeper than this is a generated one gone wrong; ClickHouse's own parser gives up at 1,000 levels,
// and every level of a definition is one subquery.
constexpr size_t depth_max = 16;
// Nodes of one definition, referenced segments included. The largest audience a peer allows has 50 primary
// expressions; 500 leaves keep the query below 1 MB.
constexpr size_t nodes_max = 500;
// Values of one `in` or `has_any`. Longer lists are lists: use `list`.
constexpr size_t values_max = 1'000;
// Event names and prefixes of one condition.
constexpr size_t event_names_max = 100;
// One text of a definition: a literal, a name, a pattern.
constexpr size_t text_bytes_max = 4'096;
// Steps into nested properties.
constexpr size_t path_steps_max = 16;
constexpr size_t segments_max = 1'000;
// A definition that comes over the API.
constexpr size_t definition_bytes_max = size_t{256} << 10;

// The longest window, 100 years in seconds: longer ones are `ever`, and instants stay far from the ends of
// Int64 microseconds.
constexpr int64_t window_seconds_max = int64_t{100} * 366 * 86'400;
// Periods of `regularly`: ten years of days.
constexpr int64_t periods_max = 3'660;
constexpr int64_t count_max = 1'000'000'000;

// To say when "at least k events within a window" ends, the k newest instants are kept per entity. Above this
// the oldest instant in the window stands in for the k-th newest: an earlier look, never a late one.
constexpr int64_t newest_kept_max = 64;

// Exact numbers: 28 digits before the point and 10 behind it, what Decimal(38, 10) holds.
constexpr int number_scale = 10;
constexpr int number_digits_max = 28;

// Entities asked for by key in one query.
constexpr size_t keys_max = 100'000;

// Up to here entities are answered in memory (few_entities.h): beyond, the oracle's fixed cost is small.
constexpr size_t few_entities_max = 5'000;
// Up to here one thread reads each: more of them would wait for each other on a small machine.
constexpr size_t one_thread_entities = 1'000;
// Events read for that in one evaluation: about 50 MB. One entity with more than this is one for the oracle.
constexpr size_t few_events_max = 200'000;

// Members shown by a preview, and the entries and exits it names.
constexpr size_t sample_max = 100;

}  // namespace tidemark::segments::limits
