// tidemark apply: makes the warehouse's models those of the project, while it runs or when it does not.
#include "cli/model_change.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/reader_roles.h"
#include "cli/warehouse_access.h"
#include "models/audits.h"
#include "models/compiler.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_apply(CLI::App& command) {
  auto request = std::make_shared<DeployRequest>();
  command.add_flag("--yes", request->destructive, "also drop models that are no longer in the project");
  command.add_option("--plan", request->plan,
                     "only if the plan is still this one (`tidemark plan` prints it)");
  return [request](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    ModelChange change = TRY(change_models(invocation, project, *request));
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    auto roles = TRY(plan_reader_roles(client, project));
    TRY_VOID(apply_reader_roles(client, project, roles));
    auto compilation = TRY(compile_project(client, project));
    auto audits = TRY(models::run_audits(client, compilation.models, project.audits));
    bool passed = true;
    for (const auto& audit : audits) {
      if (audit.passed()) continue;
      passed &= !audit.fails();
      print_err(fmt::format("audit {} of {} ({}) failed for {} rows{}{}\n", audit.audit, audit.model,
                            config::name(audit.severity), audit.failing, audit.error,
                            audit.examples.empty() ? "" : ", for example " + audit.examples.front()));
    }
    print_out(invocation.json ? with_roles(change.plan_json, roles) + "\n"
                              : change.plan_text + role_text(roles));
    return passed ? ExitCode::ok : ExitCode::verify_failed;
  };
}

}  // namespace tidemark::cli
