// endpoints/*.sql over HTTP: GET /api/endpoints/<name>?<parameter>=<value>. Parameters are bound by
// ClickHouse
// ({name:Type}), never spliced; unknown, missing and out-of-bounds ones are refused here with the parameter's
// name.
//
//   format=json (default) | jsonl | csv | tsv | parquet | arrow
//   limit=, offset=        a part of the rows; "Link: <...>; rel=next" while there may be more (not of
//   parquet and
//                          arrow). The rows have an order when the SQL gives them one.
//
// An answer has an ETag (answer_tag.h), so who asks with If-None-Match is sent only what differs, mostly
// without a query, and the moment of which it is at least (Tidemark-As-Of, seconds since 1970). A client that
// hangs up ends its query.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/dashboard.h"
#include "http/server.h"
#include "serve/answer_tag.h"

namespace tidemark::serve {

// As of when an answer is, read before it is asked for.
struct AnswerTime {
  int64_t as_of_micros = 0;  // 0: nothing has come yet
  std::string version;       // DataVersions; empty: not to be told
};

http::Response answer_endpoint(const config::EndpointFile& endpoint, const http::Request& request,
                               clickhouse::ClientPool& pool, const AnswerTime& time,
                               AnswerCounters& counters);

}  // namespace tidemark::serve
