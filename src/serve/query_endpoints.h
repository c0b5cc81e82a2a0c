// endpoints/*.sql over HTTP: GET /api/endpoints/<name>?<parameter>=<value>. Parameters are bound by
// ClickHouse
// ({name:Type}), never spliced; unknown, missing and out-of-bounds ones are refused here with the parameter's
// name. format=json (default) | jsonl | csv | tsv.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/dashboard.h"
#include "http/server.h"

namespace tidemark::serve {

http::Response answer_endpoint(const config::EndpointFile& endpoint, const http::Request& request,
                               clickhouse::ClientPool& pool);

}  // namespace tidemark::serve
