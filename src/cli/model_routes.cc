#include "cli/model_routes.h"

#include <boost/json.hpp>

namespace tidemark::cli {

namespace json = boost::json;

namespace {

json::object described(const models::CompiledModel& model) {
  json::array columns;
  for (const auto& column : model.columns)
    columns.push_back(json::object{{"name", column.name}, {"type", column.type}});
  json::array audits;
  for (const auto& audit : model.file.audits) audits.push_back(json::string(audit.call));
  return {{"model", model.name},
          {"kind", models::name(model.kind)},
          {"description", model.file.description},
          {"file", model.file.file.string()},
          {"tables", json::value_from(model.tables)},
          {"models", json::value_from(model.models)},
          {"columns", std::move(columns)},
          {"audits", std::move(audits)},
          {"sql", model.file.sql}};
}

}  // namespace

void add_model_routes(http::Server& server, LiveModels& models) {
  server.route("GET", "/api/models", [&models](const http::Request&) {
    json::array list;
    // Models that are only watched are the program's own.
    for (const auto& model : models.published()->models)
      if (!model.file.watch) list.push_back(described(model));
    return http::Response::json(json::serialize(json::object{{"models", std::move(list)}}));
  });
}

}  // namespace tidemark::cli
