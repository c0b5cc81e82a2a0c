// What the page asks of a running project beside dashboards: GET /api/project - what there is of what, so
// that the navigation offers no empty rooms -, and the routes of its models, people,
// quarantine, plan and settings.
#pragma once

#include "cli/live_models.h"
#include "cli/live_segments.h"
#include "cli/source_pipelines.h"
#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "http/server.h"
#include "serve/access.h"

namespace tidemark::cli {

// All must outlive the server.
void add_project_routes(http::Server& server, const config::Project& project, clickhouse::ClientPool& pool,
                        LiveModels& models, LiveSegments& segments, SourcePipelines& pipelines,
                        std::shared_ptr<const serve::Access> access);

}  // namespace tidemark::cli
