// `member` of another segment means that segment's condition: definitions are expanded before they are
// compiled, so both sides always look at the same instant. Cycles are problems that name the way around.
#pragma once

#include "segments/compile.h"

namespace tidemark::segments {

// The condition without MemberOf.
Node expanded(const Definition& definition, const CompileOptions& options, std::vector<Problem>& problems);

}  // namespace tidemark::segments
