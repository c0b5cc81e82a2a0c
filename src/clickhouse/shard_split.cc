#include "clickhouse/shard_split.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::clickhouse {

uint64_t shard_hash(const Block& block, const std::vector<size_t>& key, size_t row) {
  std::string bytes;
  for (size_t column : key) block.columns[column].encode(row, bytes);
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

Result<std::vector<uint32_t>> shards_of_rows(const Block& block, const std::vector<std::string>& key,
                                             size_t shards) {
  std::vector<size_t> columns;
  for (const auto& name : key) {
    auto found = std::find(block.names.begin(), block.names.end(), name);
    if (found == block.names.end())
      return fail(ErrorKind::internal, fmt::format("rows without column {}, which says their shard", name));
    columns.push_back(static_cast<size_t>(found - block.names.begin()));
  }
  std::vector<uint32_t> shard_of_row(block.rows());
  for (size_t row = 0; row < shard_of_row.size(); ++row)
    shard_of_row[row] = static_cast<uint32_t>(shard_hash(block, columns, row) % shards);
  return shard_of_row;
}

Block rows_of_shard(const Block& block, const std::vector<uint32_t>& shard_of_row, uint32_t shard) {
  Block rows;
  rows.names = block.names;
  for (const auto& from : block.columns) {
    Column column(from.type());
    for (size_t row = 0; row < shard_of_row.size(); ++row)
      if (shard_of_row[row] == shard) column.append_from(from, row);
    rows.columns.push_back(std::move(column));
  }
  return rows;
}

}  // namespace tidemark::clickhouse
