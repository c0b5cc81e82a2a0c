#include "cli/settings_route.h"

#include "config/webhook_source.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

json::object warehouse(const config::Project& project) {
  if (const auto* embedded = project.warehouse.embedded())
    return {{"mode", "embedded"},
            {"data", embedded->data.string()},
            {"http_port", embedded->http_port},
            {"tcp_port", embedded->tcp_port}};
  const auto& remote = *project.warehouse.remote();
  return {{"mode", "remote"}, {"url", remote.url}, {"user", remote.user}, {"cluster", remote.cluster}};
}

json::object source(const std::string& name, const char* kind, const std::vector<std::string>& tables) {
  return {{"source", name}, {"kind", kind}, {"tables", json::value_from(tables)}};
}

json::array sources(const config::Project& project) {
  json::array list;
  for (const auto& one : project.sources) {
    bool streams = one.mode == config::PostgresSource::Mode::cdc;
    json::object entry = source(one.name, streams ? "postgres, stream" : "postgres, batch", one.tables);
    if (streams) {
      entry["slot"] = one.slot;
      entry["publication"] = one.publication;
    }
    list.push_back(std::move(entry));
  }
  for (const auto& one : project.kafka_sources) {
    json::object entry = source(one.name, "kafka", one.topics);
    entry["group"] = one.group;
    list.push_back(std::move(entry));
  }
  for (const auto& one : project.event_sources) {
    json::object entry = source(one.name, "events", {});
    json::array& tables = entry["tables"].emplace_array();
    tables.push_back(json::string(one.table));
    for (const auto& table : one.tables) tables.push_back(json::string(table.table));
    json::array keys;
    for (const auto& key : one.write_keys) keys.push_back(json::string(key.name));
    entry["write_keys"] = std::move(keys);
    list.push_back(std::move(entry));
  }
  if (auto webhooks = config::load_webhook_sources(project.root))
    for (const auto& one : *webhooks) {
      json::object entry = source(one.events.name, one.called ? "webhook" : "pull", {one.events.table});
      if (one.called) entry["path"] = one.path();
      for (const auto& table : one.events.tables)
        entry["tables"].as_array().push_back(json::string(table.table));
      if (one.pull) {
        entry["pull"] = json::object{{"from", config::name(one.pull->from)},
                                     {"url", one.pull->url},
                                     {"every_s", one.pull->every_s},
                                     {"streams", json::value_from(one.pull->streams)}};
      }
      list.push_back(std::move(entry));
    }
  for (const auto& one : project.insert_tables) {
    json::object entry = source(one.source, "inserts", {});
    entry["tables"].emplace_array().push_back(json::string(one.full_name()));
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

void add_settings_route(http::Server& server, const config::Project& project) {
  server.route("GET", "/api/settings", [&project](const http::Request&) {
    json::array tokens, endpoints;
    for (const auto& token : project.tokens)
      tokens.push_back(json::object{{"name", token.name}, {"scopes", json::value_from(token.scopes)}});
    for (const auto& endpoint : project.endpoints)
      endpoints.push_back(json::object{{"endpoint", endpoint.name}, {"description", endpoint.description}});
    return http::Response::json(
        json::serialize(json::object{{"project", project.name},
                                     {"directory", project.root.string()},
                                     {"listen", fmt::format("{}:{}", project.http.host, project.http.port)},
                                     {"warehouse", warehouse(project)},
                                     {"sources", sources(project)},
                                     {"tokens", std::move(tokens)},
                                     {"endpoints", std::move(endpoints)}}));
  });
}

}  // namespace tidemark::cli
