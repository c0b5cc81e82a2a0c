// POST and GET /api/tables/{name}/resync: a table is brought back by parity, and how far that is. POST
// /api/tables/{name}/quarantine/drop: its rows that did not fit are forgotten.
#pragma once

#include "cli/source_pipelines.h"
#include "http/server.h"
#include "serve/access.h"

#include <memory>

namespace tidemark::cli {

// All must outlive the server.
void add_resync_routes(http::Server& server, SourcePipelines& pipelines,
                       std::shared_ptr<const serve::Access> access);

}  // namespace tidemark::cli
