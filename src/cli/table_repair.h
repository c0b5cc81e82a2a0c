// What `resync` and `verify --repair` have in common: the running project brings tables back by parity, and
// models that are wrong all the same are filled anew beside what there is.
//
// Why they can be: a cut of parity takes away what the mirrored table says and adds what the source says.
// That is what a model holds when rows were lost on their way. When somebody changed rows in the warehouse
// itself, its models never saw it, and take away what they do not hold.
#pragma once

#include "cli/project_parity.h"
#include "cli/verb.h"

#include <string>
#include <vector>

namespace tidemark::cli {

struct RepairedTable {
  std::string table;  // "bronze.orders"
  uint64_t rows = 0, missing = 0, extra = 0, different = 0;
  uint64_t repaired() const { return missing + extra + different; }
};

// All are asked for before any is waited for. Errors: config when there is no such table; unsupported for one
// that has no key; refused when it could not be brought back; dependency_down when the process went away.
Result<std::vector<RepairedTable>> bring_back_tables(const Invocation& invocation,
                                                     const std::vector<std::string>& tables);

// Incremental models over any of `tables` that differ from their recompute; returns those that were filled
// anew.
Result<std::vector<std::string>> refill_models(const Invocation& invocation, const config::Project& project,
                                               clickhouse::ClientPool& pool,
                                               const std::vector<RepairedTable>& tables,
                                               const ProjectParityOptions& options);

// All of it for the verbs that ask for nothing else: brings back, fills anew, prints.
Result<ExitCode> resync_tables(const Invocation& invocation, const std::vector<std::string>& tables);

std::string repair_text(const std::vector<RepairedTable>& tables, const std::vector<std::string>& models);

}  // namespace tidemark::cli
