#include "base/limits.h"
#include "base/log.h"
#include "models/audits.h"
#include "models/model_source.h"
#include "models/model_state.h"
#include "models/plan.h"
#include "models/query_settings.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;

clickhouse::QueryOptions long_statement() {
  clickhouse::QueryOptions options;
  options.settings = model_query_settings();
  // Two equal blocks of a backfill are two blocks, not one sent twice.
  options.settings["insert_deduplicate"] = "0";
  options.settings["max_execution_time"] = "0";
  options.settings["max_partitions_per_insert_block"] = "0";
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  return options;
}

Status drop_physical(clickhouse::Client& client, const std::vector<std::string>& physical) {
  for (const auto& table : physical)
    TRY_VOID(client.execute("DROP TABLE IF EXISTS " + table + " SYNC", long_statement()));
  return {};
}

class Applier {
 public:
  Applier(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
          const ApplyOptions& options)
      : client_(client), models_(models), plan_(plan), options_(options) {}

  Status run() {
    if (plan_.destructive() && !options_.allow_destructive)
      return fail(ErrorKind::refused, "the plan drops models, which deletes what they hold",
                  "look at `tidemark plan`, then run `tidemark apply --yes`");
    state_ = TRY(ModelState::load(client_));
    for (const auto& step : plan_.steps) {
      ++number_;
      Status done = step.change == ChangeClass::dropped ? drop(step) : build(step);
      if (!done) return fail(std::move(done.error()).in("model " + step.model));
    }
    return {};
  }

 private:
  void tell(const PlanStep& step, const char* phase) {
    if (options_.progress)
      options_.progress({.model = step.model,
                         .step = number_,
                         .steps = plan_.steps.size(),
                         .phase = phase,
                         .rows = step.rows});
  }

  Status build(const PlanStep& step) {
    const CompiledModel* model = models_.find(step.model);
    if (model == nullptr)
      return fail(ErrorKind::conflict, "the plan is for other models than those given", "plan again");
    tell(step, "create");
    TRY_VOID(state_.write(client_, record_of(*model, "building"), model->file.sql));
    TRY_VOID(client_.execute("CREATE DATABASE IF NOT EXISTS " + quote_identifier(model->file.database)));
    // Whatever an apply that was cut short left behind starts from nothing.
    TRY_VOID(drop_physical(client_, model->physical));
    for (const auto& statement : model->create_statements) TRY_VOID(client_.execute(statement));
    if (!model->backfill_statement.empty()) {
      tell(step, "backfill");
      TRY_VOID(client_.execute(model->backfill_statement, long_statement()));
    }
    if (const ModelRecord* now = state_.active(model->name);
        now != nullptr && now->fingerprint != model->fingerprint)
      TRY_VOID(refuse_when_blocked(client_, *model));
    tell(step, "publish");
    TRY_VOID(client_.execute(model->view_statement));
    const ModelRecord* active = state_.active(model->name);
    std::optional<ModelRecord> before;
    if (active != nullptr && active->fingerprint != model->fingerprint) before = *active;
    TRY_VOID(state_.write(client_, record_of(*model, "active"), model->file.sql));
    return retire(*model, before);
  }

  // The version before stays, fed by its own materialized view, for going back; all older ones go. A keyed
  // store is not kept right without the runtime, so it goes at once.
  Status retire(const CompiledModel& model, std::optional<ModelRecord> before) {
    std::vector<ModelRecord> others;
    for (const auto& record : state_.records())
      if (record.model == model.name && record.fingerprint != model.fingerprint && record.state != "dropped")
        others.push_back(record);
    for (auto& record : others) {
      bool keep = before && record.fingerprint == before->fingerprint && record.kind != "keyed";
      // A model that was retired stays so while nothing newer was replaced.
      if (!before && record.state == "retired") continue;
      if (!keep) TRY_VOID(drop_physical(client_, record.physical));
      record.state = keep ? "retired" : "dropped";
      TRY_VOID(state_.write(client_, record, ""));
    }
    return {};
  }

