// What stands between the project's models as they are on disk and those of the warehouse: what `tidemark
// plan` prints and GET /api/plan answers.
#pragma once

#include "clickhouse/client.h"
#include "config/project.h"
#include "http/server.h"
#include "models/plan.h"

namespace tidemark::cli {

// Errors: config with all mistakes of the models; those of the server.
Result<models::Plan> plan_of(clickhouse::Client& client, const config::Project& project);

// GET /api/plan: the plan with its text, of the files as they are now. One is made at a time. `account` may
// look at everything; `project` must outlive the server.
void add_plan_route(http::Server& server, const clickhouse::Endpoint& account,
                    const config::Project& project);

}  // namespace tidemark::cli
