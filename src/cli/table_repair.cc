#include "cli/table_repair.h"

#include "base/limits.h"
#include "cli/api_request.h"
#include "cli/model_change.h"
#include "cli/output.h"
#include "cli/project_models.h"

#include <algorithm>
#include <boost/json.hpp>
#include <thread>

namespace tidemark::cli {

namespace json = boost::json;

namespace {

std::string path_of(const std::string& table) {
  return fmt::format("/api/tables/{}/resync", percent_encode(table));
}

uint64_t number(const json::object& object, const char* key) {
  return object.at(key).to_number<uint64_t>();
}

}  // namespace

Result<std::vector<RepairedTable>> bring_back_tables(const Invocation& invocation,
                                                     const std::vector<std::string>& tables) {
  std::filesystem::path project = TRY(invocation.project_directory());
  std::vector<std::pair<std::string, uint64_t>> asked;
  for (const auto& table : tables)
    asked.emplace_back(table, number(TRY(tell_api(project, path_of(table))), "asked"));
  std::vector<RepairedTable> repaired;
  for (const auto& [table, request] : asked) {
    Progress progress("bringing back " + table, "rows", 0, Progress::mode_for(invocation.json));
    while (true) {
      json::object facts = TRY(ask_api(project, path_of(table)));
      RepairedTable one{.table = std::string(facts.at("table").as_string()),
                        .rows = number(facts, "rows"),
                        .missing = number(facts, "missing"),
                        .extra = number(facts, "extra"),
                        .different = number(facts, "different")};
      progress.set(one.repaired());
      if (number(facts, "answered") < request) {
        std::this_thread::sleep_for(limits::fence_poll_every);
        continue;
      }
      if (facts.at("state").as_string() == "failed")
        return fail(ErrorKind::refused,
                    fmt::format("{} could not be brought back: {}", one.table,
                                std::string(facts.at("error").as_string())),
                    "the table stays as it is; tidemark status says more");
      repaired.push_back(std::move(one));
      break;
    }
  }
  return repaired;
}

Result<std::vector<std::string>> refill_models(const Invocation& invocation, const config::Project& project,
                                               clickhouse::ClientPool& pool,
                                               const std::vector<RepairedTable>& tables,
                                               const ProjectParityOptions& options) {
  auto compilation = TRY(compile_project(*pool.lease(), project));
  if (!compilation.ok()) return fail(ErrorKind::config, compilation.errors.front().render());
  ProjectParityOptions these = options;
  these.only.clear();
  for (const auto& model : compilation.models.models)
    if (model.kind == models::ModelKind::incremental && !model.file.watch &&
        std::any_of(tables.begin(), tables.end(),
                    [&](const auto& one) { return model.tables_in_depth.contains(one.table); }))
      these.only.push_back(model.name);
  if (these.only.empty()) return std::vector<std::string>();
  auto parity = TRY(verify_project(project, pool, these));
  std::vector<std::string> refilled;
  for (const auto& model : parity.models) {
    if (model.different == 0 || model.moving || model.unrepeatable) continue;
    DeployRequest request;
    request.action = DeployRequest::Action::backfill;
    request.model = model.model;
    TRY(change_models(invocation, project, request));
    refilled.push_back(model.model);
  }
  return refilled;
}

std::string repair_text(const std::vector<RepairedTable>& tables, const std::vector<std::string>& models) {
  std::string text;
  for (const auto& one : tables)
    text += fmt::format("{}: {} rows compared, {} brought back ({} missing, {} extra, {} different)\n",
                        one.table, with_commas(one.rows), with_commas(one.repaired()),
                        with_commas(one.missing), with_commas(one.extra), with_commas(one.different));
  for (const auto& model : models)
    text += fmt::format("{}: did not hold what the table said, filled anew\n", model);
  return text;
}

}  // namespace tidemark::cli
