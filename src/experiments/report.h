// An experiment's read-out out of the warehouse, as one document: what the verb prints and the API answers.
//
// Made from a table of units: one that is kept, for questions about now in a running project
// (kept_experiments.h), else one that lives as long as the question. An experiment whose exposures are not
// deployed is read from their source, so a draft can be looked at.
#pragma once

#include "experiments/experiment_files.h"
#include "experiments/kept_experiments.h"
#include "experiments/read_out.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

struct ReportOptions {
  std::optional<int64_t> at_us;         // nothing: now
  std::vector<std::string> dimensions;  // names
  size_t points = 0;                    // of the series over time; 0: none
};

struct Report {
  const Experiment* experiment = nullptr;
  ExperimentSums sums;
  ReadOut read;  // points into sums
  std::string document;
};

// `files` must outlive what comes back. `kept` may be null. Errors: config for a dimension that is not there,
// usage for too many points, those of the server.
Result<std::unique_ptr<Report>> make_report(clickhouse::Client& client, const ExperimentFiles& files,
                                            const Experiment& experiment, const ReportOptions& options,
                                            KeptExperiments* kept = nullptr);

// All experiments with their counters, as a JSON list: out of units that are kept, else exposures are
// grouped, in one statement for all.
Result<std::string> list_document(clickhouse::Client& client, const ExperimentFiles& files,
                                  KeptExperiments* kept = nullptr);

// "2026-05-03", "2026-05-03T10:00:00Z"
std::optional<int64_t> parse_instant(const std::string& text);

}  // namespace tidemark::experiments
