#include "cli/project_plan.h"

#include "cli/project_models.h"
#include "clickhouse/schema.h"
#include "models/compiler.h"
#include "models/lookups.h"

#include <boost/json.hpp>
#include <memory>
#include <mutex>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using http::Response;

// Before the first `up` there are no mirrored tables, so nothing can be type-checked yet; all models are new.
models::Plan first_plan(const config::Project& project) {
  models::Plan plan;
  for (const auto& file : project.models) {
    models::PlanStep step{.model = file.full_name()};
    if (file.kind == "incremental") step.kind = models::ModelKind::incremental;
    if (file.kind == "keyed") step.kind = models::ModelKind::keyed;
    if (file.kind == "refresh") step.kind = models::ModelKind::refresh;
    step.reasons.emplace_back("made by the first `tidemark up`, which mirrors the tables it reads");
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

Response answer(const clickhouse::Endpoint& account, const std::filesystem::path& root) {
  config::LoadedProject loaded = config::load_project(root);
  if (!loaded.ok())
    return Response::problem(409, "mistakes in the project", config::render(loaded.errors),
                             "`tidemark check` tells them, too");
  clickhouse::Client client(account);
  auto plan = plan_of(client, loaded.project);
  if (!plan && plan.error().kind == ErrorKind::config)
    return Response::problem(409, "mistakes in the models", plan.error().message, plan.error().remedy);
  if (!plan) return Response::problem(plan.error());
  json::object document = json::parse(plan->to_json()).as_object();
  document["text"] = plan->to_text();
  return Response::json(json::serialize(document));
}

}  // namespace

Result<models::Plan> plan_of(clickhouse::Client& client, const config::Project& project) {
  if (!TRY(clickhouse::database_exists(client, "bronze"))) return first_plan(project);
  auto mistakes = TRY(models::prepare_lookups(client, project, models::LookupChanges::missing));
  if (!mistakes.empty()) return fail(ErrorKind::config, config::render(mistakes));
  auto compilation = TRY(compile_project(client, project));
  if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
  return models::compute_plan(client, compilation.models);
}

void add_plan_route(http::Server& server, const clickhouse::Endpoint& account,
                    const config::Project& project) {
  auto one = std::make_shared<std::mutex>();
  server.route("GET", "/api/plan", [account, one, &project](const http::Request&) {
    std::unique_lock lock(*one, std::try_to_lock);
    if (!lock.owns_lock())
      return Response::problem(503, "busy", "a plan is being made", "ask again in a few seconds");
    return answer(account, project.root);
  });
}

}  // namespace tidemark::cli
