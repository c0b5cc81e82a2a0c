// Definitions that share a query: of one entity, over the same events, in the same time zone. What a
// definition does not say itself it has from the options. Which group a definition is of is group_of
// (compile.h).
#pragma once

#include "segments/compile.h"

namespace tidemark::segments {

const std::string& zone_of(const Definition& definition, const CompileOptions& options);
const std::vector<EventTable>& events_of(const Definition& definition, const CompileOptions& options);

// The conditions of definitions of one group, with what they refer to in them. Errors: internal, when they
// are not of one group.
Result<std::vector<Node>> conditions_of(const std::vector<const Definition*>& definitions,
                                        const CompileOptions& options, std::vector<Problem>& problems);

}  // namespace tidemark::segments
