// People over HTTP (docs/PROFILES.md has the table of addresses): deleting them, ids that stay out, ids that
// are kept apart, receipts. All of it needs a token with the scope admin.
#pragma once

#include "cli/live_erasures.h"
#include "http/server.h"
#include "serve/access.h"

namespace tidemark::cli {

// All must outlive the server.
void add_profile_routes(http::Server& server, LiveErasures& erasures,
                        std::shared_ptr<const serve::Access> access);

}  // namespace tidemark::cli
