// Segments and lists over HTTP (docs/SEGMENTS.md has the table of addresses). What changes something needs a
// token with the scope segments:write (serve/access.h). A definition that is wrong is answered 400 with all
// its mistakes and their places, and changes nothing.
#pragma once

#include "cli/live_segments.h"
#include "http/server.h"
#include "serve/access.h"

namespace tidemark::cli {

// All must outlive the server.
void add_segment_routes(http::Server& server, LiveSegments& segments, clickhouse::ClientPool& pool,
                        const config::Project& project, std::shared_ptr<const serve::Access> access);

}  // namespace tidemark::cli
