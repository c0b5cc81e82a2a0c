// What would go wrong or be slow when these tables are read in batches; `tidemark doctor` and `tidemark up`
// print it (preflight.h).
#pragma once

#include "postgres/preflight.h"

namespace tidemark::postgres {

struct BatchTableChecks {
  SourceTable table;
  std::vector<size_t> cursor;  // columns; empty: none
};

// An error only when the server cannot be asked at all.
Result<std::vector<Finding>> batch_preflight(Connection& connection,
                                             const std::vector<BatchTableChecks>& tables);

}  // namespace tidemark::postgres
