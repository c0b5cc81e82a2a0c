// A copy: every row of the tables by COPY BINARY over several connections, each taking ranges of pages (ctid)
// from a common list, of several tables at once. The rows enter bronze with version (epoch, `snapshot_lsn`,
// 0), which is older than every change since, one Native block an INSERT.
//
// As of one snapshot, that of a slot: the connections share it. The stream starts where it ends, so nothing
// is lost or seen twice between them, and the models get the rows as +1 change rows. It is held as long as
// the copy takes, and a copy that is interrupted starts over.
//
// Or each range in a short transaction of its own (`ranges`), for tables with a key and without change rows:
// a row shows as it was at some time behind the slot's place. Whatever changed it since the slot's place is
// in the stream, whole, and newer than every copied row; so behind the last range's transaction
// (CopiedRanges::seen) the stream has put right what the ranges saw at different times: rows that were twice
// there or not at all, because an update moved them. Ranges that are in are written down, and a copy that is
// interrupted goes on behind them.
//
// Failure: the first error of any connection ends the copy.
#pragma once

#include "base/limits.h"
#include "ingest/applier.h"
#include "ingest/copied_ranges.h"
#include "postgres/connection.h"

namespace tidemark::ingest {

struct CopyOptions {
  std::string source;
  uint16_t epoch = 0;
  postgres::ConnectionOptions connection;
  std::string snapshot_name = {};  // empty: see `ranges`
  postgres::Lsn snapshot_lsn = 0;
  uint64_t range_pages = limits::copy_range_pages;
  uint64_t rows_per_second_max = 0;  // 0: no bound
  CopiedRanges* ranges = nullptr;    // each range by itself: these are left out, and the others added
};

// Everything that committed before the slot's place is shown by every snapshot from here on: a commit is in
// the log a moment before it shows, and long before when a synchronous standby is slow. The stream would not
// tell of it. `connection`: not the slot's.
Status wait_until_shown(postgres::Connection& connection, const std::string& snapshot_name,
                        const std::atomic<bool>& stop);

// `tables` and their counters as in Applier. Returns the rows copied.
Result<uint64_t> copy_tables(const CopyOptions& options, const std::vector<CapturedTable>& tables,
                             const std::map<const CapturedTable*, TableCounters*>& counters,
                             clickhouse::ClientPool& pool, StateStore& state, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
