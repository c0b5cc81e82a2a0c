// The models of a project: those that its files say, and those that are only watched, because segments want
// to know which entities a cut touches. Whoever compiles models compiles these, or a plan would drop what
// segments watch.
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

// Empty when there are mistakes in segments/ (segments::load_segments tells them).
Result<std::vector<config::ModelFile>> watched_models(clickhouse::Client& client,
                                                      const config::Project& project);

Result<models::Compilation> compile_project(clickhouse::Client& client, const config::Project& project);

// Mirrored tables ("orders") whose change rows models or segments need.
std::set<std::string> tables_with_changes(const config::Project& project);

}  // namespace tidemark::cli
