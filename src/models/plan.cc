#include "models/plan.h"

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
        TRY(client.query("SELECT database, name, engine FROM system.tables WHERE database NOT IN ('system', "
                         "'INFORMATION_SCHEMA', "
                         "'information_schema')"));
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
  for (const auto& table : model.tables_in_depth) names.push_back(table.substr(7));
  Block block =
      TRY(client.query("SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = "
                       "'bronze' AND table IN "
                       "{tables:Array(String)}",
                       {.raw_parameters = {{"tables", clickhouse::array_parameter(names)}}}));
  if (block.rows() == 1) {
    step.rows = block.columns[0].get<uint64_t>(0);
    step.bytes = block.columns[1].get<uint64_t>(0);
  }
  return {};
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
    case ChangeClass::dropped:
      return "dropped";
  }
  return "";
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
      if (step.reasons.empty()) continue;
      step.change = ChangeClass::repaired;
    }
    step.downstream = models.downstream_of(model.name);
    TRY_VOID(read_cost(client, model, step));
    plan.steps.push_back(std::move(step));
  }
  std::set<std::string> gone;
  for (const auto& record : state.records()) {
    if (record.state == "dropped" || models.find(record.model) != nullptr ||
        !gone.insert(record.model).second)
      continue;
    PlanStep step{.model = record.model, .change = ChangeClass::dropped, .destructive = true};
    if (record.kind == "incremental") step.kind = ModelKind::incremental;
    if (record.kind == "keyed") step.kind = ModelKind::keyed;
    step.reasons.push_back("no longer in the project");
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace tidemark::models
