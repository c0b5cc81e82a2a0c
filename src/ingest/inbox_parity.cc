#include "ingest/inbox_parity.h"

#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/inbox.h"
#include "ingest/inbox_limits.h"

#include <fmt/format.h>
#include <thread>

namespace tidemark::ingest {

Result<TableParity> verify_insert_table(const config::InsertTable& table, clickhouse::ClientPool& pool,
                                        const std::atomic<bool>& stop) {
  CapturedTable mirror = captured_insert_table(table, false);
  std::vector<std::string> names;
  for (const auto& [name, type] : table.columns) names.push_back(name);
  std::string columns = clickhouse::quote_list(names);
  std::string people = clickhouse::quote_table(table.database, table.table);
  // A row without a key is known by its values; of equal ones each counts.
  std::string key = table.key.empty() ? fmt::format("sipHash128({})", columns)
                                      : fmt::format("({})", clickhouse::quote_list(table.key));
  auto side = [&](const std::string& from, int theirs) {
    return fmt::format("SELECT {0} AS k, sipHash128({1}) AS row, {2} AS theirs, {3} AS ours FROM {4}", key,
                       columns, theirs, 1 - theirs, from);
  };
  std::string sql = fmt::format(
      "SELECT sum(there), toUInt64(sumIf(there - here, there > here)) AS missing, toUInt64(sumIf(here - "
      "there, here "
      "> there)) AS extra, countIf(there = 1 AND here = 1 AND distinct_rows > 1) AS different, "
      "groupArrayIf({})(if(there > here, 'missing: ', if(here > there, 'extra: ', 'different: ')) || "
      "toString(k), "
      "there != here OR distinct_rows > 1) AS examples FROM (SELECT k, sum(theirs) AS there, sum(ours) AS "
      "here, "
      "uniqExact(row) AS distinct_rows FROM ({} UNION ALL {}) GROUP BY k)",
      limits::parity_examples_max, side(people + (table.key.empty() ? "" : " FINAL"), 1),
      side(mirror.target("__current"), 0));
  TableParity parity{.table = mirror.display()};
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::hours(1);
  for (int attempt = 0; attempt < limits::inbox_parity_attempts && !stop; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(limits::inbox_parity_again_after);
    Block block = TRY(pool.query(sql, options));
    parity.rows = block.columns[0].get<uint64_t>(0);
    parity.missing = block.columns[1].get<uint64_t>(0);
    parity.extra = block.columns[2].get<uint64_t>(0);
    parity.different = block.columns[3].get<uint64_t>(0);
    parity.examples.clear();
    const Column& examples = block.columns[4];
    for (size_t index = examples.array_begin(0); index < examples.array_end(0); ++index)
      parity.examples.emplace_back(examples.element().text(index));
    if (parity.equal()) break;
  }
  return parity;
}

}  // namespace tidemark::ingest
