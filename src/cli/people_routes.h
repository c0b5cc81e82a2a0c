// People as the page shows them: GET /api/profiles/<profiles>?like=&limit=, GET
// /api/profiles/<profiles>/<id>?events=. Reads only; profile_routes.h has what changes somebody.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "http/server.h"

namespace tidemark::cli {

// All must outlive the server.
void add_people_routes(http::Server& server, clickhouse::ClientPool& pool, const config::Project& project);

}  // namespace tidemark::cli
