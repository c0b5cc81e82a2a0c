#include "cli/project_models.h"

#include "experiments/experiment_files.h"
#include "experiments/exposure_model.h"
#include "models/change_tables.h"
#include "segments/watched_query.h"

#include <algorithm>

namespace tidemark::cli {

Result<std::vector<segments::EventTable>> event_tables(clickhouse::Client& client, const config::Project&) {
  return segments::event_tables(client);
}

Result<std::vector<config::ModelFile>> watched_models(clickhouse::Client& client,
                                                      const config::Project& project) {
  segments::SegmentFiles files = segments::load_segments(project.root, false);
  std::vector<config::ModelFile> models;
  if (!files.errors.empty() || files.definitions.empty()) return models;
  segments::Catalog catalog(client);
  auto options = segments::compile_options(files, TRY(event_tables(client, project)), "UTC");
  for (auto& group : TRY(segments::watched_groups(catalog, files.definitions, options))) {
    config::ModelFile file;
    file.database = segments::watch_database;
    file.name = group.model;
    file.file = "segments";
    file.kind = "keyed";
    file.key = group.key;
    file.sql = group.sql;
    file.description = "which entities a cut touches, for segments";
    file.watch = true;
    models.push_back(std::move(file));
  }
  return models;
}

std::vector<config::ModelFile> experiment_models(const config::Project& project) {
  auto files = experiments::load_experiments(project.root, false);
  if (!files.errors.empty()) return {};
  return experiments::exposure_models(files.experiments, experiments::declared_logs(project));
}

Result<std::vector<config::ModelFile>> added_models(clickhouse::Client& client,
                                                    const config::Project& project) {
  std::vector<config::ModelFile> models = TRY(watched_models(client, project));
  for (auto& file : experiment_models(project)) models.push_back(std::move(file));
  return models;
}

Result<models::Compilation> compile_project(clickhouse::Client& client, const config::Project& project) {
  std::vector<config::ModelFile> files = project.models;
  for (auto& file : TRY(added_models(client, project))) files.push_back(std::move(file));
  auto compilation = TRY(models::compile(client, files));
  for (auto& mistake : experiments::load_experiments(project.root, false).errors)
    compilation.errors.push_back(std::move(mistake));
  return compilation;
}

std::set<std::string> tables_with_changes(const config::Project& project) {
  std::vector<config::ModelFile> files = project.models;
  for (auto& file : experiment_models(project)) files.push_back(std::move(file));
  segments::SegmentFiles segments = segments::load_segments(project.root, false);
  std::vector<segments::EventTable> events;
  for (const auto& source : project.event_sources)
    events.push_back({.table = "bronze." + source.table,
                      .key = {},
                      .name = {},
                      .constant_name = {},
                      .time = {},
                      .properties = {},
                      .id = {},
                      .where = {}});
  for (const auto& table : segments::tables_read(segments.definitions, events)) {
    // Models it reads are followed to the tables they read.
    config::ModelFile file;
    file.database = segments::watch_database;
    file.name = std::to_string(files.size());
    file.kind = "keyed";
    file.sql = "SELECT 1 FROM " + table;
    files.push_back(std::move(file));
  }
  return models::tables_needing_changes(files);
}

}  // namespace tidemark::cli
