// Conditions over events as SQL: what each needs aggregated (asked of the EventPass) and what it says about
// that, value and next change. The expressions stand outside of the pass, over a row per entity in which an
// entity without events has zeros, NULLs and empty arrays.
#pragma once

#include "segments/event_pass.h"

namespace tidemark::segments {

// What is shown of a leaf when it is explained: its number or value as text.
struct EventTruth {
  Truth truth;
  std::string observed;  // text expression; may be empty
};

EventTruth event_sql(SqlContext& context, EventPass& pass, const EventCondition& condition,
                     const Location& where);
EventTruth sequence_sql(SqlContext& context, EventPass& pass, const Sequence& sequence,
                        const Location& where);

// `match`, and that the event lies within the fixed bounds of the window: all of these.
std::vector<std::string> within_fixed_bounds(SqlContext& context, const std::string& match,
                                             const Window& window);
// How far back `regularly` looks.
int64_t seconds_of(const Regularly& test);
// Periods are numbered: an event's, that of the instant of evaluation; and the instant at which the next
// begins.
struct PeriodSql {
  std::string of_event, today, next_start;
};
PeriodSql period_sql(const Zone& zone, Regularly::Period period);

// `count` within the range.
std::string count_in_range(const std::string& count, const CountRange& range);

}  // namespace tidemark::segments
