// tidemark audit: asks every audit, or those of some models, now and as a whole. Works beside a running
// project and without one.
#include "base/limits.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/project_models.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "models/audits.h"
#include "models/compiler.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

std::string as_json(const std::vector<models::AuditResult>& results, bool ok) {
  json::array list;
  for (const auto& result : results) {
    json::object entry{{"model", result.model},
                       {"audit", result.audit},
                       {"severity", config::name(result.severity)},
                       {"failing", result.failing},
                       {"examples", json::value_from(result.examples)}};
    if (!result.error.empty()) entry["error"] = result.error;
    list.push_back(std::move(entry));
  }
  return json::serialize(json::object{{"ok", ok}, {"audits", std::move(list)}}) + "\n";
}

std::string as_text(const std::vector<models::AuditResult>& results) {
  Table table({{"model"}, {"audit"}, {"severity"}, {"failing", Align::right}});
  std::string failing;
  for (const auto& result : results) {
    table.add({result.model, result.audit, config::name(result.severity),
               result.error.empty() ? with_commas(result.failing) : "error"});
    if (result.passed()) continue;
    failing += fmt::format("\n{} of {}{}\n", result.audit, result.model,
                           result.error.empty() ? "" : ": " + result.error);
    for (const auto& example : result.examples) failing += "  " + example + "\n";
  }
  return table.render(table_style()) + failing;
}

// The names that were asked for; with a word about the nearest when there is none of that name.
Status check_names(const std::vector<std::string>& only, const config::Project& project,
                   const std::vector<models::Audit>& audits) {
  std::vector<std::string> known;
  for (const auto& file : project.models) known.push_back(file.full_name());
  for (const auto& audit : audits) known.push_back(audit.model);
  for (const auto& name : only)
    if (std::find(known.begin(), known.end(), name) == known.end())
      return fail(ErrorKind::config,
                  fmt::format("there is no model `{}`{}", name, config::did_you_mean(name, known)),
                  "name models as database.name, or a mirrored table that an audit speaks of");
  return {};
}

}  // namespace

Run add_audit(CLI::App& command) {
  auto only = std::make_shared<std::vector<std::string>>();
  command.add_option("models", *only, "models and mirrored tables; default: all");
  return [only](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    if (!TRY(clickhouse::database_exists(client, "bronze")))
      return fail(ErrorKind::refused, "nothing is mirrored yet, so there is nothing to audit",
                  "run `tidemark up`");
    auto compilation = TRY(compile_project(client, project));
    if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
    auto audits = TRY(models::define_audits(client, compilation.models, project.audits));
    TRY_VOID(check_names(*only, project, audits));
    if (!only->empty())
      std::erase_if(audits, [&](const auto& audit) {
        return std::find(only->begin(), only->end(), audit.model) == only->end();
      });
    Progress progress("audit", "audits", audits.size(), Progress::mode_for(invocation.json));
    std::vector<models::AuditResult> results;
    models::FenceWatch watch(client);
    bool ok = true;
    for (const auto& audit : audits) {
      results.push_back(TRY(models::run_audit_beside_cuts(client, watch, audit)));
      ok &= !results.back().fails();
      progress.set(results.size());
    }
    progress.finish();
    print_out(invocation.json ? as_json(results, ok) : as_text(results));
    return ok ? ExitCode::ok : ExitCode::verify_failed;
  };
}

}  // namespace tidemark::cli
