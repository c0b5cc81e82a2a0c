// Which transactions of a server may still commit rows that a snapshot does not show.
//
// Reading by a cursor (updated_at, a sequence) misses a row that was written with an older cursor value and
// committed after rows with newer ones had been read. Such a row belongs to a transaction that was open when
// they were read. So whoever moves a cursor forward notes which transactions were open at that moment, and
// trusts the new place only once all of them have ended.
//
// On a primary a transaction is known by its virtual transaction id, which it holds a lock on from BEGIN to
// its end: transaction ids and their snapshots would not do, because now() is the time of BEGIN and an id is
// given with the first write, maybe much later. pg_locks shows these locks to every role; pg_stat_activity
// would hide when other roles' transactions began. A standby knows only transactions that have an id, so
// there the ids of its snapshot have to do.
//
// Read on a connection before its snapshot is taken: what begins in between is newer than this and older than
// nothing the snapshot shows.
#pragma once

#include "postgres/connection.h"
#include "postgres/lsn.h"

#include <set>

namespace tidemark::postgres {

struct OpenTransactions {
  bool standby = false;
  int64_t clock_micros = 0;       // the server's, read before the rest
  std::set<std::string> running;  // primary: virtual ids ("3/1711"), of this database, without our own
  bool prepared = false;          // a prepared transaction waits; its virtual id is gone
  uint64_t xmin = 0;              // the oldest id that is in progress
  uint64_t xmax = 0;              // every id from here on is not yet given
};

// `own_application`: sessions of this name and role are not counted (they only read).
Result<OpenTransactions> read_open_transactions(Connection& connection, const std::string& own_application);

// Those transactions of `then` that may still be open at the time of `now`. Shrinks as time passes; empty
// means that everything which was open then is visible to a snapshot taken after `now` was read.
OpenTransactions still_open(const OpenTransactions& then, const OpenTransactions& now);
bool all_ended(const OpenTransactions& transactions);

// Who a server is, asked in a way that a standby answers too.
struct BatchServer {
  std::string system_id;
  uint32_t timeline = 0;
  bool standby = false;
};
Result<BatchServer> read_batch_server(Connection& connection);

// Begins a transaction that sees one state of the database; returns what it is. `position` is the end of the
// log (a standby: of what it has replayed), not after the snapshot.
struct SnapshotFacts {
  Lsn position = 0;
  int64_t taken_micros = 0;  // the server's clock
};
Result<SnapshotFacts> begin_snapshot(Connection& connection);

}  // namespace tidemark::postgres
