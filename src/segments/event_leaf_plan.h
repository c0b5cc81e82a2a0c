// What the warehouse has to say of each event so that a condition can be answered in memory: the columns of
// the rows (EventPass::rows_sql) and the leaf that reads them (event_leaf.h).
#pragma once

#include "segments/event_leaf.h"
#include "segments/event_pass.h"

namespace tidemark::segments {

EventLeaf event_leaf(SqlContext& context, EventPass& pass, const EventCondition& condition,
                     const Location& where);
EventLeaf sequence_leaf(SqlContext& context, EventPass& pass, const Sequence& sequence,
                        const Location& where);

}  // namespace tidemark::segments
