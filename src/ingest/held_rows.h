// Rows that are written down before they are sent (tidemark.held_rows), because after a crash they could not
// be made again: they were read from somewhere that moves on. A replay takes them from here. Rows are known
// by a token; they go by themselves after a month, when no cut can be replayed any more.
#pragma once

#include "base/column.h"
#include "clickhouse/retry.h"

#include <atomic>
#include <optional>

namespace tidemark::ingest {

// No rows is something to be known, too.
Status hold_rows(clickhouse::ClientPool& pool, const Block& rows, const std::string& token,
                 const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);
// What hold_rows wrote; nothing when it did not come to that.
Result<std::optional<Block>> held_rows(clickhouse::ClientPool& pool, const std::string& token,
                                       const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
