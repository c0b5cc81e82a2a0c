// Looks after the tables of a Postgres source while it streams: copies those that are new, changed in a way
// that cannot be followed, or failed, one at a time, while the others flow; and sees when a table changes of
// which no row comes.
//
// A table is copied as of a snapshot S of its own. Meanwhile its rows in the stream are passed over, and the
// slot is not acknowledged past where it is (`hold_lsn`), so the log from S on stays there. Then this life of
// the stream ends between two cuts, and the next one reads from S again: only that table takes what was
// fenced already, the others go on behind their fence, until it has caught up with them (StreamReader: late
// lanes; the fence says how far it is). Derived data is emptied before the copy, fed by it and by its
// changes, and what works on touched keys is made anew when the table has caught up (after_copy).
//
// A table that somebody asked to be brought back by parity is, when nothing else is to do.
//
// A copy that fails is tried again, with growing pauses, and harms nobody; what was copied of it is made
// anew. Threads: run() is one; it ends with the life of the stream.
#pragma once

#include "ingest/initial_copy.h"
#include "ingest/table_book.h"

namespace tidemark::ingest {

struct TenderTable {
  CapturedTable table;  // as the life began
  TableCounters* counters = nullptr;
};

struct TenderStart {
  std::string source;
  uint16_t epoch = 0;
  postgres::ConnectionOptions connection;
  std::vector<TenderTable> tables;
  std::string fingerprint;  // of all tables, when this life looked at them
};

struct TenderHooks {
  // Runs an action between two cuts, everything before fenced. Waits for such a place.
  std::function<Status(const std::function<Status()>&)> at_barrier;
  std::function<void()> end_life;
  // As of ModelHooks; may be empty.
  std::function<Status(const std::vector<std::string>& tables)> before_copy;
  std::function<Status(Version version, const std::vector<std::string>& tables)> after_copy;
  std::function<Status(const std::vector<std::string>& tables)> reset;
  std::function<bool(const CapturedTable&)> parity_wanted;
  std::function<Status(const CapturedTable&)> bring_back;
};

class TableTender {
 public:
  TableTender(TenderStart start, TenderHooks hooks, TableBook& book, ApplierCounters& applied,
              clickhouse::ClientPool& pool, StateStore& state, const Clock& clock);
  // Until stop() or the life is to end.
  void run();
  void stop();
  const std::atomic<bool>& stopped() const { return stop_; }

  // A table for its copy, as the catalog has it now. Errors: those that end its try.
  static Result<CapturedTable> look(postgres::Connection& connection, const CapturedTable& table);
  static Result<CapturedTable> look(postgres::SourceTable source, const CapturedTable& table);
  // A snapshot does not show rows that ALTER TABLE or TRUNCATE wrote anew after it. Errors: dependency_down.
  static Status check_unchanged(const CapturedTable& before, const CapturedTable& after);

 private:
  bool pause();
  Status tend();
  Status finish_join(const TenderTable& table, TableRecord record);
  Status copy(const TenderTable& table, TableRecord record);
  void be_patient(uint32_t oid);
  Result<bool> catalog_changed();

  TenderStart start_;
  TenderHooks hooks_;
  TableBook& book_;
  ApplierCounters& applied_;
  clickhouse::ClientPool& pool_;
  StateStore& state_;
  const Clock& clock_;
  std::atomic<bool> stop_{false};
  bool ended_ = false;
  int64_t looked_ = 0;
  struct Patience {
    int64_t next_try = 0;
    int64_t backoff_us = 0;
  };
  std::map<uint32_t, Patience> patience_;
  std::optional<postgres::Connection> connection_;
};

// The stream must say enough to know which row a change is about. Errors: unsupported.
Status check_replica_identity(const CapturedTable& table);

}  // namespace tidemark::ingest
