// Audits from model headers, each a query that must return no rows:
//   not_null(column, ...)                   no NULL in these columns
//   unique(column, ...)                     the columns together identify a row
//   accepted_values(column, value, ...)     nothing else; NULL is accepted (add not_null)
//   relationships(column, table, column)    every value exists there; NULL is accepted
//   row_count(min = n, max = m)             either may be left out
#pragma once

#include "clickhouse/client.h"
#include "config/diagnostic.h"
#include "models/compiled_model.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::models {

struct AuditResult {
  std::string model;
  std::string audit;  // as written
  uint64_t failing = 0;
  std::vector<std::string> examples;

  bool passed() const { return failing == 0; }
};

// The query of one audit: one row per violation. Errors: config, with what is wrong with the line.
Result<std::string> audit_query(const CompiledModel& model, const std::string& audit);

Result<std::vector<AuditResult>> run_audits(clickhouse::Client& client, const CompiledModels& models);

}  // namespace tidemark::models
