// Which units does a cut touch? For each table that an experiment reads, and each expression over it that is
// a unit, one model that is only watched (config::ModelFile::watch): the units of the table. Its keys that a
// cut touches are the units whose values may have changed, found the way keyed models find theirs;
// experiments and metrics over the same table share it.
//
// Only what follows from rows is found that way. An experiment whose expressions ask the clock, chance, a
// dictionary or another table is not followed; it is read anew for each question.
#pragma once

#include "config/model_file.h"
#include "experiments/experiment_files.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::experiments {

// "tidemark_experiments.units_<16 digits>"
std::string watched_units_model(const std::string& from, const std::string& unit);

// Of all experiments, each once; `file` of these models is watched_units_file.
inline constexpr const char* watched_units_file = "experiments";
std::vector<config::ModelFile> watched_unit_models(const ExperimentFiles& files);

// Names of the models that tell of all units of the experiment. Nothing: not all that it reads can be
// watched.
std::optional<std::set<std::string>> watched_by(const Experiment& experiment,
                                                const std::vector<const Metric*>& metrics);

// False when the text asks the clock, chance or a dictionary. Subqueries are for others to judge.
bool follows_from_rows(const std::string& sql);

// The metrics of its goals, then of its guardrails.
std::vector<const Metric*> metrics_of(const ExperimentFiles& files, const Experiment& experiment);

}  // namespace tidemark::experiments
