// Makes the bronze tables of a source, and sees that those which are there have the shape the source has now.
#pragma once

#include "clickhouse/client_pool.h"
#include "ingest/captured_table.h"

namespace tidemark::ingest {

// Errors: unsupported when a table has another shape; with `replace` it is dropped and made anew.
Status ensure_bronze(clickhouse::ClientPool& pool, const std::vector<CapturedTable>& tables, bool replace);

}  // namespace tidemark::ingest
