// Reads current rows back from bronze by key: the old images of updates and deletes.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/change_rows.h"

#include <atomic>

namespace tidemark::ingest {

// A key as it is written in an IN list: 7, 'text', ('a', 7). `keys` has the key columns only.
std::string key_literal(const Block& keys, size_t row);

// Whether the bronze rows of a part of a replayed cut are in already. They are one block, the parts of a
// table go in one after the other, and nothing newer than the cut is in, so a row of the part, or a newer one
// of the same key, says it of all of them. Then the change rows, which went first, are in too. Only the last
// rows are looked for: some, because an update of a row that is in quarantine leaves no trace.
Result<bool> part_is_in(clickhouse::ClientPool& pool, const Part& part, const clickhouse::RetryPolicy& policy,
                        const std::atomic<bool>& stop);

// The same of some rows of the part, in order: those of one shard, which are one block (split_part.h).
Result<bool> rows_are_in(clickhouse::ClientPool& pool, const Part& part, const std::vector<size_t>& rows,
                         const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

// An ImageReader on `pool`. Reads at most limits::image_keys_max keys a query; while the warehouse is away it
// tries again under `policy`. `pool` and `stop` must outlive it.
ImageReader bronze_images(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy,
                          const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
