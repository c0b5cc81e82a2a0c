#include "clickhouse/deduplication.h"

#include "clickhouse/schema.h"

namespace tidemark::clickhouse {

Status widen_deduplication(Client& client, const std::set<std::string>& databases, size_t blocks) {
  std::string names;
  for (const auto& database : databases) names += (names.empty() ? "" : ", ") + quote_string(database);
  Block tables = TRY(
      client.query("SELECT database, name FROM system.tables WHERE database IN (" + names +
                       ") AND engine LIKE '%MergeTree' AND toUInt64OrZero(extract(engine_full, "
                       "'non_replicated_deduplication_window = ([0-9]+)')) BETWEEN 1 AND {blocks:UInt64} - 1",
                   {.parameters = {{"blocks", std::to_string(blocks)}}}));
  for (size_t row = 0; row < tables.rows(); ++row)
    TRY_VOID(client.execute(
        "ALTER TABLE " + quote_table(tables.columns[0].text(row), tables.columns[1].text(row)) +
        " MODIFY SETTING non_replicated_deduplication_window = " + std::to_string(blocks)));
  return {};
}

}  // namespace tidemark::clickhouse
