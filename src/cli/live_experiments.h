// The experiments of a running project: tells those whose units are kept which units cuts touch, by the
// models that are watched for them (experiments/watched_units.h), and when they can no longer be sure to have
// been told of everything: it takes part in the hooks of whoever changes rows by another way than cuts, or
// models. And its read-outs over HTTP. Thread-safe but for add_routes().
#pragma once

#include "cli/live_models.h"
#include "cli/source_pipelines.h"
#include "config/project.h"
#include "experiments/kept_experiments.h"
#include "ingest/applier.h"
#include "models/deployment.h"
#include "serve/experiment_routes.h"

#include <atomic>
#include <memory>

namespace tidemark::cli {

class LiveExperiments {
 public:
  // `models` must outlive this.
  explicit LiveExperiments(LiveModels& models);

  // `others`: for models that are watched for somebody else.
  models::WatchHooks hooks(models::WatchHooks others);
  // These, and what was kept is made anew after them.
  ingest::ModelHooks with(ingest::ModelHooks hooks);
  models::DeploymentHooks with(models::DeploymentHooks hooks);

  // Before anything is asked; what a killed process kept is dropped. This must outlive the server. Units are
  // kept, and fences known, only where no other process applies cuts of the project.
  void add_routes(http::Server& server, const config::Project& project, const clickhouse::Endpoint& account,
                  SourcePipelines& pipelines, const std::atomic<bool>& stopping);
  void stop();
  // Rows of people were taken away: what is kept of them goes at once.
  void forget(clickhouse::Client& client) {
    ++changes_;
    kept_.forget(client);
  }

 private:
  void changed_all() {
    ++changes_;
    kept_.all_touched();
  }
  bool followed(const std::string& model) const;

  LiveModels& models_;
  std::atomic<bool> alone_{false};
  std::atomic<uint64_t> changes_{0};
  experiments::KeptExperiments kept_;
  std::unique_ptr<serve::ExperimentReports> reports_;
};

}  // namespace tidemark::cli
