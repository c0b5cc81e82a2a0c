// Are the memberships those that the definitions say? Everybody is asked, as of one instant, and compared
// with the table of members. Reads only; what is being evaluated at the moment differs until it is written,
// so who finds a difference asks again.
#pragma once

#include "segments/compile.h"

namespace tidemark::segments {

struct MembershipProof {
  std::string segment, entity;
  uint64_t members = 0;
  uint64_t missing = 0, extra = 0;    // entities
  std::vector<std::string> examples;  // "missing 42", at most limits::model_examples_max

  bool good() const { return missing == 0 && extra == 0; }
};

// By segment. `problems`: definitions that do not fit the warehouse; then nothing is proven. Errors: those of
// the server.
Result<std::vector<MembershipProof>> prove_memberships(clickhouse::Client& client,
                                                       const std::vector<Definition>& definitions,
                                                       const CompileOptions& options, int64_t as_of,
                                                       std::vector<Problem>& problems);

}  // namespace tidemark::segments
