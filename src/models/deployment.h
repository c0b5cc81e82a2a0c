// Makes the changes of a plan while cuts go on, so that every reader sees the old model or the new one, each
// exact, and nothing between.
//
// In waves (a model whose statements name the public view of another changed one comes in a later wave),
// each:
//   1  before the barrier   `preparing` is written; empty stores, fill tables and snapshots are made
//   2  at the barrier       snapshots are attached, materialized views made, the runtime takes the new models
//                           on, `building` is written: from here on the stores get every cut
//   3  cuts go on           what was there before is filled in (backfill.h), in chunks
//   4  at another barrier   additive stores are joined before it (`joining`); the public views are replaced
//                           in dependency order at it, so that no count goes back by the cut under way;
//                           `active` and `retired` are written together
// A version that was replaced stays fed (its views stay, the runtime goes on with it) until the next change
// of its model, or for a day, so that a rollback is exact and instant. What feeds a store is only taken away
// at a barrier: an INSERT under way into a table that goes would fail.
//
// Killed anywhere, the next deployment of the same definitions goes on: `building` is resumed chunk by chunk;
// `preparing` and `joining` are thrown away and begun again. Without hooks nothing is applied meanwhile, and
// the barrier is where we are.
//
// One deployment of a warehouse at a time; run() blocks until done, in any thread.
#pragma once

#include "models/backfill.h"
#include "models/model_state.h"
#include "models/plan.h"

#include <map>
#include <memory>

namespace tidemark::models {

class Deployment {
 public:
  Deployment(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
             const ApplyOptions& options);

  Status run();
  // Versions that were replaced before then cost every cut their part and are hardly gone back to.
  Status drop_retired(int64_t before_micros);
  // The models of the project with the generations that are active now.
  const CompiledModels& models() const { return models_; }

 private:
  struct Build {
    const PlanStep* step = nullptr;
    CompiledModel* model = nullptr;  // in models_
    bool resumed = false;
    bool additive = false;
    std::unique_ptr<Backfill> backfill;
    bool stores() const { return !model->store.empty(); }
  };
  using Wave = std::vector<Build>;

  bool online() const { return static_cast<bool>(options_.hooks.at_barrier); }
  void tell(const Build& build, const char* phase, const BackfillProgress& progress = {});
  Status at_barrier(const std::function<Status()>& action);
  Status take_over_or_discard();
  Result<bool> resumable(const ModelRecord& record, const CompiledModel& model);
  std::vector<Wave> waves();
  Status choose_tables(Build& build);
  Status make(Wave& wave);
  Status begin(Wave& wave);
  Status take_over(const Build& build);
  Status fill(Wave& wave);
  Status promote(Wave& wave);
  // Takes away what feeds these at a barrier, then drops them.
  // `gone`: models that are not in the project any more.
  Status drop(std::vector<ModelRecord> records, const std::vector<std::string>& gone = {});
  Status announce();
  ModelRecord record(const Build& build, std::string state) const;
  size_t number_of(const Build& build) const;

  clickhouse::Client& client_;
  CompiledModels models_;
  const Plan& plan_;
  const ApplyOptions& options_;
  const std::string change_;  // what is changed by one run goes back together (rollback.h)
  std::string id_;            // of the wave
  ModelState state_;
  std::map<std::string, ModelRecord> resumed_;  // by model
  std::vector<ModelRecord> replaced_;           // and not kept
};

}  // namespace tidemark::models
