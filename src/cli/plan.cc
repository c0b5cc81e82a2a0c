// tidemark plan: what apply would do, and nothing done.
#include "cli/output.h"
#include "cli/project_plan.h"
#include "cli/reader_roles.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_plan(CLI::App&) {
  return [](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    models::Plan plan = TRY(plan_of(client, project));
    auto roles = TRY(plan_reader_roles(client, project));
    print_out(invocation.json ? with_roles(plan.to_json(), roles) + "\n" : with_role_text(plan, roles));
    return plan.empty() && roles.empty() ? ExitCode::ok : ExitCode::plan_has_changes;
  };
}

}  // namespace tidemark::cli
