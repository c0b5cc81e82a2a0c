#include "models/plan.h"

#include "base/log.h"
#include "clickhouse/cluster.h"
#include "config/model_file.h"
#include "models/model_source.h"
#include "models/model_state.h"

#include <map>

namespace tidemark::models {
namespace {

using clickhouse::quote_table;

// "`a`.`b`" as recorded -> database and table.
std::pair<std::string, std::string> name_parts(const std::string& quoted) {
  auto tokens = tokenize(quoted);
  if (!tokens || tokens->size() != 3) return {};
  return {(*tokens)[0].name, (*tokens)[2].name};
}

struct Existing {
  std::map<std::string, std::string> engines;  // "database.table" -> engine

  static Result<Existing> load(clickhouse::Client& client) {
    Existing existing;
    Block block =
        TRY(client.query("SELECT database, name, engine FROM " + clickhouse::system_table(client, "tables") +
                         " WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')"));
    for (size_t row = 0; row < block.rows(); ++row)
      existing
          .engines[std::string(block.columns[0].text(row)) + "." + std::string(block.columns[1].text(row))] =
          block.columns[2].text(row);
    return existing;
  }
  bool has(const std::string& quoted) const {
    auto [database, table] = name_parts(quoted);
    return engines.contains(database + "." + table);
  }
};

// Column by column; true when something readers use goes away.
bool compare_columns(const std::vector<std::string>& before,
                     const std::vector<clickhouse::ColumnDescription>& after,
                     std::vector<std::string>& reasons) {
  bool breaking = false;
  std::map<std::string, std::string> types;
  for (const auto& column : after) types[column.name] = column.type;
  std::set<std::string> known;
  for (const auto& column : before) {
    size_t space = column.find(' ');
    std::string name = column.substr(0, space), type = column.substr(space + 1);
    known.insert(name);
    auto found = types.find(name);
    if (found == types.end()) {
      reasons.push_back("column " + name + " goes away");
      breaking = true;
    } else if (found->second != type) {
      reasons.push_back(fmt::format("column {}: {} -> {}", name, type, found->second));
      breaking = true;
    }
  }
  for (const auto& column : after)
    if (!known.contains(column.name))
      reasons.push_back(fmt::format("new column {} {}", column.name, column.type));
  return breaking;
}

Status read_cost(clickhouse::Client& client, const CompiledModel& model, PlanStep& step) {
  if (model.backfill_statement.empty()) return {};
  std::vector<std::string> names;
  for (const auto& table : model.fed_by) names.push_back(table.substr(7));
  Block block = TRY(
      client.query("SELECT sum(rows), sum(bytes_on_disk) FROM " + clickhouse::system_table(client, "parts") +
                       " WHERE active AND database = 'bronze' AND table IN {tables:Array(String)}",
                   {.raw_parameters = {{"tables", clickhouse::array_parameter(names)}}}));
  // What is only watched is not filled.
  if (block.rows() == 1 && !model.file.watch) {
    step.rows = block.columns[0].get<uint64_t>(0);
    step.bytes = block.columns[1].get<uint64_t>(0);
  }
  return {};
}

// What would be done to what there is; how many rows there are changes all the time and is no part of it.
void name_plan(Plan& plan, const CompiledModels& models, const ModelState& state) {
  std::string text;
  for (const auto& step : plan.steps) {
    const CompiledModel* model = models.find(step.model);
    text += fmt::format("{}\t{}\t{}\n", step.model, name(step.change),
                        model == nullptr ? "" : model->fingerprint);
  }
  for (const auto& record : state.records())
    text +=
        fmt::format("{}\t{}\t{}\t{}\n", record.model, record.fingerprint, record.generation, record.state);
  plan.id = fingerprint_of(text).substr(0, 12);
}

}  // namespace

const char* name(ChangeClass change) {
  switch (change) {
    case ChangeClass::created:
      return "new";
    case ChangeClass::breaking:
      return "breaking";
    case ChangeClass::forward_only:
      return "forward-only";
    case ChangeClass::repaired:
      return "repair";
    case ChangeClass::rebuilt:
      return "rebuilt";
    case ChangeClass::dropped:
      return "dropped";
  }
  return "";
}

void keep_dropped(Plan& plan) {
  std::erase_if(plan.steps, [](const PlanStep& step) {
    if (step.change != ChangeClass::dropped || !step.destructive) return false;
    log::warn("model {} is no longer in the project; `tidemark apply --yes` drops it", step.model);
    return true;
  });
}

bool Plan::destructive() const {
  return std::any_of(steps.begin(), steps.end(), [](const auto& step) { return step.destructive; });
}

Result<Plan> compute_plan(clickhouse::Client& client, const CompiledModels& models) {
  Plan plan;
  ModelState state = TRY(ModelState::load(client));
  Existing existing = TRY(Existing::load(client));
  for (const auto& model : models.models) {
    PlanStep step{.model = model.name, .kind = model.kind};
    const ModelRecord* active = state.active(model.name);
    if (active == nullptr) {
      bool unfinished = state.knows(model.name);
      step.change = unfinished ? ChangeClass::repaired : ChangeClass::created;
      if (unfinished)
        step.reasons.push_back(
            "not kept right all the time: an apply was cut short, or it was out of the project");
      if (!unfinished && existing.engines.contains(model.name))
        return fail(ErrorKind::conflict,
                    fmt::format("{} exists in the warehouse and was not made by this project ({})",
                                model.name, existing.engines.at(model.name)),
                    "rename the model's file, or drop that table if nothing needs it");
    } else if (active->fingerprint != model.fingerprint) {
      bool breaking = compare_columns(active->columns, model.columns, step.reasons);
      step.change = breaking ? ChangeClass::breaking : ChangeClass::forward_only;
      if (active->kind != name(model.kind))
        step.reasons.push_back(fmt::format("kind: {} -> {}", active->kind, name(model.kind)));
      if (step.reasons.empty()) step.reasons.push_back("new definition, same columns");
    } else {
      std::vector<std::string> parts = active->physical;
      parts.push_back(quote_table(model.file.database, model.file.name));
      for (const auto& part : parts)
        if (!existing.has(part)) step.reasons.push_back(part + " is missing");
      step.change = ChangeClass::repaired;
      bool rebuilding = std::any_of(state.records().begin(), state.records().end(), [&](const auto& record) {
        return record.model == model.name && record.fingerprint == model.fingerprint &&
               record.state == "building";
      });
      if (step.reasons.empty() && rebuilding) {
        step.reasons.push_back("a backfill of it was cut short");
        step.change = ChangeClass::rebuilt;
      }
      if (step.reasons.empty()) continue;
    }
    step.downstream = models.downstream_of(model.name);
    step.live.assign(model.live_reads.begin(), model.live_reads.end());
    step.joined_at_read = model.joined_at_read;
    TRY_VOID(read_cost(client, model, step));
    plan.steps.push_back(std::move(step));
  }
  std::set<std::string> gone;
  for (const auto& record : state.records()) {
    if (record.state == "dropped" || models.find(record.model) != nullptr ||
        !gone.insert(record.model).second)
      continue;
    bool own = record.model.starts_with(std::string(config::own_models_database) + ".");
    PlanStep step{.model = record.model, .change = ChangeClass::dropped, .destructive = !own};
    if (record.kind == "incremental") step.kind = ModelKind::incremental;
    if (record.kind == "keyed") step.kind = ModelKind::keyed;
    if (record.kind == "refresh") step.kind = ModelKind::refresh;
    step.reasons.push_back(own ? "no segment asks for it any more" : "no longer in the project");
    plan.steps.push_back(std::move(step));
  }
  name_plan(plan, models, state);
  return plan;
}

namespace {

Status check_partitions(clickhouse::Client& client, const CompiledModel& model,
                        const std::vector<std::string>& partitions) {
  if (model.kind != ModelKind::incremental || model.file.partition_by.empty())
    return fail(ErrorKind::refused,
                fmt::format("{} is not an incremental model with partition_by, so it is rebuilt as a whole",
                            model.name),
                "leave --partition out");
  auto [database, table] = name_parts(model.store);
  Block block = TRY(client.query(
      "SELECT DISTINCT partition FROM " + clickhouse::system_table(client, "parts") +
          " WHERE active AND database = {database:String} AND table = {table:String} ORDER BY partition DESC",
      {.parameters = {{"database", database}, {"table", table}}}));
  std::vector<std::string> known;
  for (size_t row = 0; row < block.rows(); ++row) known.emplace_back(block.columns[0].text(row));
  for (const auto& partition : partitions)
    if (std::find(known.begin(), known.end(), partition) == known.end())
      return fail(
          ErrorKind::config, fmt::format("{} has no partition {}", model.name, partition),
          known.empty()
              ? "it is empty"
              : fmt::format("its newest are {}",
                            joined({known.begin(), known.begin() + static_cast<ptrdiff_t>(
                                                                       std::min<size_t>(known.size(), 5))})));
  return {};
}

}  // namespace

Result<Plan> plan_rebuild(clickhouse::Client& client, const CompiledModels& models, const std::string& model,
                          const std::vector<std::string>& partitions) {
  const CompiledModel* found = models.find(model);
  if (found == nullptr)
    return fail(ErrorKind::config, fmt::format("{} is not a model of this project", model),
                "name it as database.model; `tidemark status` lists them");
  if (found->backfill_statement.empty())
    return fail(ErrorKind::refused,
                fmt::format("{} stores nothing: a view is computed when it is read", model));
  ModelState state = TRY(ModelState::load(client));
  const ModelRecord* active = state.active(model);
  if (active == nullptr || active->fingerprint != found->fingerprint)
    return fail(ErrorKind::refused,
                fmt::format("the definition of {} is not the one the warehouse has", model),
                "run: tidemark apply, which fills it from the beginning");
  Plan plan;
  PlanStep step{
      .model = model, .kind = found->kind, .change = ChangeClass::rebuilt, .partitions = partitions};
  if (!partitions.empty()) TRY_VOID(check_partitions(client, *found, partitions));
  step.reasons.push_back(partitions.empty() ? "filled anew beside the one there is"
                                            : "filled anew: partition " + joined(partitions));
  step.downstream = models.downstream_of(model);
  TRY_VOID(read_cost(client, *found, step));
  plan.steps.push_back(std::move(step));
  name_plan(plan, models, state);
  return plan;
}

Status stale_plan(const std::string& wanted, const Plan& plan) {
  return fail(
      ErrorKind::conflict,
      fmt::format("plan {} is not the plan any more: the project or the warehouse has changed since, and "
                  "the plan is {} now",
                  wanted, plan.empty() ? "empty" : plan.id),
      "look at `tidemark plan` again and apply what it prints");
}

}  // namespace tidemark::models
