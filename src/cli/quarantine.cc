#include "cli/quarantine.h"

#include <boost/json.hpp>

namespace tidemark::cli {

namespace json = boost::json;

Result<json::array> quarantined_rows(clickhouse::Client& client, uint64_t most) {
  clickhouse::QueryOptions query;
  query.parameters = {{"most", std::to_string(most)}};
  // JSON has no bytes that are no text.
  Block block = TRY(client.query(
      "SELECT source, table, column, reason, toValidUTF8(substring(bytes, 1, 400)) AS bytes, lsn, ordinal, "
      "toUnixTimestamp64Milli(at) AS at_ms FROM tidemark.quarantine FINAL ORDER BY at DESC LIMIT "
      "{most:UInt64}",
      query));
  json::array rows;
  for (size_t row = 0; row < block.rows(); ++row) {
    json::object entry;
    for (const char* name : {"source", "table", "column", "reason", "bytes"})
      entry[name] = std::string(block.find(name)->text(row));
    for (const char* name : {"lsn", "ordinal"}) entry[name] = block.find(name)->get<uint64_t>(row);
    entry["at_ms"] = block.find("at_ms")->get<int64_t>(row);
    rows.push_back(std::move(entry));
  }
  return rows;
}

}  // namespace tidemark::cli
