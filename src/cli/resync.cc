// tidemark resync: tables are brought back by parity with their source, while everything goes on.
#include "cli/output.h"
#include "cli/running_instance.h"
#include "cli/table_repair.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace json = boost::json;

constexpr size_t resync_connections = 2;

Result<ExitCode> resync_tables(const Invocation& invocation, const std::vector<std::string>& tables) {
  config::Project project = TRY(invocation.load_project());
  TRY(running_instance(project.root));
  auto repaired = TRY(bring_back_tables(invocation, tables));
  auto warehouse = TRY(WarehouseAccess::open(project, WarehouseAccess::Start::never));
  clickhouse::ClientPool pool(warehouse.endpoint(clickhouse::Account::tidemark), resync_connections);
  auto models = TRY(refill_models(
      invocation, project, pool, repaired,
      {.only = {}, .running = true, .progress = Progress::mode_for(invocation.json), .refresh = {}}));
  json::array list;
  for (const auto& one : repaired)
    list.push_back(json::object{{"table", one.table},
                                {"rows", one.rows},
                                {"missing", one.missing},
                                {"extra", one.extra},
                                {"different", one.different}});
  print_out(invocation.json
                ? json::serialize(json::object{{"tables", list}, {"refilled", json::value_from(models)}}) +
                      "\n"
                : repair_text(repaired, models));
  return ExitCode::ok;
}

Run add_resync(CLI::App& command) {
  auto tables = std::make_shared<std::vector<std::string>>();
  command.add_option("tables", *tables, "mirrored tables")->required();
  return [tables](const Invocation& invocation) { return resync_tables(invocation, *tables); };
}

}  // namespace tidemark::cli
