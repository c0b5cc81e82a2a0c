// Reads current rows back from bronze by key: the old images of updates and deletes.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/change_rows.h"

#include <atomic>

namespace tidemark::ingest {

// A key as it is written in an IN list: 7, 'text', ('a', 7). `keys` has the key columns only.
std::string key_literal(const Block& keys, size_t row);

// An ImageReader on `pool`. Reads at most limits::image_keys_max keys a query; while the warehouse is away it
// tries again under `policy`. `pool` and `stop` must outlive it.
ImageReader bronze_images(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy,
                          const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
