// What the holder of a signed link (shared_link.h) can ask: the page /shared/{token}, and below
// /api/shared/{token} the document, the live stream and the tiles of its dashboard - the same handlers as
// everybody's, with the fixed filters put into the request. A request that names a fixed filter is refused,
// not corrected.
#pragma once

#include "config/dashboard.h"
#include "http/server.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

namespace tidemark::serve {

// Handlers of the dashboards' own routes; they look at {name}, {tile} and the query.
struct DashboardHandlers {
  http::Handler filters, tile;
  http::StreamHandler live;
};

// `dashboards` outlive the server.
void add_shared_routes(http::Server& server, const std::filesystem::path& project_directory,
                       const std::vector<config::Dashboard>& dashboards, DashboardHandlers handlers);

}  // namespace tidemark::serve
