// Proof that the mirror of a table that people write to holds what the table holds, by value. What was
// inserted a moment ago is on its way, so a comparison that differs is made again a few times.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/insert_source.h"
#include "ingest/parity.h"

namespace tidemark::ingest {

// Tables without a key are compared as multisets.
Result<TableParity> verify_insert_table(const config::InsertTable& table, clickhouse::ClientPool& pool,
                                        const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
