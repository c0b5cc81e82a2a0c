// How far the loading of a batch source has come: what has to be known to go on after a kill, and where the
// next run begins.
//
// A cursor (updated_at, a sequence) is only as good as the promise that nothing older will be committed. So a
// run notes a checkpoint: the newest cursor value there was before it looked which transactions were open.
// Whatever begins later writes newer values, so once all those have ended, everything older than the
// checkpoint is visible, and the run that sees it then makes it trusted. A run reads from the place that was
// trusted when the last one took its snapshot, not from where that one came to. Some rows are read twice,
// which makes no change rows; none is missed (postgres/open_transactions.h).
#pragma once

#include "postgres/key_pages.h"
#include "postgres/open_transactions.h"

#include <map>

namespace tidemark::ingest {

struct CursorCheckpoint {
  uint64_t number = 0;                // of SourceProgress::open
  std::optional<std::string> cursor;  // as the server prints it; nothing: the table had no row
};

struct TableProgress {
  bool loaded = false;   // the first load is complete
  bool reading = false;  // a load or run is under way and goes on behind `after`
  bool nulls = false;    // it has come to the rows whose cursor is NULL
  postgres::KeyText after;
  std::optional<std::string> from;  // where the read under way began; nothing: at the beginning
  std::optional<std::string> next_from;
  std::vector<CursorCheckpoint> pending;  // newer than next_from, not trusted yet; oldest first
  std::string walk;                       // the columns that this is about: another cursor begins anew
  // Our clock, only to know when it is due again.
  int64_t read_micros = 0;
  int64_t compared_micros = 0;
};

struct SourceProgress {
  uint64_t run = 0;          // the last one that is complete
  int64_t as_of_micros = 0;  // its snapshot, by the source's clock
  uint64_t answered = 0;     // the newest request for a run that it answers (BatchStore::ask)
  uint64_t checkpoints = 0;  // numbers given
  uint32_t timeline = 0;
  std::map<uint64_t, postgres::OpenTransactions> open;  // of checkpoints: those that have not ended
  std::map<std::string, TableProgress> tables;          // by name in bronze

  std::string to_json() const;
  static Result<SourceProgress> from_json(std::string_view text);

  // Looks again which transactions are open.
  void look(const postgres::OpenTransactions& now);
  // Begins a read of `table` with a checkpoint at `cursor`, after look(): sets from, next_from and pending.
  void begin_read(TableProgress& table, const CursorCheckpoint& checkpoint);
  // Forgets what no table waits for.
  void forget();
};

}  // namespace tidemark::ingest
