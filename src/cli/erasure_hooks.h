// What deletions of people ask of a running project (erasure_run.h), put together from its parts.
#pragma once

#include "cli/erasure_run.h"
#include "cli/live_experiments.h"
#include "cli/live_models.h"
#include "cli/live_profiles.h"
#include "cli/live_segments.h"
#include "cli/model_desk.h"
#include "cli/source_pipelines.h"
#include "models/lookups.h"
#include "models/refresh_service.h"

namespace tidemark::cli {

// Those that are made while the project starts are there when they are asked for. All must outlive the hooks.
struct ErasureSurroundings {
  clickhouse::ClientPool& pool;
  SourcePipelines& pipelines;
  LiveModels& models;
  LiveProfiles& profiles;
  LiveExperiments& experiments;
  const std::unique_ptr<LiveSegments>& segments;
  models::DictionaryReloads& dictionaries;
  const std::unique_ptr<models::RefreshService>& refreshes;
  const std::unique_ptr<ModelDesk>& desk;
  const std::atomic<bool>& stopping;
};

ErasureHooks erasure_hooks(const ErasureSurroundings& all);

}  // namespace tidemark::cli
