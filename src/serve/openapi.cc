#include "serve/openapi.h"

#include "base/limits.h"
#include "serve/live_limits.h"
#include "serve/result_format.h"

#include <boost/json.hpp>

namespace tidemark::serve {

namespace json = boost::json;

namespace {

json::object content(const char* type, json::object schema) {
  return {{type, {{"schema", std::move(schema)}}}};
}

json::object operation(const char* identifier, const char* summary, const char* type,
                       json::object schema = {}) {
  return {{"get",
           {{"operationId", identifier},
            {"summary", summary},
            {"responses",
             {{"200", {{"description", "the answer"}, {"content", content(type, std::move(schema))}}},
              {"default", {{"$ref", "#/components/responses/Problem"}}}}}}}};
}

// Of answers with a tag (answer_tag.h).
void add_unchanged(json::object& path) {
  json::object& responses = path.at("get").at("responses").as_object();
  responses.at("200").as_object()["headers"] =
      json::object{{"ETag",
                    {{"description", "for If-None-Match: an answer that is the same is 304"},
                     {"schema", {{"type", "string"}}}}}};
  responses["304"] = json::object{{"description", "the answer is the one whose ETag was sent"}};
}

json::object with_name(json::object path, const char* what) {
  path["parameters"] = json::array{json::object{{"name", "name"},
                                                {"in", "path"},
                                                {"required", true},
                                                {"description", what},
                                                {"schema", {{"type", "string"}}}}};
  return path;
}

// One method of a path about something that has a name; others of the same path are kept.
void add_named(json::object& paths, const std::string& path, const char* method, const char* identifier,
               const char* summary, const char* what) {
  json::object described =
      with_name(operation(identifier, summary, "application/json", {{"type", "object"}}), what);
  json::object& whole = paths[path].is_object() ? paths[path].as_object() : paths[path].emplace_object();
  if (!whole.contains("parameters")) whole["parameters"] = described.at("parameters");
  json::object action = described.at("get").as_object();
  if (std::string_view(method) != "get")
    action["security"] = json::array{json::object{{"token", json::array{}}}};
  whole[method] = std::move(action);
}

// What is done to a running project: changed models, results made again, tables brought back.
void add_upkeep_paths(json::object& paths) {
  const json::object any = {{"type", "object"}};
  json::object deployment =
      operation("deployment", "the deployment that goes on, or the last one: steps and progress",
                "application/json", any);
  json::object deploy = deployment.at("get").as_object();
  deploy["operationId"] = "deploy";
  deploy["summary"] = "applies the models on disk, as `tidemark apply` does";
  deploy["security"] = json::array{json::object{{"token", json::array{}}}};
  deployment["post"] = std::move(deploy);
  paths["/api/deployment"] = std::move(deployment);
  const char* model = "the refresh model";
  add_named(paths, "/api/models/{name}/refresh", "get", "refreshes", "its last refreshes", model);
  add_named(paths, "/api/models/{name}/refresh", "post", "refresh", "makes its result now", model);
  const char* table = "the mirrored table";
  add_named(paths, "/api/tables/{name}/resync", "get", "resync_progress", "how far bringing it back is",
            table);
  add_named(paths, "/api/tables/{name}/resync", "post", "resync",
            "brings it back to what its source has, by parity", table);
  add_named(paths, "/api/tables/{name}/quarantine/drop", "post", "quarantine_drop",
            "forgets its rows that did not fit", table);
}

void add_notification_paths(json::object& paths) {
  const json::object any = {{"type", "object"}};
  paths["/api/destinations"] =
      operation("destinations", "where notifications go, and how that gets on", "application/json", any);
  paths["/api/deadletters"] = operation(
      "deadletters", "notifications that were given up (destination, limit)", "application/json", any);
  paths["/api/feeds/{name}"] = with_name(
      operation("feed", "notifications as server-sent events; id is seq, Last-Event-ID goes on behind it",
                "text/event-stream", {{"type", "string"}}),
      "a destination of kind sse");
  auto change = [&](const char* path, const char* identifier, const char* summary) {
    json::object described =
        with_name(operation(identifier, summary, "application/json", any), "the destination");
    described["post"] = described.at("get");
    described.erase("get");
    described.at("post").as_object()["security"] = json::array{json::object{{"token", json::array{}}}};
    paths[path] = std::move(described);
  };
  change("/api/destinations/{name}/test", "destination_test", "sends a test");
  change("/api/destinations/{name}/resume", "destination_resume",
         "ends being disabled; tries what waits now");
  change("/api/destinations/{name}/replay", "destination_replay",
         "sends settled notifications again (from, to)");
  change("/api/deadletters/{name}/retry", "deadletter_retry",
         "sends dead letters again (seq, or from and to)");
  change("/api/deadletters/{name}/drop", "deadletter_drop", "forgets dead letters (seq, or from and to)");
}

void add_experiment_paths(json::object& paths) {
  const json::object any = {{"type", "object"}};
  paths["/api/experiments"] = operation(
      "experiments", "experiments with units, sample ratio and multiple exposure", "application/json", any);
  json::object report = with_name(
      operation("experiment", "the read-out: values, lifts, intervals, what to do", "application/json", any),
      "the experiment");
  json::array asked;
  for (const auto& [name, what] :
       {std::pair{"at", "only what happened up to this instant, UTC"},
        std::pair{"dimension", "also by this dimension"}, std::pair{"series", "so many read-outs over time"}})
    asked.push_back(json::object{
        {"name", name}, {"in", "query"}, {"description", what}, {"schema", {{"type", "string"}}}});
  report["get"].as_object()["parameters"] = std::move(asked);
  paths["/api/experiments/{name}"] = std::move(report);
}

void add_segment_paths(json::object& paths) {
  const json::object any = {{"type", "object"}};
  auto add = [&](const std::string& path, const char* method, const char* identifier, const char* summary,
                 const char* what) { add_named(paths, path, method, identifier, summary, what); };
  paths["/api/segments"] =
      operation("segments", "segments, members, and definitions that are refused", "application/json", any);
  const char* segment = "the segment";
  add("/api/segments/{name}", "get", "segment", "one definition", segment);
  add("/api/segments/{name}", "put", "segment_save", "saves a definition, JSON or YAML", segment);
  add("/api/segments/{name}", "delete", "segment_delete", "deletes one that was saved here", segment);
  add("/api/segments/{name}/preview", "post", "segment_preview", "who would be in it, enter and leave",
      segment);
  add("/api/segments/{name}/members", "get", "segment_members",
      "members now or at an instant (at, limit, format)", segment);
  add("/api/segments/{name}/history", "get", "segment_history", "entries and exits (entity, limit)", segment);
  add("/api/segments/{name}/flows", "get", "segment_flows", "entries and exits by day", segment);
  add("/api/segments/{name}/explain", "get", "segment_explain", "why somebody is a member or not (entity)",
      segment);
  const char* list = "the list";
  add("/api/lists/{name}", "get", "list", "the keys of a list that is kept by hand", list);
  for (const char* action : {"append", "remove", "replace", "clear"})
    add(std::string("/api/lists/{name}/") + action, "post", (std::string("list_") + action).c_str(),
        "changes the list by the keys in the body, CSV (columns, header)", list);
}

void add_profile_paths(json::object& paths) {
  const json::object any = {{"type", "object"}};
  auto add = [&](const char* path, const char* method, const char* identifier, const char* summary,
                 std::initializer_list<std::pair<const char*, const char*>> names) {
    json::object action = operation(identifier, summary, "application/json", any).at("get").as_object();
    // Looking at people is open like all reading; at deletions of them it is not.
    if (std::string_view(method) != "get" || std::string_view(path).starts_with("/api/deletions"))
      action["security"] = json::array{json::object{{"token", json::array{}}}};
    json::array parameters;
    for (const auto& [name, what] : names)
      parameters.push_back(json::object{{"name", name},
                                        {"in", "path"},
                                        {"required", true},
                                        {"description", what},
                                        {"schema", {{"type", "string"}}}});
    json::object described{{method, std::move(action)}};
    if (!parameters.empty()) described["parameters"] = std::move(parameters);
    json::object& whole = paths[path].is_object() ? paths[path].as_object() : paths[path].emplace_object();
    for (auto& [key, value] : described) whole[key] = std::move(value);
  };
  std::pair<const char*, const char*> profiles{"profiles", "which: cdp.profiles"};
  std::pair<const char*, const char*> id{"id", "an id with its kind, or a profile_id"};
  add("/api/profiles/{profiles}", "get", "people",
      "who was seen last, or whose ids contain `like` (like, limit)", {profiles});
  add("/api/profiles/{profiles}/{id}", "get", "person",
      "a person's row, ids, events (the newest), rows and memberships", {profiles, id});
  add("/api/profiles/{profiles}/{id}", "delete", "profile_delete",
      "removes a person from every table (reason)", {profiles, id});
  add("/api/profiles/{profiles}/{id}/suppress", "post", "profile_suppress",
      "what is sent under the id is not kept any more", {profiles, id});
  add("/api/profiles/{profiles}/{id}/unsuppress", "post", "profile_unsuppress",
      "what is sent under the id is kept again", {profiles, id});
  add("/api/profiles/{profiles}/{id}/unmerge", "post", "profile_unmerge",
      "keeps the id and another one (other) apart", {profiles, id});
  add("/api/profiles/{profiles}/{id}/remerge", "post", "profile_remerge", "takes an unmerge back (other)",
      {profiles, id});
  add("/api/deletions", "get", "deletions", "deletions of people, with their receipts", {});
  add("/api/deletions/{number}", "get", "deletion", "how far one is, and its receipt",
      {{"number", "of the deletion"}});
}

// JSON Schema's type for one of ClickHouse's.
json::object schema_of(const config::EndpointParameter& parameter) {
  json::object schema;
  const std::string& type = parameter.type;
  if (type.find("Int") != std::string::npos)
    schema["type"] = "integer";
  else if (type.find("Float") != std::string::npos || type.find("Decimal") != std::string::npos)
    schema["type"] = "number";
  else
    schema["type"] = "string";
  if (parameter.minimum) schema["minimum"] = *parameter.minimum;
  if (parameter.maximum) schema["maximum"] = *parameter.maximum;
  if (parameter.default_value) schema["default"] = json::string(*parameter.default_value);
  return schema;
}

// What every endpoint takes beside its own parameters, unless it has one of that name.
void add_window(json::array& parameters, const config::EndpointFile& endpoint) {
  auto add = [&](const char* name, const char* what, json::object schema) {
    if (std::any_of(endpoint.parameters.begin(), endpoint.parameters.end(),
                    [&](const auto& parameter) { return parameter.name == name; }))
      return;
    parameters.push_back(
        json::object{{"name", name}, {"in", "query"}, {"description", what}, {"schema", std::move(schema)}});
  };
  json::array formats;
  for (auto name : format_list()) formats.push_back(json::string(name));
  add("format", "how the rows are written",
      {{"type", "string"}, {"enum", std::move(formats)}, {"default", "json"}});
  add("limit", "so many rows; the header Link says where the next ones are",
      {{"type", "integer"}, {"minimum", 1}, {"maximum", limits::endpoint_result_rows_max}});
  add("offset", "rows that are passed over",
      {{"type", "integer"}, {"minimum", 0}, {"maximum", limits::endpoint_offset_max}, {"default", 0}});
}

json::object in_query(const char* name, const char* what) {
  return {{"name", name}, {"in", "query"}, {"description", what}, {"schema", {{"type", "string"}}}};
}

void add_dashboard_paths(json::object& paths) {
  const json::object any = {{"type", "object"}};
  const char* dashboard = "the dashboard";
  auto chosen = [] {
    return json::array{
        in_query(
            "time",
            "a range: last 7 days, 2026-11-01..2026-11-07, all; filters of the dashboard by their names"),
        in_query("zone", "whose days: Europe/Berlin")};
  };
  paths["/api/dashboards"] =
      operation("dashboards", "all dashboards with their tiles", "application/json", any);
  paths["/api/dashboards/{name}"] =
      with_name(operation("dashboard", "one dashboard", "application/json", any), dashboard);
  json::object live = with_name(operation("dashboard_live",
                                          "its results as server-sent events: tile, refresh, status; "
                                          "Last-Event-ID or `after` goes on behind a refresh",
                                          "text/event-stream", {{"type", "string"}}),
                                dashboard);
  json::array parameters = chosen();
  parameters.push_back(in_query("compare", "1: the period before, too"));
  parameters.push_back(in_query("after", "id of the last refresh"));
  live["get"].as_object()["parameters"] = std::move(parameters);
  paths["/api/dashboards/{name}/live"] = std::move(live);
  paths["/api/dashboards/{name}/filters"] = with_name(
      operation("dashboard_filters", "the values of its filters", "application/json", any), dashboard);
  for (const auto& [path, identifier, summary] :
       {std::tuple{"/api/dashboards/{name}/tiles/{tile}", "tile", "the result of one tile (format)"},
        std::tuple{"/api/dashboards/{name}/tiles/{tile}/rows", "tile_rows",
                   "the rows behind a row of a tile (row.<column>)"}}) {
    json::object described = with_name(operation(identifier, summary, "application/json", any), dashboard);
    described["parameters"].as_array().push_back(json::object{{"name", "tile"},
                                                              {"in", "path"},
                                                              {"required", true},
                                                              {"description", "its number, from 0"},
                                                              {"schema", {{"type", "integer"}}}});
    described["get"].as_object()["parameters"] = chosen();
    if (std::string_view(identifier) == "tile") add_unchanged(described);
    paths[path] = std::move(described);
  }
  // Signed links: the token in the address is all that is asked for.
  const char* link = "of a signed link";
  auto shared = [&](const char* path, const char* identifier, const char* summary, const char* type) {
    json::object described = operation(identifier, summary, type, any);
    json::array parameters{json::object{{"name", "token"},
                                        {"in", "path"},
                                        {"required", true},
                                        {"description", link},
                                        {"schema", {{"type", "string"}}}}};
    if (std::string_view(path).ends_with("{tile}"))
      parameters.push_back(json::object{{"name", "tile"},
                                        {"in", "path"},
                                        {"required", true},
                                        {"description", "its number, from 0"},
                                        {"schema", {{"type", "integer"}}}});
    described["parameters"] = std::move(parameters);
    paths[path] = std::move(described);
  };
  shared("/api/shared/{token}", "shared", "the dashboard of a signed link, and what the link fixes",
         "application/json");
  shared("/api/shared/{token}/filters", "shared_filters", "values of the filters that are open",
         "application/json");
  shared("/api/shared/{token}/tiles/{tile}", "shared_tile", "the result of one tile (format)",
         "application/json");
  shared("/api/shared/{token}/live", "shared_live", "its results as server-sent events: tile, refresh",
         "text/event-stream");
}

}  // namespace

std::string openapi_document(const std::string& project, const std::vector<config::EndpointFile>& endpoints) {
  json::object paths;
  const json::object any = {{"type", "object"}};
  paths["/api/models"] = operation("models", "models with what they read", "application/json", any);
  json::object origin =
      with_name(operation("model_origin",
                          "rows of a model by values of its columns (column=value), and the "
                          "mirrored rows they came from (scope read)",
                          "application/json", any),
                "the model");
  origin["get"].as_object()["security"] = json::array{json::object{{"token", json::array{}}}};
  paths["/api/models/{name}/origin"] = std::move(origin);
  paths["/api/plan"] = operation("plan", "what the models on disk would change", "application/json", any);
  paths["/api/settings"] =
      operation("settings", "the configuration in force, without secrets", "application/json", any);
  paths["/api/quarantine"] =
      operation("quarantine", "rows of sources that did not fit, the newest", "application/json", any);
  paths["/api/sql"] = json::object{
      {"post", operation("sql", "a read-only query (scope read)", "application/json", any).at("get")}};
  paths["/api/status"] =
      operation("status", "sources, tables, models and warehouse", "application/json", any);
  paths["/api/project"] = operation(
      "project", "its name, and how many models, segments and experiments it has", "application/json", any);
  add_dashboard_paths(paths);
  paths["/api/events"] =
      operation("events", "cuts and the pipeline's state as server-sent events: cut, status",
                "text/event-stream", {{"type", "string"}});
  paths["/healthz"] = operation("alive", "200 while the process lives", "application/json", any);
  paths["/readyz"] =
      operation("ready", "200 when every source streams and the warehouse answers, else 503 with reasons",
                "application/json", any);
  paths["/metrics"] = operation("metrics", "Prometheus text format", "text/plain", {{"type", "string"}});
  paths["/api/alerts"] =
      operation("alerts", "alerts: condition, state, value, the newest values", "application/json", any);
  paths["/api/alerts/{name}/history"] =
      with_name(operation("alert_history", "what became of one: when it fired, and what was told",
                          "application/json", any),
                "the alert");
  add_upkeep_paths(paths);
  add_notification_paths(paths);
  add_segment_paths(paths);
  add_profile_paths(paths);
  add_experiment_paths(paths);
  for (const auto& endpoint : endpoints) {
    json::array parameters;
    for (const auto& parameter : endpoint.parameters)
      parameters.push_back(json::object{{"name", parameter.name},
                                        {"in", "query"},
                                        {"required", parameter.required},
                                        {"description", parameter.description + " (" + parameter.type + ")"},
                                        {"schema", schema_of(parameter)}});
    add_window(parameters, endpoint);
    json::object path =
        operation(("endpoint_" + endpoint.name).c_str(),
                  endpoint.description.empty() ? endpoint.name.c_str() : endpoint.description.c_str(),
                  "application/json", any);
    path["get"].as_object()["parameters"] = std::move(parameters);
    add_unchanged(path);
    paths["/api/endpoints/" + endpoint.name] = std::move(path);
  }
  const json::object problem = {{"type", "object"},
                                {"properties",
                                 {{"title", {{"type", "string"}}},
                                  {"status", {{"type", "integer"}}},
                                  {"detail", {{"type", "string"}}},
                                  {"remedy", {{"type", "string"}}}}}};
  return json::serialize(json::object{
      {"openapi", "3.1.0"},
      {"info", {{"title", "Tidemark: " + project}, {"version", "1"}}},
      {"paths", std::move(paths)},
      {"components",
       {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}},
        {"responses",
         {{"Problem",
           {{"description", "RFC 9457"}, {"content", content("application/problem+json", problem)}}}}}}}});
}

}  // namespace tidemark::serve
