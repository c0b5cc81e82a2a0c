// POST /api/sql {"sql": "..."}: a query of the page's SQL console, through the read-only account, with the
// bounds of tiles and a limit on its rows. The answer is that of a tile (meta, data, rows) with `limit` - a
// result of as many rows may have had more - and `seconds`. What it may see is more than dashboards show, so
// the caller needs a token.
#pragma once

#include "clickhouse/client_pool.h"
#include "http/server.h"

#include <functional>
#include <optional>

namespace tidemark::serve {

// `refuse`: nothing when the request may ask. `pool` must outlive the server.
void add_sql_route(http::Server& server, clickhouse::ClientPool& pool,
                   std::function<std::optional<http::Response>(const http::Request&)> refuse);

}  // namespace tidemark::serve
