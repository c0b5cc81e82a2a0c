#include "base/limits.h"
#include "models/deployment.h"
#include "models/model_source.h"
#include "models/model_state.h"
#include "models/plan.h"
#include "models/query_settings.h"

namespace tidemark::models {
namespace {

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

// A model that is not in the project is not kept right from here on: no change rows may reach it, no key of
// it is refreshed. Should it come back, it must not pass for right.
Status leave_unattended(clickhouse::Client& client, const CompiledModels& models) {
  ModelState state = TRY(ModelState::load(client));
  for (ModelRecord record : std::vector<ModelRecord>(state.records())) {
    if (record.state != "active" || models.find(record.model) != nullptr) continue;
    record.state = "unattended";
    TRY_VOID(state.write(client, record, ""));
  }
  // Followed by the process that replaced it, or was filling it, and by nobody since.
  for (ModelRecord record : std::vector<ModelRecord>(state.records())) {
    if (record.kind != "keyed" || (record.state != "retired" && record.state != "building")) continue;
    TRY_VOID(drop_physical(client, record.physical));
    record.state = "dropped";
    TRY_VOID(state.write(client, record, ""));
  }
  return {};
}

}  // namespace

Status apply_plan(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
                  const ApplyOptions& options) {
  return Deployment(client, models, plan, options).run();
}

namespace {

// Large and possible beside the running project: the version before is fed without us, or there is none and
// nobody misses it. Whatever reads a model that is left is left, too.
std::vector<std::string> for_later(const CompiledModels& models, const Plan& plan, uint64_t rows_max) {
  std::set<std::string> later;
  for (const auto& step : plan.steps) {
    const CompiledModel* model = models.find(step.model);
    if (model == nullptr) continue;
    bool large = step.rows > rows_max && !model->store.empty();
    bool waits = std::any_of(model->models.begin(), model->models.end(),
                             [&](const auto& upstream) { return later.contains(upstream); });
    if (!large && !waits) continue;
    bool beside = step.change == ChangeClass::created ||
                  (step.change != ChangeClass::repaired && model->kind != ModelKind::keyed);
    // One that cannot wait needs what it reads.
    if (!beside) return {};
    later.insert(step.model);
  }
  return {later.begin(), later.end()};
}

}  // namespace

Result<std::vector<std::string>> prepare(clickhouse::Client& client, const CompiledModels& models,
                                         const std::function<void(const ApplyProgress&)>& progress,
                                         uint64_t rows_max) {
  Plan plan = TRY(compute_plan(client, models));
  keep_dropped(plan);
  TRY_VOID(leave_unattended(client, models));
  std::vector<std::string> later = for_later(models, plan, rows_max);
  std::erase_if(plan.steps, [&](const auto& step) {
    return std::find(later.begin(), later.end(), step.model) != later.end();
  });
  TRY_VOID(apply_plan(client, models, plan, {.progress = progress}));
  return later;
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
      current |= model.name == record.model && model.fingerprint == record.fingerprint &&
                 model.generation == record.generation;
    if (current || record.state == "dropped" || !fed(record.tables)) continue;
    // A retired store would need the same care and nobody reads it. The active one of a model that is about
    // to be deployed anew leaves its view behind, so that it stays known.
    TRY_VOID(drop_physical(client, record.physical));
    record.state = record.state == "active" ? "unattended" : "dropped";
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
      if (!fed(std::set<std::string>{table})) {
        clickhouse::QueryOptions options = long_statement();
        options.placement = clickhouse::Placement::shards;  // each shard's store is made of its own rows
        TRY_VOID(client.execute(statement, options));
      }
  }
  return {};
}

}  // namespace tidemark::models
