#include "cli/project_routes.h"

#include "cli/model_routes.h"
#include "cli/people_routes.h"
#include "cli/project_plan.h"
#include "cli/quarantine.h"
#include "cli/resync_routes.h"
#include "cli/settings_route.h"
#include "config/alert.h"
#include "config/destination.h"
#include "experiments/experiment_files.h"
#include "profiles/profile_files.h"

#include <algorithm>
#include <boost/json.hpp>

namespace tidemark::cli {

namespace json = boost::json;
using http::Request;
using http::Response;

namespace {

constexpr uint64_t quarantine_rows = 200;  // the newest; what a person looks through

json::object sections(const config::Project& project, LiveModels& models, LiveSegments& segments) {
  json::array people;
  for (const auto& one : profiles::load_profiles(project.root, true).definitions)
    people.push_back(json::string(one.name()));
  auto destinations = config::load_destinations(project.root);
  auto alerts = config::load_alerts(project);
  auto published = models.published();
  auto shown = std::count_if(published->models.begin(), published->models.end(),
                             [](const auto& model) { return !model.file.watch; });
  return {{"models", shown},
          {"segments", segments.definitions().definitions.size()},
          {"profiles", std::move(people)},
          {"experiments", experiments::load_experiments(project.root, true).experiments.size()},
          {"alerts", alerts ? alerts->size() : 0},
          {"destinations", destinations ? destinations->size() : 0}};
}

}  // namespace

void add_project_routes(http::Server& server, const config::Project& project, clickhouse::ClientPool& pool,
                        LiveModels& models, LiveSegments& segments, SourcePipelines& pipelines,
                        std::shared_ptr<const serve::Access> access) {
  server.route("GET", "/api/project", [&project, &models, &segments](const Request&) {
    return Response::json(json::serialize(
        json::object{{"project", project.name}, {"sections", sections(project, models, segments)}}));
  });
  server.route("GET", "/api/quarantine", [&pool](const Request&) {
    auto rows = quarantined_rows(*pool.lease(), quarantine_rows);
    if (!rows) return Response::problem(rows.error());
    return Response::json(json::serialize(json::object{{"quarantined", std::move(*rows)}}));
  });
  add_resync_routes(server, pipelines, access);
  add_model_routes(server, project.root, models, pool, std::move(access));
  add_people_routes(server, pool, project);
  add_plan_route(server, pool.endpoint(), project);
  add_settings_route(server, project);
}

}  // namespace tidemark::cli
