#include "cli/resync_routes.h"

#include <boost/json.hpp>

namespace tidemark::cli {

namespace json = boost::json;
using http::Request;
using http::Response;

namespace {

json::object described(const ingest::ParityRecord& record) {
  return {{"table", "bronze." + record.table},
          {"asked", record.asked},
          {"answered", record.answered},
          {"state", record.state},
          {"rows", record.rows},
          {"missing", record.missing},
          {"extra", record.extra},
          {"different", record.different},
          {"error", record.error}};
}

}  // namespace

void add_resync_routes(http::Server& server, SourcePipelines& pipelines,
                       std::shared_ptr<const serve::Access> access) {
  server.route("POST", "/api/tables/{name}/resync", [&pipelines, access](const Request& request) {
    if (auto refused = access->refuse(request, "admin")) return *refused;
    auto asked = pipelines.resync(request.path_parameters.at("name"));
    if (!asked && asked.error().kind == ErrorKind::config)
      return Response::problem(404, "not found", asked.error().message, asked.error().remedy);
    if (!asked) return Response::problem(asked.error());
    return Response::json(json::serialize(json::object{{"asked", *asked}}), 202);
  });
  server.route("GET", "/api/tables/{name}/resync", [&pipelines, access](const Request& request) {
    if (auto refused = access->refuse(request, "read")) return *refused;
    auto record = pipelines.parity(request.path_parameters.at("name"));
    if (!record) return Response::problem(404, "not found", "nobody asked to bring this table back");
    return Response::json(json::serialize(described(*record)));
  });
  server.route("POST", "/api/tables/{name}/quarantine/drop", [&pipelines, access](const Request& request) {
    if (auto refused = access->refuse(request, "admin")) return *refused;
    auto dropped = pipelines.drop_quarantined(request.path_parameters.at("name"));
    if (!dropped && dropped.error().kind == ErrorKind::config)
      return Response::problem(404, "not found", dropped.error().message, dropped.error().remedy);
    if (!dropped) return Response::problem(dropped.error());
    return Response::json(json::serialize(json::object{{"dropped", *dropped}}));
  });
}

}  // namespace tidemark::cli
