// tidemark refresh: runs refresh models now. Through the process that runs the project, when one does, so
// that a run never meets another one; otherwise here.
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/project_models.h"
#include "cli/refresh_request.h"
#include "cli/running_instance.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "models/compiler.h"
#include "models/refresh_run.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

constexpr size_t refresh_connections = 3;  // the INSERT, what watches it, one to spare

Result<std::vector<RefreshAnswer>> run_here(const config::Project& project,
                                            const std::vector<std::string>& names) {
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::ClientPool pool(warehouse.endpoint(clickhouse::Account::tidemark), refresh_connections);
  auto compilation = TRY(compile_project(*pool.lease(), project));
  if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
  TRY_VOID(models::prepare_refresh_facts(*pool.lease()));
  std::vector<RefreshAnswer> answers;
  const std::atomic<bool> never_stop{false};
  for (const auto& model : compilation.models.models) {
    if (std::find(names.begin(), names.end(), model.name) == names.end()) continue;
    auto run = TRY(models::run_refresh(pool, model, {}, system_clock(), never_stop));
    answers.push_back(
        {.model = model.name, .rows = run.rows, .bytes = run.bytes, .as_of_micros = run.started_at});
  }
  return answers;
}

// As given, or all. Errors: config for a name that is no refresh model.
Result<std::vector<std::string>> chosen(const config::Project& project,
                                        const std::vector<std::string>& asked) {
  std::vector<std::string> all;
  for (const auto& model : project.models)
    if (model.kind == "refresh") all.push_back(model.full_name());
  if (all.empty())
    return fail(ErrorKind::config, "the project has no refresh model",
                "models of other kinds are always up to date");
  for (const auto& name : asked)
    if (std::find(all.begin(), all.end(), name) == all.end())
      return fail(ErrorKind::config,
                  fmt::format("there is no refresh model {}{}", name, config::did_you_mean(name, all)),
                  "models of other kinds are always up to date");
  return asked.empty() ? all : asked;
}

}  // namespace

Run add_refresh(CLI::App& command) {
  auto asked = std::make_shared<std::vector<std::string>>();
  command.add_option("models", *asked, "refresh models; default: all");
  return [asked](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    std::vector<std::string> names = TRY(chosen(project, *asked));
    std::vector<RefreshAnswer> answers;
    if (auto running = running_instance(project.root)) {
      // All are asked for before any is waited for: the scheduler knows their order.
      std::vector<RefreshTicket> tickets;
      for (const auto& name : names) tickets.push_back(TRY(ask_refresh(*running, name)));
      for (const auto& ticket : tickets) answers.push_back(TRY(await_refresh(*running, ticket)));
    } else {
      answers = TRY(run_here(project, names));
    }
    boost::json::array list;
    Table table({{"model"}, {"rows", Align::right}, {"bytes", Align::right}});
    for (const auto& answer : answers) {
      list.push_back(boost::json::object{{"model", answer.model},
                                         {"rows", answer.rows},
                                         {"bytes", answer.bytes},
                                         {"as_of_ms", answer.as_of_micros / 1000}});
      table.add({answer.model, with_commas(answer.rows), with_commas(answer.bytes)});
    }
    print_out(invocation.json ? boost::json::serialize(boost::json::object{{"models", list}}) + "\n"
                              : table.render(table_style()));
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
