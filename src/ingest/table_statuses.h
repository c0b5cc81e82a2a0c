// What a source that follows its tables says of them: the same for every kind but batches, whose tables fail
// and load one by one.
#pragma once

#include "ingest/applier.h"

namespace tidemark::ingest {

std::vector<TableStatus> table_statuses(const std::string& source_state,
                                        const std::vector<CapturedTable>& tables,
                                        const std::map<const CapturedTable*, TableCounters*>& counters);

}  // namespace tidemark::ingest