  Status drop(const PlanStep& step) {
    tell(step, "drop");
    auto tokens = TRY(tokenize(step.model));
    std::vector<ModelRecord> all;
    for (const auto& record : state_.records())
      if (record.model == step.model && record.state != "dropped") all.push_back(record);
    size_t dot = step.model.find('.');
    TRY_VOID(client_.execute("DROP VIEW IF EXISTS " +
                             clickhouse::quote_table(step.model.substr(0, dot), step.model.substr(dot + 1))));
    for (auto& record : all) {
      TRY_VOID(drop_physical(client_, record.physical));
      record.state = "dropped";
      TRY_VOID(state_.write(client_, record, ""));
    }
    return {};
  }

  clickhouse::Client& client_;
  const CompiledModels& models_;
  const Plan& plan_;
  const ApplyOptions& options_;
  ModelState state_;
  size_t number_ = 0;
};

// A model that is not in the project is not kept right from here on: no change rows may reach it, no key of
// it is refreshed. Should it come back, it must not pass for right.
Status leave_unattended(clickhouse::Client& client, const CompiledModels& models) {
  ModelState state = TRY(ModelState::load(client));
  for (ModelRecord record : std::vector<ModelRecord>(state.records())) {
    if (record.state != "active" || models.find(record.model) != nullptr) continue;
    record.state = "unattended";
    TRY_VOID(state.write(client, record, ""));
  }
  return {};
}

}  // namespace

Status apply_plan(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
                  const ApplyOptions& options) {
  return Applier(client, models, plan, options).run();
}

Status prepare(clickhouse::Client& client, const CompiledModels& models,
               const std::function<void(const ApplyProgress&)>& progress) {
  Plan plan = TRY(compute_plan(client, models));
  for (const auto& step : plan.steps)
    if (step.change == ChangeClass::dropped)
      log::warn("model {} is no longer in the project; `tidemark apply --yes` drops it", step.model);
  std::erase_if(plan.steps, [](const auto& step) { return step.change == ChangeClass::dropped; });
  TRY_VOID(leave_unattended(client, models));
  return apply_plan(client, models, plan, {.progress = progress});
}

Status reset_stores_of(clickhouse::Client& client, const CompiledModels& models,
                       const std::set<std::string>& tables) {
  auto fed = [&](const auto& names) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name.starts_with("bronze.") && tables.contains(name.substr(7));
    });
  };
  ModelState state = TRY(ModelState::load(client));
  for (ModelRecord record : std::vector<ModelRecord>(state.records())) {
    bool current = false;
    for (const auto& model : models.models)
      current |= model.name == record.model && model.fingerprint == record.fingerprint;
    if (current || record.state == "dropped" || !fed(record.tables)) continue;
    // A retired store would need the same care and nobody reads it.
    TRY_VOID(drop_physical(client, record.physical));
    record.state = "dropped";
    TRY_VOID(state.write(client, record, ""));
  }
  for (const auto& model : models.models) {
    // The result of a refresh stays as it is until the run that after_copy() asks for.
    if (model.store.empty() || model.form == StoreForm::result || !fed(model.fed_by)) continue;
    // A keyed store is only ever replaced row by row: after_copy() rewrites it from all its tables.
    if (model.form == StoreForm::keyed && model.tables_in_depth.size() > 1) continue;
    TRY_VOID(client.execute("TRUNCATE TABLE IF EXISTS " + model.store + " SYNC", long_statement()));
    for (const auto& [table, mirrored] : model.keyed.cut_tables)
      TRY_VOID(client.execute("TRUNCATE TABLE IF EXISTS " + table + " SYNC", long_statement()));
    // What the other tables of a UNION ALL brought is not copied again.
    for (const auto& [table, statement] : model.feed_statements)
      if (!fed(std::set<std::string>{table})) TRY_VOID(client.execute(statement, long_statement()));
  }
  return {};
}

}  // namespace tidemark::models
