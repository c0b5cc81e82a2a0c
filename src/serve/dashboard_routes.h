// Dashboards over HTTP: their definitions, their live results, the values of their filters, the rows behind a
// row, and a tile's whole result as a file. All of them take the same choice of time, zone and filters
// (view_parameters.h).
//
//   GET /api/dashboards, /api/dashboards/<name>
//   GET /api/dashboards/<name>/live?time=&zone=&compare=&<filter>=      server-sent events
//   GET /api/dashboards/<name>/filters {"filters":[{"name","values":[[value,title]]}]} GET
//   /api/dashboards/<name>/tiles/<number>?format=&time=...           the result of a tile, in a format of
//   endpoints, with an ETag (answer_tag.h)
//   GET /api/dashboards/<name>/tiles/<number>/rows?row.<column>=...      what `drill` of the tile asks for
//
// Who hangs up ends the query.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/dashboard.h"
#include "http/server.h"
#include "serve/live_dashboards.h"
#include "serve/query_endpoints.h"

#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::serve {

// What is referred to outlives the server.
struct DashboardParts {
  const std::string& project;
  const std::filesystem::path& directory;  // whose key signs links (shared_routes.h); empty: there are none
  const std::vector<config::Dashboard>& dashboards;
  LiveDashboards& live;
  clickhouse::ClientPool& pool;
  std::function<AnswerTime(const std::string& sql)> time;
  AnswerCounters& answers;
};
void add_dashboard_routes(http::Server& server, DashboardParts parts);

}  // namespace tidemark::serve
