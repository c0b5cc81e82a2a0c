// The initial copy: every row of every captured table as of the slot's consistent point, by COPY BINARY over
// several connections that share the slot's exported snapshot, each taking ranges of pages (ctid) from a
// common list. The rows enter bronze with version (epoch, consistent point, 0) and the models as +1 change
// rows, one Native block an INSERT.
//
// The stream starts where the snapshot ends, so nothing is lost or seen twice between them. A copy that is
// interrupted starts over under a new epoch, after its tables and what was derived from them were emptied.
// Failure: the first error of any connection ends the copy.
#pragma once

#include "ingest/applier.h"
#include "postgres/connection.h"

namespace tidemark::ingest {

struct CopyOptions {
  std::string source;
  uint16_t epoch = 0;
  postgres::ConnectionOptions connection;
  std::string snapshot_name;
  postgres::Lsn snapshot_lsn = 0;
};

// `tables` and their counters as in Applier. Returns the rows copied.
Result<uint64_t> copy_tables(const CopyOptions& options, const std::vector<CapturedTable>& tables,
                             const std::map<const CapturedTable*, TableCounters*>& counters,
                             clickhouse::ClientPool& pool, StateStore& state, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
