// Whether a segment is answered from what is kept in memory (kept_facts.h), or by a question to the warehouse
// each time. Kept is what changes only by rows that cuts bring and by the clock in ways that the kept facts
// say themselves; everything else is asked.
#pragma once

#include "segments/definition.h"

#include <string>
#include <vector>

namespace tidemark::segments {

// Why the warehouse has to be asked, for people; empty: it need not be. `condition`: expanded. `events`: of
// the definition.
std::string why_asked(const std::string& entity, const Node& condition,
                      const std::vector<EventTable>& events);

}  // namespace tidemark::segments
