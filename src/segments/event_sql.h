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

// `count` within the range.
std::string count_in_range(const std::string& count, const CountRange& range);

}  // namespace tidemark::segments
