// Exposures in the warehouse: one model an experiment, a row for each unit and variant with the first and the
// last time it was seen there. Which variant a unit that saw two belongs to is decided when it is read
// (unit_query.h), so that both policies are answered from the same rows, as of any time.
//
// Over a log the model is `incremental` (a cut costs one pass over its rows), else `keyed` (any correction of
// an exposure, delete or change of a unit, is followed). They are deployed, verified and rolled back with the
// models of the project's own files.
#pragma once

#include "config/model_file.h"
#include "config/project.h"
#include "experiments/definition.h"

#include <set>
#include <string>
#include <vector>

namespace tidemark::experiments {

inline constexpr const char* exposures_database = "tidemark_experiments";

// "tidemark_experiments.<experiment>_exposures": unit, variant, first_at, last_at, exposures,
// dimension_<name>
std::string exposures_table(const Experiment& experiment);

// The SELECT of it. `bronze.<table>` are current rows, as in models.
std::string exposures_sql(const Experiment& experiment);
// The same to be asked directly, for experiments that are not deployed: "(SELECT ...)".
std::string exposures_relation(const Experiment& experiment);

// The rows that it groups: "(SELECT ...)" of unit, variant, first_at, dimension_<name>.
std::string exposure_rows(const Experiment& experiment);

// Tables to which rows are only added, as the project's files say: "bronze.events".
std::set<std::string> declared_logs(const config::Project& project);

std::vector<config::ModelFile> exposure_models(const std::vector<Experiment>& experiments,
                                               const std::set<std::string>& logs);

}  // namespace tidemark::experiments
