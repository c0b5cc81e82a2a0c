// The difference between the models a project asks for and those the warehouse has, and the way to remove it.
//
// State is tidemark.models, one row per fact, the newest version of a (model, fingerprint) wins:
//   unattended `up` ran without it: built again when it comes back
//   building   the store may exist and may be partly filled; only apply leaves it behind, when it was cut
//   short active     store filled, public view replaced retired    replaced by a newer fingerprint; physical
//   tables kept for rollback until the next change dropped    gone
// Apply writes `building`, makes the store, fills it, replaces the public view, writes `active`, retires the
// one before. A store that is not recorded as active is dropped and built again, so apply may be killed at
// any point and run again. The caller guarantees that no cut is applied meanwhile (`up` applies before it
// starts capturing; the verb refuses while `up` runs), because rows that arrive during the backfill would be
// counted twice.
#pragma once

#include "clickhouse/client.h"
#include "models/compiled_model.h"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

enum class ChangeClass {
  created,       // not there yet
  breaking,      // a column goes away or changes its type
  forward_only,  // new definition, all old columns stay as they are
  repaired,      // same definition, but a table or view of it is missing or was never finished
  dropped,       // not in the project any more: destructive
};
const char* name(ChangeClass change);

struct PlanStep {
  std::string model;  // "analytics.x"
  ModelKind kind = ModelKind::view;
  ChangeClass change = ChangeClass::created;
  std::vector<std::string> reasons;     // "column ctr: Float64 -> Float32"
  uint64_t rows = 0, bytes = 0;         // what a backfill reads, from the parts' sizes
  std::vector<std::string> downstream;  // models that read it
  std::vector<std::string> live;        // what it reads that is as of no commit
  bool destructive = false;
};

struct Plan {
  std::vector<PlanStep> steps;  // in the order apply takes

  bool empty() const { return steps.empty(); }
  bool destructive() const;
  std::string to_text() const;
  std::string to_json() const;
};

Result<Plan> compute_plan(clickhouse::Client& client, const CompiledModels& models);

struct ApplyProgress {
  std::string model;
  size_t step = 0, steps = 0;  // step counts from 1
  std::string phase;           // "create", "backfill", "publish", "drop"
  uint64_t rows = 0;           // that the backfill reads
};

struct ApplyOptions {
  bool allow_destructive = false;  // otherwise a plan that drops models is refused as a whole
  std::function<void(const ApplyProgress&)> progress;
};

Status apply_plan(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
                  const ApplyOptions& options = {});

// What `up` does before the first row is captured: plan and apply without the drops.
Status prepare(clickhouse::Client& client, const CompiledModels& models,
               const std::function<void(const ApplyProgress&)>& progress = {});

// The initial copy of `tables` ("impressions") starts again from nothing: every store they feed is emptied.
Status reset_stores_of(clickhouse::Client& client, const CompiledModels& models,
                       const std::set<std::string>& tables);

}  // namespace tidemark::models
