#include "cli/project_models.h"

#include "cli/live_profiles.h"
#include "cli/source_pipelines.h"
#include "experiments/experiment_files.h"
#include "experiments/exposure_model.h"
#include "experiments/watched_units.h"
#include "models/change_tables.h"
#include "models/lookups.h"
#include "models/model_state.h"
#include "profiles/profile_files.h"
#include "profiles/profile_models.h"
#include "segments/stored_definitions.h"
#include "segments/watched_query.h"

#include <algorithm>

namespace tidemark::cli {

Result<std::vector<segments::EventTable>> event_tables(clickhouse::Client& client, const config::Project&) {
  return segments::event_tables(client);
}

Result<segments::SegmentFiles> project_segments(clickhouse::Client& client, const config::Project& project) {
  segments::SegmentFiles files = segments::load_segments(project.root, false);
  if (files.errors.empty()) TRY_VOID(segments::add_stored(client, project, files));
  return files;
}

std::string criteria_entity(const config::Project& project, const config::CriteriaTable& table) {
  segments::Definition definition;
  definition.entity = table.entity;
  segments::name_mirrors(project, definition);
  return definition.entity;
}

Result<std::vector<config::ModelFile>> watched_models(clickhouse::Client& client,
                                                      const config::Project& project) {
  return watched_models(client, project, TRY(project_segments(client, project)));
}

Result<std::vector<config::ModelFile>> watched_models(clickhouse::Client& client,
                                                      const config::Project& project,
                                                      const segments::SegmentFiles& files) {
  std::vector<config::ModelFile> models;
  if (!files.errors.empty()) return models;
  segments::Catalog catalog(client);
  auto options = segments::compile_options(files, TRY(event_tables(client, project)), "UTC");
  std::vector<segments::Definition> watched = files.definitions;
  for (const auto& table : project.criteria_tables) {
    segments::Definition everyone;
    everyone.entity = criteria_entity(project, table);
    watched.push_back(std::move(everyone));
  }
  if (watched.empty()) return models;
  for (auto& group : TRY(segments::watched_groups(catalog, watched, options))) {
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
  auto people = profiles::load_profiles(project.root, false);
  for (auto& file : TRY(profiles::profile_models(client, people.definitions)))
    models.push_back(std::move(file));
  std::vector<config::ModelFile> all = project.models;
  all.insert(all.end(), models.begin(), models.end());
  for (auto& file : TRY(watched_units(client, project, std::move(all)))) models.push_back(std::move(file));
  return models;
}

// A model that cannot be watched is no mistake of anybody: experiments over it are read anew for each
// question.
Result<std::vector<config::ModelFile>> watched_units(clickhouse::Client& client,
                                                     const config::Project& project,
                                                     std::vector<config::ModelFile> files) {
  if (SourcePipelines::shared(project) || client.endpoint().cluster) return std::vector<config::ModelFile>();
  auto candidates = experiments::watched_unit_models(experiments::load_experiments(project.root, false));
  if (candidates.empty()) return candidates;
  files.insert(files.end(), candidates.begin(), candidates.end());
  auto compilation = TRY(models::compile(client, files));
  std::erase_if(candidates,
                [&](const auto& file) { return compilation.models.find(file.full_name()) == nullptr; });
  return candidates;
}

Result<std::vector<config::ModelFile>> deployed_with_watched(clickhouse::Client& client,
                                                             const config::Project& project,
                                                             const models::CompiledModels& deployed) {
  std::vector<config::ModelFile> files = TRY(watched_models(client, project));
  for (const auto& model : deployed.models)
    if (!model.file.watch || model.file.database == experiments::exposures_database)
      files.push_back(model.file);
  return files;
}

Result<std::vector<config::ModelFile>> models_on_disk(clickhouse::Client& client,
                                                      const config::Project& project) {
  config::LoadedProject loaded = config::load_project(project.root);
  if (!loaded.ok()) return fail(ErrorKind::config, config::render(loaded.errors));
  auto mistakes = TRY(models::prepare_lookups(client, loaded.project, models::LookupChanges::missing));
  if (!mistakes.empty()) return fail(ErrorKind::config, config::render(mistakes));
  std::vector<config::ModelFile> files = std::move(loaded.project.models);
  for (auto& file : TRY(added_models(client, project))) files.push_back(std::move(file));
  return files;
}

Result<models::Compilation> compile_project(clickhouse::Client& client, const config::Project& project) {
  std::vector<config::ModelFile> files = project.models;
  for (auto& file : TRY(added_models(client, project))) files.push_back(std::move(file));
  auto compilation = TRY(models::compile(client, files));
  for (auto& mistake : experiments::load_experiments(project.root, false).errors)
    compilation.errors.push_back(std::move(mistake));
  return compilation;
}

Result<std::set<std::string>> tables_with_changes(clickhouse::Client& client,
                                                  const config::Project& project) {
  std::vector<config::ModelFile> files = project.models;
  for (auto& file : experiment_models(project)) files.push_back(std::move(file));
  if (!SourcePipelines::shared(project))
    for (auto& file : experiments::watched_unit_models(experiments::load_experiments(project.root, false)))
      files.push_back(std::move(file));
  segments::SegmentFiles segments = TRY(project_segments(client, project));
  for (const auto& table : project.criteria_tables) {
    segments::Definition everyone;
    everyone.entity = criteria_entity(project, table);
    segments.definitions.push_back(std::move(everyone));
  }
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
  std::set<std::string> tables = models::tables_needing_changes(files);
  // Versions that are kept beside those of the project are fed, too.
  models::ModelState state = TRY(models::ModelState::load(client));
  for (const auto& record : state.records())
    if (record.state != "dropped" && (record.kind == "incremental" || record.kind == "keyed"))
      for (const auto& table : record.tables) tables.insert(table.substr(7));
  // Their cuts must come again in the same parts (profiles/profile_keeper.h).
  for (const auto& definition : profiles::load_profiles(project.root, false).definitions) {
    for (const auto& table : definition.tables) tables.insert(table.table);
    for (const auto& table : TRY(event_tables_of(definition, project))) tables.insert(table);
  }
  return tables;
}

}  // namespace tidemark::cli
