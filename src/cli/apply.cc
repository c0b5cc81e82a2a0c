// tidemark apply: makes the warehouse's models those of the project.
#include "cli/output.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "ingest/state_store.h"
#include "models/audits.h"
#include "models/compiler.h"
#include "models/lookups.h"
#include "models/plan.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_apply(CLI::App& command) {
  auto yes = std::make_shared<bool>(false);
  command.add_flag("--yes", *yes, "also drop models that are no longer in the project");
  return [yes](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    if (!TRY(clickhouse::database_exists(client, "bronze")))
      return fail(ErrorKind::refused, "nothing is mirrored yet, so there is nothing to build models on",
                  "run `tidemark up`; its first start makes all models");
    auto mistakes = TRY(models::prepare_lookups(client, project, models::LookupChanges::all));
    if (!mistakes.empty()) return fail(ErrorKind::config, config::render(mistakes));
    auto compilation = TRY(models::compile(client, project.models));
    if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
    models::Plan plan = TRY(models::compute_plan(client, compilation.models));
    for (const auto& step : plan.steps) {
      // Rows that a cut brings during a backfill would be counted twice; only views can change under way.
      if (step.kind == models::ModelKind::view || warehouse.owner_pid() == 0) continue;
      return fail(
          ErrorKind::conflict,
          fmt::format("{} needs its store built or dropped, and `tidemark up` (process {}) is writing to it",
                      step.model, warehouse.owner_pid()),
          "stop `tidemark up` and run `tidemark apply`, or start it again: it applies new and changed "
          "models before it captures");
    }
    bool fills = std::any_of(plan.steps.begin(), plan.steps.end(),
                             [](const auto& step) { return step.kind != models::ModelKind::view; });
    if (fills && TRY(ingest::cut_is_interrupted(client)))
      return fail(ErrorKind::conflict,
                  "`tidemark up` was killed while it applied changes, and they would be counted twice",
                  "run `tidemark up`: it finishes them and then applies the models itself");
    models::ApplyOptions options{.allow_destructive = *yes};
    if (!invocation.json)
      options.progress = [](const models::ApplyProgress& progress) {
        print_err(
            fmt::format("[{}/{}] {} {}{}\n", progress.step, progress.steps, progress.phase, progress.model,
                        progress.phase == "backfill" ? fmt::format(", {} rows to read", progress.rows) : ""));
      };
    TRY_VOID(models::apply_plan(client, compilation.models, plan, options));
    auto audits = TRY(models::run_audits(client, compilation.models, project.audits));
    bool passed = true;
    for (const auto& audit : audits) {
      if (audit.passed()) continue;
      passed &= !audit.fails();
      print_err(fmt::format("audit {} of {} ({}) failed for {} rows{}{}\n", audit.audit, audit.model,
                            config::name(audit.severity), audit.failing, audit.error,
                            audit.examples.empty() ? "" : ", for example " + audit.examples.front()));
    }
    print_out(invocation.json ? plan.to_json() + "\n" : plan.to_text());
    return passed ? ExitCode::ok : ExitCode::verify_failed;
  };
}

}  // namespace tidemark::cli
