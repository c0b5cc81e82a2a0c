// The models of a project: those that its files say, those that are only watched, because segments want to
// know which entities a cut touches, and the exposures of experiments. Whoever compiles models compiles all
// of these, or a plan would drop what segments watch and experiments read.
#pragma once

#include "config/project.h"
#include "models/compiler.h"
#include "segments/segment_files.h"

#include <set>
#include <string>

namespace tidemark::cli {

// What segments read events from: the tables of events sources, those of the project and those the warehouse
// has.
Result<std::vector<segments::EventTable>> event_tables(clickhouse::Client& client,
                                                       const config::Project& project);

// All definitions of the project: those of its files, and those that lie in the warehouse.
Result<segments::SegmentFiles> project_segments(clickhouse::Client& client, const config::Project& project);

// The entity that a criteria table is about, as segments see it: its mirror.
std::string criteria_entity(const config::Project& project, const config::CriteriaTable& table);

// Of these definitions; also of entities whose segments may come later, as rows.
Result<std::vector<config::ModelFile>> watched_models(clickhouse::Client& client,
                                                      const config::Project& project,
                                                      const segments::SegmentFiles& files);

// Empty when there are mistakes in segments/ (segments::load_segments tells them).
Result<std::vector<config::ModelFile>> watched_models(clickhouse::Client& client,
                                                      const config::Project& project);

// Empty when there are mistakes in metrics/ or experiments/ (compile_project tells them).
std::vector<config::ModelFile> experiment_models(const config::Project& project);

// Which units cuts touch, for experiments: those of `files` (which get nothing) and the project that the
// warehouse can watch.
Result<std::vector<config::ModelFile>> watched_units(clickhouse::Client& client,
                                                     const config::Project& project,
                                                     std::vector<config::ModelFile> files);

// All that are not files of models/: watched ones and those of experiments.
Result<std::vector<config::ModelFile>> added_models(clickhouse::Client& client,
                                                    const config::Project& project);

// The models that are deployed, whatever lies on disk by now, and what segments watch.
Result<std::vector<config::ModelFile>> deployed_with_watched(clickhouse::Client& client,
                                                             const config::Project& project,
                                                             const models::CompiledModels& deployed);

// Those on disk, and what is added to them. Errors: config, with every mistake.
Result<std::vector<config::ModelFile>> models_on_disk(clickhouse::Client& client,
                                                      const config::Project& project);

Result<models::Compilation> compile_project(clickhouse::Client& client, const config::Project& project);

// Mirrored tables ("orders") whose change rows models or segments need, also those of versions of models
// that are kept for a rollback.
Result<std::set<std::string>> tables_with_changes(clickhouse::Client& client, const config::Project& project);

}  // namespace tidemark::cli
