// Which shard a row of a mirrored table lives on, and a block taken apart by it.
//
// A row's shard is the FNV-1a hash, 64 bits, of its key columns as Column::encode writes them, spread once
// more (the finaliser of MurmurHash3), modulo the number of shards. Logs, which have no key, go by _version.
// It must never change: a newer version of a row on another shard would stand beside the old one. It is not
// ClickHouse's hash, so the Distributed tables of mirrored tables have no sharding key.
#pragma once

#include "base/column.h"
#include "base/error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::clickhouse {

uint64_t shard_hash(const Block& block, const std::vector<size_t>& key, size_t row);

// Shard of each row, from 0. Errors: internal, when the block lacks a column of the key.
Result<std::vector<uint32_t>> shards_of_rows(const Block& block, const std::vector<std::string>& key,
                                             size_t shards);

// The rows of one shard, in order.
Block rows_of_shard(const Block& block, const std::vector<uint32_t>& shard_of_row, uint32_t shard);

}  // namespace tidemark::clickhouse
