// GET /api/models: the deployed models with what they read, for the graph of the page. How each of them is
// comes with /api/status and its events.
// GET /api/models/<name>/origin?<column>=<value>: the rows of a model that have these values, and the
// mirrored rows they came from. It shows whatever was mirrored: with the scope read.
#pragma once

#include "cli/live_models.h"
#include "clickhouse/client_pool.h"
#include "http/server.h"
#include "serve/access.h"

#include <filesystem>
#include <memory>

namespace tidemark::cli {

// `models` and `pool` must outlive the server. `root`: the project's directory.
void add_model_routes(http::Server& server, const std::filesystem::path& root, LiveModels& models,
                      clickhouse::ClientPool& pool, std::shared_ptr<const serve::Access> access);

}  // namespace tidemark::cli
