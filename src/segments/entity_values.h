// The values of entities that a segment sends along with its notifications (`properties:`), as one query by
// key.
#pragma once

#include "segments/compile.h"

namespace tidemark::segments {

// Columns: entity (its name) and a JSON object with a text or null for each of the definition's properties.
// Parameters are bound by query_options(), with keys; the instant has no meaning here. `problems`: a property
// that there is not.
Result<CompiledSegments> entity_values(Catalog& catalog, const Definition& definition,
                                       const CompileOptions& options, std::vector<Problem>& problems);

}  // namespace tidemark::segments
