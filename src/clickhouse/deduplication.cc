#include "clickhouse/deduplication.h"

#include "clickhouse/cluster.h"
#include "clickhouse/schema.h"

namespace tidemark::clickhouse {
namespace {

constexpr std::string_view shard_suffix = "_shard";

struct Narrow {
  std::string table;    // as it is named to everybody
  std::string setting;  // a replicated table has its own
  auto operator<=>(const Narrow&) const = default;
};

// `shard`: the server has the tables under the names of shards.
Status find_narrow(Client& client, const std::set<std::string>& databases, size_t blocks, bool shard,
                   std::set<Narrow>& found) {
  std::string names;
  for (const auto& database : databases)
    names += (names.empty() ? "" : ", ") + quote_string(shard ? shard_database(database) : database);
  Block tables = TRY(client.query(
      "SELECT database, name, startsWith(engine, 'Replicated') ? 'replicated_deduplication_window' : "
      "'non_replicated_deduplication_window' AS setting FROM system.tables WHERE database IN (" +
          names +
          ") AND engine LIKE '%MergeTree' AND toUInt64OrZero(extract(engine_full, "
          "'replicated_deduplication_window = ([0-9]+)')) BETWEEN 1 AND {blocks:UInt64} - 1",
      {.parameters = {{"blocks", std::to_string(blocks)}}}));
  for (size_t row = 0; row < tables.rows(); ++row) {
    std::string database(tables.columns[0].text(row));
    if (shard) database.resize(database.size() - shard_suffix.size());
    found.insert(
        {quote_table(database, tables.columns[1].text(row)), std::string(tables.columns[2].text(row))});
  }
  return {};
}

}  // namespace

Status widen_deduplication(Client& client, const std::set<std::string>& databases, size_t blocks) {
  std::set<Narrow> narrow;
  TRY_VOID(find_narrow(client, databases, blocks, false, narrow));
  if (const auto& cluster = client.endpoint().cluster)
    for (size_t index = 0; index < cluster->shards(); ++index)
      TRY_VOID(find_narrow(*cluster->shard(index).lease(), databases, blocks, true, narrow));
  for (const auto& [table, setting] : narrow)
    TRY_VOID(client.execute("ALTER TABLE " + table + " MODIFY SETTING " + setting + " = " +
                            std::to_string(blocks)));
  return {};
}

}  // namespace tidemark::clickhouse
