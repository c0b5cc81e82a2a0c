// tidemark verify: the proof, printed.
#include "cli/output.h"
#include "cli/project_parity.h"
#include "cli/refresh_request.h"
#include "cli/running_instance.h"
#include "cli/table_repair.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {
namespace {

constexpr size_t verify_connections = 2;

// Tables that differ are brought back, models that differ all the same are filled anew; then everything is
// compared again.
Result<ProjectParity> repair(const Invocation& invocation, const config::Project& project,
                             clickhouse::ClientPool& pool, const ProjectParityOptions& options,
                             ProjectParity parity) {
  std::vector<std::string> tables;
  for (const auto& table : parity.tables) {
    if (table.equal()) continue;
    tables.push_back(table.table);
    for (const auto& example : table.examples) print_err(fmt::format("{} {}\n", table.table, example));
  }
  if (tables.empty()) return parity;
  auto repaired = TRY(bring_back_tables(invocation, tables));
  auto models = TRY(refill_models(invocation, project, pool, repaired, options));
  print_err(repair_text(repaired, models));
  return verify_project(project, pool, options);
}

}  // namespace

Run add_verify(CLI::App& command) {
  auto only = std::make_shared<std::vector<std::string>>();
  auto timeout_s = std::make_shared<int>(60);
  command.add_option("names", *only, "tables and models; default: all");
  command.add_option("--timeout", *timeout_s, "seconds to wait until the stream reaches the snapshot (60)")
      ->check(CLI::Range(1, 86'400));
  auto repairs = std::make_shared<bool>(false);
  command.add_flag("--repair", *repairs,
                   "bring rows that differ back from the source, then compare again; the project must run");
  return [only, timeout_s, repairs](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    auto running = running_instance(project.root);
    // Fails here, with the remedy, when nothing would move the stream to the snapshot.
    if (!running && (*repairs || !project.sources.empty())) return fail(std::move(running.error()));
    auto warehouse = TRY(WarehouseAccess::open(
        project, running ? WarehouseAccess::Start::never : WarehouseAccess::Start::allowed));
    clickhouse::ClientPool pool(warehouse.endpoint(clickhouse::Account::tidemark), verify_connections);
    ProjectParityOptions options{.only = *only,
                                 .fence_timeout = std::chrono::seconds(*timeout_s),
                                 .running = running.has_value(),
                                 .progress = Progress::mode_for(invocation.json),
                                 .refresh = {}};
    if (running)
      options.refresh = [&](const std::string& model) -> Status {
        TRY(await_refresh(*running, TRY(ask_refresh(*running, model))));
        return {};
      };
    auto parity = TRY(verify_project(project, pool, options));
    if (*repairs && !parity.ok()) parity = TRY(repair(invocation, project, pool, options, std::move(parity)));
    print_out(invocation.json ? parity.to_json() : parity.to_text());
    return parity.ok() ? ExitCode::ok : ExitCode::verify_failed;
  };
}

}  // namespace tidemark::cli
