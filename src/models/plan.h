// The difference between the models a project asks for and those the warehouse has, and the way to remove it.
//
// State is tidemark.models, one row per fact, the newest version of a (model, fingerprint, generation) wins:
//   unattended  `up` ran without it: built again when it comes back
//   preparing   its tables are being made; nothing feeds them yet
//   building    fed by every cut, what was there before is being filled in
//   joining     what was filled in is being put into the store
//   active      whole, and the public view reads it
//   retired     replaced by a newer one, still fed, kept for rollback until the next change
//   dropped     gone
// How a deployment moves a model through these while cuts go on, and goes on after a kill: deployment.h.
#pragma once

#include "base/limits.h"
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
  rebuilt,       // same definition, filled anew beside the one there is (`tidemark backfill`)
  dropped,       // not in the project any more: destructive, but for models of the program's own
};
const char* name(ChangeClass change);

struct PlanStep {
  std::string model;  // "analytics.x"
  ModelKind kind = ModelKind::view;
  ChangeClass change = ChangeClass::created;
  std::vector<std::string> reasons;         // "column ctr: Float64 -> Float32"
  uint64_t rows = 0, bytes = 0;             // what a backfill reads, from the parts' sizes
  std::vector<std::string> downstream;      // models that read it
  std::vector<std::string> live;            // what it reads that is as of no commit
  std::vector<std::string> joined_at_read;  // by an incremental model
  bool destructive = false;
  // rebuilt: only these partitions of the store, as the server names them; empty: all of it
  std::vector<std::string> partitions;
};

struct Plan {
  std::vector<PlanStep> steps;  // in the order apply takes
  std::string id;               // of these steps over this state of the warehouse

  bool empty() const { return steps.empty(); }
  bool destructive() const;
  std::string to_text() const;
  std::string to_json() const;
};

// Takes out what only a user may drop: such models stay, and the log says how to drop them.
void keep_dropped(Plan& plan);

Result<Plan> compute_plan(clickhouse::Client& client, const CompiledModels& models);
// One model anew, beside the one there is, or only some partitions of it: the others are taken over as they
// are. Errors: config when there is none or no such partition, refused when it stores nothing or its
// definition has changed.
Result<Plan> plan_rebuild(clickhouse::Client& client, const CompiledModels& models, const std::string& model,
                          const std::vector<std::string>& partitions = {});
// `wanted` is not the plan's id any more.
Status stale_plan(const std::string& wanted, const Plan& plan);

struct ApplyProgress {
  std::string model;
  size_t step = 0, steps = 0;  // step counts from 1
  std::string phase;           // "create", "backfill", "publish", "drop"
  uint64_t rows = 0;           // that the backfill reads
  uint64_t rows_done = 0;
  size_t chunk = 0, chunks = 0;
};

// How a deployment lives beside a running data plane (deployment.h). All empty: nothing is applied meanwhile.
struct DeploymentHooks {
  // Runs the action between two cuts of all sources, with everything before fenced.
  std::function<Status(const std::function<Status()>& action)> at_barrier;
  // These tables ("impressions") get change rows: before the barrier, and from it on.
  std::function<Status(const std::set<std::string>& tables)> prepare_change_rows;
  std::function<void(const std::set<std::string>& tables)> begin_change_rows;
  // At the barrier: the runtime keeps these right as well; it lets go of models that own or read one of these
  // tables, and of those of these names.
  std::function<void(const std::vector<CompiledModel>& models)> take_on;
  std::function<void(const std::vector<std::string>& physical, const std::vector<std::string>& models)> leave;
  // At a barrier: the public views of these models are theirs from here on.
  std::function<void(const CompiledModels& models)> promoted;
  // After it: for whoever looks at models from outside.
  std::function<Status()> follow;
  std::function<bool()> stopping;
  std::function<void()> breathe;  // between two chunks: waits while the cuts are behind
};

struct ApplyOptions {
  bool allow_destructive = false;  // otherwise a plan that drops models is refused as a whole
  std::function<void(const ApplyProgress&)> progress;
  DeploymentHooks hooks;
  bool new_generation = false;  // builds beside what is there even when nothing runs
  uint64_t chunk_rows = limits::backfill_chunk_rows;
};

Status apply_plan(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
                  const ApplyOptions& options = {});

// What `up` does before the first row is captured: plan and apply without the drops that a user must confirm.
// What reads more than `rows_max` and can be built beside the running project is left for later: the models
// that are left.
Result<std::vector<std::string>> prepare(clickhouse::Client& client, const CompiledModels& models,
                                         const std::function<void(const ApplyProgress&)>& progress = {},
                                         uint64_t rows_max = UINT64_MAX);

// The initial copy of `tables` ("impressions") starts again from nothing: every store they feed is emptied.
Status reset_stores_of(clickhouse::Client& client, const CompiledModels& models,
                       const std::set<std::string>& tables);

}  // namespace tidemark::models
