// What the data plane asks of everything that is derived from its tables (ingest::ModelHooks), put together
// from the parts of a running project: people first, then models, dictionaries and refreshes, then segments.
#pragma once

#include "cli/live_models.h"
#include "cli/live_profiles.h"
#include "cli/live_segments.h"
#include "ingest/applier.h"
#include "models/lookups.h"
#include "models/refresh_service.h"

namespace tidemark::cli {

// All must outlive the hooks.
struct ModelSurroundings {
  clickhouse::ClientPool& pool;
  LiveModels& models;
  LiveProfiles& profiles;
  LiveSegments& segments;
  models::DictionaryReloads& dictionaries;
  models::RefreshService& refreshes;
  ingest::PartsGate& parts_gate;
  std::function<bool()> leads;  // whether this process refreshes
};

ingest::ModelHooks model_hooks(const ModelSurroundings& all);

}  // namespace tidemark::cli
