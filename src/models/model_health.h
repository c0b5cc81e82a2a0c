// What audits and freshness say about each model: a blocking audit that fails takes with it every model that
// reads the one it speaks of. Pure functions.
#pragma once

#include "models/auditor.h"
#include "models/compiled_model.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::models {

struct ModelHealth {
  bool failed = false;
  std::string reason;                    // "audit not_null(id) of analytics.x fails for 3 rows"
  int64_t since_micros = 0;              // wall clock
  std::map<std::string, uint64_t> cuts;  // by source: as of which the audit was asked
  std::vector<AuditState> audits;        // of the model itself
};

// By model, one for every model.
std::map<std::string, ModelHealth> health_of(const CompiledModels& models,
                                             const std::vector<AuditState>& audits);

}  // namespace tidemark::models
