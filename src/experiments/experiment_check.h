// What only the warehouse knows of definitions: that tables, columns and expressions are there and fit
// together. Each experiment's queries are explained, not run, over the exposures as their source has them, so
// an experiment can be checked before it is deployed.
#pragma once

#include "clickhouse/client.h"
#include "experiments/experiment_files.h"

namespace tidemark::experiments {

// All problems of all experiments, and of metrics that no experiment uses. Errors: the server cannot be
// asked.
Result<std::vector<config::Diagnostic>> check_experiments(clickhouse::Client& client,
                                                          const ExperimentFiles& files);

}  // namespace tidemark::experiments
