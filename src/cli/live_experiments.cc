#include "cli/live_experiments.h"

#include "base/log.h"
#include "experiments/experiments_limits.h"
#include "experiments/exposure_model.h"
#include "experiments/watched_units.h"
#include "serve/documents.h"

#include <algorithm>

namespace tidemark::cli {
namespace {

bool is_ours(const models::CompiledModel& model) {
  return model.file.database == experiments::exposures_database;
}

}  // namespace

LiveExperiments::LiveExperiments(LiveModels& models)
    : models_(models), kept_([this](const std::string& model) { return followed(model); }) {}

models::WatchHooks LiveExperiments::hooks(models::WatchHooks others) {
  return {.touched = [this, others](clickhouse::Client& client, const models::TouchedKeys& keys) -> Status {
            if (!is_ours(keys.model)) return others.touched ? others.touched(client, keys) : Status();
            kept_.touched(client, keys);
            return {};
          },
          .all_touched = [this, others](clickhouse::Client& client,
                                        const models::CompiledModel& model) -> Status {
            if (!is_ours(model)) return others.all_touched ? others.all_touched(client, model) : Status();
            kept_.all_touched();
            return {};
          }};
}

ingest::ModelHooks LiveExperiments::with(ingest::ModelHooks hooks) {
  auto parts_are_in = std::move(hooks.after_parts);
  hooks.after_parts = [this, parts_are_in](uint64_t cut, Version version,
                                           const std::vector<std::string>& tables) -> Status {
    ++changes_;
    return parts_are_in ? parts_are_in(cut, version, tables) : Status();
  };
  auto copied = std::move(hooks.after_copy);
  hooks.after_copy = [this, copied](Version version, const std::vector<std::string>& tables) -> Status {
    TRY_VOID(copied(version, tables));
    changed_all();
    return {};
  };
  auto loaded = std::move(hooks.after_load);
  hooks.after_load = [this, loaded](const std::vector<std::string>& tables) -> Status {
    changed_all();
    return loaded(tables);
  };
  auto reset = std::move(hooks.reset);
  hooks.reset = [this, reset](const std::vector<std::string>& tables) -> Status {
    changed_all();
    return reset(tables);
  };
  return hooks;
}

models::DeploymentHooks LiveExperiments::with(models::DeploymentHooks hooks) {
  auto promoted = std::move(hooks.promoted);
  hooks.promoted = [this, promoted](const models::CompiledModels& deployed) {
    promoted(deployed);
    changed_all();
  };
  auto leave = std::move(hooks.leave);
  hooks.leave = [this, leave](const std::vector<std::string>& physical,
                              const std::vector<std::string>& gone) {
    leave(physical, gone);
    changed_all();
  };
  return hooks;
}

void LiveExperiments::add_routes(http::Server& server, const config::Project& project,
                                 const clickhouse::Endpoint& account, SourcePipelines& pipelines,
                                 const std::atomic<bool>& stopping) {
  clickhouse::Client client(account);
  Status dropped = SourcePipelines::shared(project) ? Status() : experiments::drop_kept_units(client);
  if (!dropped) log::warn("experiments: tables of before are not dropped: {}", dropped.error().describe());
  alone_ = dropped && !SourcePipelines::shared(project);
  if (alone_)
    kept_.set_fences({.hold =
                          [&](const std::function<Status()>& action) {
                            return pipelines.at_barrier(action, stopping,
                                                        experiments::limits::fence_patience_us);
                          },
                      .changes = [this] { return changes_.load(); },
                      .name = [&] { return "{" + serve::as_of(pipelines.status()).json + "}"; }});
  reports_ = std::make_unique<serve::ExperimentReports>(project.root, account, kept_);
  reports_->add_routes(server);
}

void LiveExperiments::stop() {
  if (reports_) reports_->stop();
  kept_.stop();
}

// What a model's values are made of must be rows, too: a clock, a dictionary, a refresh behind it change them
// without a word.
bool LiveExperiments::followed(const std::string& name) const {
  if (!alone_) return false;
  auto published = models_.published();
  const auto* watched = published->find(name);
  if (watched == nullptr || !watched->refresh_models.empty() || !watched->live_reads.empty()) return false;
  return std::all_of(watched->models.begin(), watched->models.end(), [&](const std::string& read) {
    const auto* model = published->find(read);
    return model != nullptr && experiments::follows_from_rows(model->recompute);
  });
}

}  // namespace tidemark::cli
