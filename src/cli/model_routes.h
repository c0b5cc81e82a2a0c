// GET /api/models: the deployed models with what they read, for the graph of the page. How each of them is
// comes with /api/status and its events.
#pragma once

#include "cli/live_models.h"
#include "http/server.h"

namespace tidemark::cli {

// `models` must outlive the server.
void add_model_routes(http::Server& server, LiveModels& models);

}  // namespace tidemark::cli
