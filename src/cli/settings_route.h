// GET /api/settings: the configuration that is in force, for reading. Nothing secret is in it: of tokens and
// write keys the names, of sources no addresses.
#pragma once

#include "config/project.h"
#include "http/server.h"

namespace tidemark::cli {

// `project` must outlive the server.
void add_settings_route(http::Server& server, const config::Project& project);

}  // namespace tidemark::cli
