#include "ingest/table_statuses.h"

#include <algorithm>

namespace tidemark::ingest {

std::vector<TableStatus> table_statuses(const std::string& source_state,
                                        const std::vector<CapturedTable>& tables,
                                        const std::map<const CapturedTable*, TableCounters*>& counters) {
  std::vector<TableStatus> statuses;
  for (const auto& table : tables) {
    const TableCounters& counted = *counters.at(&table);
    TableStatus status{.table = table.display(), .state = "live"};
    if (source_state == "copying" || source_state == "failed")
      status.state = source_state;
    else if (source_state != "streaming")
      status.state = "waiting";
    status.rows_applied = counted.applied + counted.copied;
    status.quarantined = counted.quarantined;
    status.copy_rows = counted.copied;
    status.copy_rows_estimate = static_cast<uint64_t>(table.source.estimated_rows);
    statuses.push_back(std::move(status));
  }
  return statuses;
}

}  // namespace tidemark::ingest
