// tidemark plan: what apply would do, and nothing done.
#include "models/plan.h"

#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "models/compiler.h"
#include "models/lookups.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {
namespace {

// Before the first `up` there are no mirrored tables, so nothing can be type-checked yet; all models are new.
models::Plan first_plan(const config::Project& project) {
  models::Plan plan;
  for (const auto& file : project.models) {
    models::PlanStep step{.model = file.full_name()};
    if (file.kind == "incremental") step.kind = models::ModelKind::incremental;
    if (file.kind == "keyed") step.kind = models::ModelKind::keyed;
    if (file.kind == "refresh") step.kind = models::ModelKind::refresh;
    step.reasons.push_back("made by the first `tidemark up`, which mirrors the tables it reads");
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace

Run add_plan(CLI::App&) {
  return [](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    models::Plan plan;
    if (!TRY(clickhouse::database_exists(client, "bronze"))) {
      plan = first_plan(project);
    } else {
      auto mistakes = TRY(models::prepare_lookups(client, project, models::LookupChanges::missing));
      if (!mistakes.empty()) return fail(ErrorKind::config, config::render(mistakes));
      auto compilation = TRY(compile_project(client, project));
      if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
      plan = TRY(models::compute_plan(client, compilation.models));
    }
    print_out(invocation.json ? plan.to_json() + "\n" : plan.to_text());
    return plan.empty() ? ExitCode::ok : ExitCode::plan_has_changes;
  };
}

}  // namespace tidemark::cli
