#include "ingest/split_part.h"

#include "clickhouse/cluster.h"
#include "clickhouse/shard_split.h"
#include "ingest/image_reader.h"

namespace tidemark::ingest {
namespace {

Result<std::vector<uint32_t>> shards_of(clickhouse::ClientPool& pool, const Part& part,
                                        const clickhouse::RetryPolicy& policy,
                                        const std::atomic<bool>& stop) {
  const auto& cluster = pool.endpoint().cluster;
  std::vector<std::string> key;
  TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
    key = TRY(cluster->key_of(part.table->name));
    return {};
  }));
  return clickhouse::shards_of_rows(part.rows, key, cluster->shards());
}

void keep_rows(Part& part, const std::vector<bool>& keep) {
  Block rows = bronze_block(*part.table);
  std::vector<Operation> operations;
  std::vector<Part::Unchanged> unchanged;
  std::vector<int32_t> old_row_of;
  size_t next = 0;
  for (size_t row = 0; row < keep.size(); ++row) {
    for (; next < part.unchanged.size() && part.unchanged[next].row == row; ++next)
      if (keep[row])
        unchanged.push_back({static_cast<uint32_t>(operations.size()), part.unchanged[next].column});
    if (!keep[row]) continue;
    for (size_t column = 0; column < rows.columns.size(); ++column)
      rows.columns[column].append_from(part.rows.columns[column], row);
    operations.push_back(part.operations[row]);
    if (!part.old_row_of.empty()) old_row_of.push_back(part.old_row_of[row]);
  }
  part.rows = std::move(rows);
  part.operations = std::move(operations);
  part.unchanged = std::move(unchanged);
  part.old_row_of = std::move(old_row_of);
}

}  // namespace

Result<Arrival> take_out_arrived(clickhouse::ClientPool& pool, Part& part,
                                 const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  const auto& cluster = pool.endpoint().cluster;
  if (!cluster) return TRY(part_is_in(pool, part, policy, stop)) ? Arrival::all : Arrival::none;
  auto shard_of_row = TRY(shards_of(pool, part, policy, stop));
  std::vector<std::vector<size_t>> rows(cluster->shards());
  for (size_t row = 0; row < shard_of_row.size(); ++row) rows[shard_of_row[row]].push_back(row);
  std::vector<bool> keep(shard_of_row.size(), true);
  size_t pieces = 0, found = 0;
  for (const auto& piece : rows) {
    if (piece.empty()) continue;
    ++pieces;
    if (!TRY(rows_are_in(pool, part, piece, policy, stop))) continue;
    ++found;
    for (size_t row : piece) keep[row] = false;
  }
  if (found == 0) return Arrival::none;
  if (found == pieces) return Arrival::all;
  keep_rows(part, keep);
  return Arrival::some;
}

Result<bool> takes_from_other_shard(clickhouse::ClientPool& pool, const Part& part,
                                    const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  if (!pool.endpoint().cluster || part.unchanged.empty() || part.table->log) return false;
  auto shard_of_row = TRY(shards_of(pool, part, policy, stop));
  for (const auto& value : part.unchanged)
    if (part.operations[value.row] == Operation::insert && value.row > 0 &&
        shard_of_row[value.row] != shard_of_row[value.row - 1])
      return true;
  return false;
}

}  // namespace tidemark::ingest
