// Experiments over HTTP: GET /api/experiments, GET /api/experiments/<name>?at=&dimension=&series=.
//
// The list has the counters of now. A read-out asks the warehouse for seconds of work, so one is made at a
// time, and one that was made for the same question in the last few seconds is given again.
#pragma once

#include "clickhouse/endpoint.h"
#include "http/server.h"

#include <filesystem>

namespace tidemark::serve {

// `project`: its folder; definitions are read when asked. `account` may make tables.
void add_experiment_routes(http::Server& server, std::filesystem::path project, clickhouse::Endpoint account);

}  // namespace tidemark::serve
