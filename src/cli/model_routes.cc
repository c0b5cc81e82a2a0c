#include "cli/model_routes.h"

#include "cli/origin_document.h"
#include "clickhouse/cancellation.h"
#include "config/model_owner.h"
#include "models/row_origin.h"

#include <boost/json.hpp>

namespace tidemark::cli {

namespace json = boost::json;

namespace {

json::object described(const models::CompiledModel& model, const std::filesystem::path& root) {
  json::array columns;
  for (const auto& column : model.columns)
    columns.push_back(json::object{{"name", column.name}, {"type", column.type}});
  json::array audits;
  for (const auto& audit : model.file.audits) audits.push_back(json::string(audit.call));
  return {{"model", model.name},
          {"kind", models::name(model.kind)},
          {"description", model.file.description},
          {"owner", config::model_owner(root, model.file.file)},
          {"file", model.file.file.string()},
          {"tables", json::value_from(model.tables)},
          {"models", json::value_from(model.models)},
          {"columns", std::move(columns)},
          {"audits", std::move(audits)},
          {"sql", model.file.sql}};
}

constexpr size_t origin_rows = 20;  // of each table, the newest

Result<http::Response> origin(const http::Request& request, LiveModels& models,
                              clickhouse::ClientPool& pool) {
  auto published = models.published();
  const std::string& name = request.path_parameters.at("name");
  for (const auto& model : published->models) {
    if (model.name != name || model.file.watch) continue;
    if (request.query.empty())
      return fail(
          ErrorKind::usage, "no column is given",
          "name the row by its columns: ?" + (model.columns.empty() ? "id" : model.columns[0].name) + "=...");
    std::string condition = TRY(models::condition_of_row(model, request.query));
    const clickhouse::CancellationScope while_wanted(request.gone);
    auto found = TRY(models::row_origin(*pool.lease(), *published, model, condition, origin_rows));
    return http::Response::json(json::serialize(origin_object(found)));
  }
  return http::Response::problem(404, "not found", "there is no model of that name",
                                 "/api/models lists them");
}

}  // namespace

void add_model_routes(http::Server& server, const std::filesystem::path& root, LiveModels& models,
                      clickhouse::ClientPool& pool, std::shared_ptr<const serve::Access> access) {
  server.route("GET", "/api/models/{name}/origin", [&models, &pool, access](const http::Request& request) {
    if (auto refused = access->refuse(request, "read")) return *refused;
    auto response = origin(request, models, pool);
    return response ? std::move(*response) : http::Response::problem(response.error());
  });
  server.route("GET", "/api/models", [&models, root](const http::Request&) {
    json::array list;
    // Models that are only watched are the program's own.
    for (const auto& model : models.published()->models)
      if (!model.file.watch) list.push_back(described(model, root));
    return http::Response::json(json::serialize(json::object{{"models", std::move(list)}}));
  });
}

}  // namespace tidemark::cli
