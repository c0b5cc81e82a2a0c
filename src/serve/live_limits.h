// Bounds of dashboards under parameters, each with its reason.
#pragma once

#include <cstddef>

namespace tidemark::limits {

// Different views (dashboard, range, zone, filters) that somebody looks at. Each keeps its tiles' results,
// about 0.5 MB for a large dashboard; viewers of the same view share one.
constexpr size_t live_views_max = 200;
// Queries of one round. A round ends when its pages can be shown, so a long one would make all of them wait.
constexpr size_t live_round_queries_max = 64;
// While a cut is being applied some tables have it and others do not yet. A round that met one is asked
// again, for tiles it touched, as long as that is short...
constexpr int live_round_attempts_max = 3;
constexpr int live_round_again_ms_max = 250;
// ... after waiting this long for the cut to be in. A cut takes 10 to 30 ms.
constexpr int live_cut_wait_ms_max = 60;
// Values chosen in one filter, and their bytes. Whoever needs more writes another filter.
constexpr size_t filter_values_max = 100;
constexpr size_t filter_value_bytes_max = 1'000;
// Values that a filter offers.
constexpr size_t filter_options_max = 1'000;
// Rows that are passed over are read all the same: whoever goes further asks for a range of a key.
constexpr size_t endpoint_offset_max = 10'000'000;
// Rows behind a number: read by a person.
constexpr size_t drill_rows_max = 1'000;

}  // namespace tidemark::limits
