// Puts cuts into the warehouse, exactly once.
//
// For each cut: write its boundaries (tidemark.cuts, "planned"); send its parts, those of one table in order,
// different tables side by side; let the models that work on touched keys follow (after_parts); write the
// fence. Every INSERT is one Native block with a token made of source, epoch, cut, table and part, so
// whatever is sent again after a crash or a lost answer is recognised. Within a part the change rows go first
// and whole, then the bronze rows: see change_rows.h for why that order makes old images right on a replay.
//
// Failure: while the warehouse is away every INSERT is repeated with its token (limits::apply_deadline);
// anything it refuses ends the applier with that error, and the pipeline starts again from the last fence.
// Threads: run() is one thread and uses a few workers of its own; the counters may be read by anyone.
#pragma once

#include "base/clock.h"
#include "base/histogram.h"
#include "ingest/cut.h"
#include "ingest/cut_barrier.h"
#include "ingest/image_reader.h"
#include "ingest/known_keys.h"
#include "ingest/parts_gate.h"
#include "ingest/pipeline_status.h"
#include "ingest/row_watch.h"

namespace tidemark::ingest {

// What derived data needs from the data plane; whoever starts the pipeline fills it in from the models room.
// Tables are names in database bronze ("impressions"). Each may be empty.
struct ModelHooks {
  // All parts of the cut are in, the fence is not written yet. Repeatable: a replayed cut calls it again.
  std::function<Status(uint64_t cut, Version version, const std::vector<std::string>& tables)> after_parts;
  // These tables are about to be emptied and copied, for the first time or again: what they have says nothing
  // until after_copy(). Called again for the same ones after a kill.
  std::function<Status(const std::vector<std::string>& tables)> before_copy;
  // The initial copy of these tables is complete; its rows have cut 0.
  std::function<Status(Version version, const std::vector<std::string>& tables)> after_copy;
  // The first load of these tables is complete; its rows came in cuts, each followed by after_parts.
  std::function<Status(const std::vector<std::string>& tables)> after_load;
  // The initial copy of these tables ("impressions") starts over: whatever was derived from them must be
  // emptied.
  std::function<Status(const std::vector<std::string>& tables)> reset;
  // A table changed its columns: what that means for models that are deployed over it, in words; empty:
  // nothing.
  std::function<std::string(const std::string& table)> after_change;
  // Where models are deployed between two cuts; shared by all sources of the project.
  CutBarrier* barrier = nullptr;
  // Where tables are looked at while no cut is half in; shared by all sources of the project, may be null.
  PartsGate* parts_gate = nullptr;
  RowWatch rows;
};

// Counters of one table, shared by everyone who moves its rows.
struct TableCounters {
  std::atomic<uint64_t> applied{0};
  std::atomic<uint64_t> quarantined{0};
  std::atomic<uint64_t> copied{0};
  std::atomic<uint64_t> missing_old{0};
  std::atomic<uint64_t> duplicates{0};  // rows whose key was there already, of tables that keep the first
};

struct ApplierCounters {
  std::atomic<uint64_t> queryable_lsn{0};
  std::atomic<uint64_t> fenced_lsn{0};
  std::atomic<uint64_t> cut{0};
  std::atomic<uint64_t> transactions{0};
  std::atomic<uint64_t> rows{0};
  std::atomic<bool> in_doubt{false};  // rows of a cut may be in whose fence is not
  // Postgres: where tables that joined late are, before everything fenced (0: none are), and where the log is
  // held for a table that is being copied (table_tender.h).
  std::atomic<uint64_t> late_lsn{0};
  std::atomic<uint64_t> hold_lsn{UINT64_MAX};
  // Where the source is read on after a restart, and how far it may forget.
  uint64_t resume_lsn() const { return late_lsn != 0 ? late_lsn.load() : fenced_lsn.load(); }
  uint64_t forgettable_lsn() const { return std::min(resume_lsn(), hold_lsn.load()); }
  std::atomic<int64_t> as_of_micros{0};
  Histogram queryable_us;  // commit -> queryable, one entry a transaction
};

class Applier {
 public:
  Applier(clickhouse::ClientPool& pool, StateStore& state, const ModelHooks& hooks, CutHandoff& handoff,
          std::map<const CapturedTable*, TableCounters*> tables, ApplierCounters& counters,
          const Clock& clock, std::function<void(const CutEvent&)> on_cut, const std::atomic<bool>& stop);

  // Of a table that keeps the first row of a key; before run(), and `keys` must outlive it.
  void know(const CapturedTable& table, KnownKeys& keys) { known_[&table] = &keys; }
  // Where rows are read that updates leave out values of and that the warehouse does not have
  // (source_images.h); before run().
  void read_from(ImageReader source) { source_ = std::move(source); }
  // Who is told that the warehouse refuses rows of a table; the applier then ends as if it was told to.
  // Before run(); without it such an error ends it like any other.
  void set_on_refused(std::function<void(const CapturedTable&, const Error&)> on_refused) {
    on_refused_ = std::move(on_refused);
  }
  // Until the handoff closes (good) or something fails.
  Status run();

 private:
  Status apply(Cut& cut, bool& planned, std::shared_ptr<Cut>& next);
  void enter_cut();
  void leave_cut();
  Status send_parts(Cut& cut, std::vector<std::string>& touched);
  Status send(Part& part, const CutRecord& record, Plan plan);
  // `added`: the part's rows are what the table has more now.
  Status send_rows(Part& part, const CutRecord& record, Plan plan, bool& added);
  // Rows whose key the table has already, of a table that keeps the first.
  Status leave_out_known(Part& part);
  Status put_away(const Part& part, const std::string& source, const std::vector<RefusedUpdate>& refused);
  Status send_truncate(const Part& part, const std::string& token);
  Status insert(const std::string& table, const Block& block, const std::string& token);

  clickhouse::ClientPool& pool_;
  StateStore& state_;
  const ModelHooks& hooks_;
  CutHandoff& handoff_;
  std::map<const CapturedTable*, TableCounters*> tables_;
  std::map<const CapturedTable*, KnownKeys*> known_;
  ApplierCounters& counters_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  std::function<void(const CapturedTable&, const Error&)> on_refused_;
  const std::atomic<bool>& stop_;
  clickhouse::RetryPolicy policy_;
  ImageReader images_;
  ImageReader source_;
  int64_t fenced_at_micros_ = 0;
  bool in_cut_ = false;  // as the barrier counts it: until the fence
};

// Sends a part of new rows only: the change rows are the rows themselves, so the columns are lent from one
// block to the other instead of copied.
Status send_inserts(clickhouse::ClientPool& pool, Part& part, const std::string& token,
                    const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

// How the data plane insists while the warehouse is away; logs what it repeats.
clickhouse::RetryPolicy apply_policy(const std::string& what);

// For what is said while a source ends: not for long.
clickhouse::RetryPolicy farewell_policy();
// The last word of a stream that ends in peace: nothing of it is in doubt.
Status say_farewell(clickhouse::ClientPool& pool, const std::string& stream, uint16_t epoch,
                    const ApplierCounters& counters, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
