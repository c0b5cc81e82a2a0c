// A Postgres source as a pipeline (source_pipeline.h): prepare() runs preflight and reads the tables' shapes,
// start() copies when it must, then streams. Nothing in memory is needed to go on.
//
// A source's first life begins with an initial copy under epoch 1 (postgres_copy.cc). One of large tables
// goes on where it was interrupted, any other starts over.
//
// Tables change, come and fail while others flow: each life of the stream begins with a look at them
// (look_at_tables), and a tender (table_tender.h) works beside it.
//
// A log that does not reach back to the warehouse any more (the slot is lost, the server was failed over or
// restored) begins a new epoch, in which the tables are brought back by parity (postgres_parity.cc). A server
// that is not the one the warehouse was filled from is refused; `tidemark up --recopy` takes it. Thread-safe.
#pragma once

#include "config/postgres_source.h"
#include "config/snapshot_options.h"
#include "ingest/initial_copy.h"
#include "ingest/parity_book.h"
#include "ingest/slot_watch.h"
#include "ingest/source_life.h"
#include "ingest/source_pipeline.h"
#include "ingest/stream_reader.h"
#include "ingest/table_tender.h"
#include "postgres/preflight.h"
#include "postgres/replication_setup.h"

namespace tidemark::ingest {

class ShadowTable;

struct PipelineOptions {
  config::PostgresSource source;
  std::set<std::string> tables_with_changes;  // names in bronze that models need change rows of
  bool recopy = false;                        // start a new epoch with a new copy
  config::SnapshotOptions snapshot = {};
  // Transactions that still run, together, in memory.
  size_t streamed_memory_bytes_max = limits::streamed_memory_bytes_max;
};

class PostgresPipeline final : public SourcePipeline {
 public:
  PostgresPipeline(PipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                   const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~PostgresPipeline() override;
  PostgresPipeline(const PostgresPipeline&) = delete;
  PostgresPipeline& operator=(const PostgresPipeline&) = delete;

  // Errors: what preflight finds; conflict when another process streams from the slot (after waiting a
  // little: a server may take seconds to notice that a killed process is gone).
  Status prepare() override;
  std::vector<std::string> warnings() const override;
  const std::vector<CapturedTable>& tables() const { return tables_; }

  void start() override;
  void stop() override;
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override;

  Result<uint64_t> ask_for_fence() override;
  bool at_fence() const override { return streamed_ && !applied_.in_doubt; }
  Status prepare_change_rows(const std::set<std::string>& tables) override;
  void begin_change_rows(const std::set<std::string>& tables) override;

  // Asks for a table, by a name of it, to be brought back by parity; returns the number of the request.
  // Errors: config when it is none of ours; unsupported for a log.
  Result<uint64_t> resync(const std::string& table);
  std::optional<ParityRecord> parity(const std::string& table) const;
  // Nobody wants the rows of a table that did not fit any more; returns how many they were. Errors: config
  // when it is none of ours.
  Result<uint64_t> drop_quarantined(const std::string& table);

 private:
  Status read_tables(postgres::Connection& connection);
  Status live();
  // The first copy, or a new one. False: it goes on in the next life.
  Result<bool> copy(postgres::Connection& connection, const postgres::ServerIdentity& identity,
                    const std::optional<SourceRecord>& before);
  Result<SourceRecord> begin_copy(postgres::Connection& connection, const postgres::ServerIdentity& identity,
                                  uint16_t epoch);
  Status copy_at_once(postgres::Connection& connection, SourceRecord record,
                      const postgres::CreatedSlot& slot);
  Status begin_ranges(postgres::Connection& connection, const SourceRecord& record,
                      const postgres::CreatedSlot& slot);
  Result<bool> can_go_on(postgres::Connection& connection, const postgres::ServerIdentity& identity,
                         const SourceRecord& record);
  Result<bool> copy_in_ranges(postgres::Connection& connection, const SourceRecord& record);
  Result<bool> settle(const SourceRecord& record);
  Status give_to_models(SourceRecord record, const std::set<std::string>& with_changes);
  void end_behind(postgres::Lsn until, const std::atomic<bool>& stop, const std::function<void()>& end_life);
  uint64_t range_pages() const;
  bool is_large() const;
  CopyOptions copy_options(const SourceRecord& record) const;
  std::optional<int64_t> copy_seconds_left() const;
  std::vector<uint32_t> oids() const;
  Result<std::string> fingerprint(postgres::Connection& connection) const;
  // How they are now, in their order.
  Result<std::vector<CapturedTable>> look_at_all(postgres::Connection& connection) const;
  Status look_at_tables(postgres::Connection& connection, uint16_t epoch);
  Status note_dropped(TableRecord record);
  std::vector<TableRecord> dropped_before() const;
  Result<TableRecord> first_record(const CapturedTable& table, uint16_t epoch, bool was_there);
  Status follow_table(CapturedTable& now, TableRecord record, bool is_published);
  Status begin_bronze_anew(const CapturedTable& table, const std::vector<ShapeChange::Renamed>& renamed = {});
  Result<bool> bronze_is_gone(const CapturedTable& table);
  std::string explain_unknown_form(const CapturedTable& table, TableShape& shape) const;
  Result<std::set<std::pair<std::string, std::string>>> published_tables(postgres::Connection& connection);
  Status publish_tables(postgres::Connection& connection);
  Status join_copied_table(postgres::Connection& connection, uint16_t epoch);
  struct Lanes {
    std::map<const CapturedTable*, LaneStart> of;
    postgres::Lsn late_lsn = 0;
    postgres::Lsn hold_lsn = UINT64_MAX;  // a table is copied as of it and has not joined
  };
  Lanes lanes_at(const CutRecord& fenced) const;
  Status between_cuts(const std::function<Status()>& action, const std::atomic<bool>& stop);
  void set_aside(const CapturedTable& table, const Error& error);
  std::vector<TenderTable> tended_tables() const;
  struct ParityTurn {
    uint16_t epoch = 0;
    std::function<void()> end_life;
    const std::atomic<bool>& stop;
  };
  Status bring_back(const CapturedTable& captured, const ParityTurn& turn);
  Status bring_back_now(const CapturedTable& captured, const ParityTurn& turn);
  Status send_differences(ShadowTable& shadow, uint16_t epoch, Version bound,
                          const std::function<postgres::Lsn()>& place,
                          const std::function<Status(const std::function<Status()>&)>& between);
  Status send_parity_cut(ShadowTable& shadow);
  Result<uint64_t> forget_quarantined(const std::string& table, postgres::Lsn before);
  Status finish_parity_cuts();
  Result<std::string> what_is_lost(postgres::Connection& connection, const postgres::ServerIdentity& identity,
                                   const SourceRecord& record, const CutRecord& fenced);
  Status repair_source(postgres::Connection& connection, const postgres::ServerIdentity& identity,
                       const SourceRecord& before, const CutRecord& fenced, const std::string& lost);
  struct StreamEnd {
    bool only_replay = false;  // behind the cut that was planned
    // Behind this place, and nothing but the mirrored tables hears of it; 0: no such place.
    postgres::Lsn until = 0;
  };
  Status stream(uint16_t epoch, const StreamEnd& end);
  std::vector<std::string> table_names() const;

  PipelineOptions options_;
  clickhouse::ClientPool& pool_;
  ModelHooks hooks_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  SourceLife life_;
  std::atomic<bool> stop_now_{false};
  StateStore state_store_;
  TableBook book_;
  ParityBook parity_;
  CopiedRanges ranges_;
  SlotWatch slot_watch_;
  CutBarrier own_barrier_;  // when the project has none

  std::vector<CapturedTable> tables_;
  std::map<const CapturedTable*, TableCounters*> counters_;
  std::vector<std::unique_ptr<TableCounters>> counter_storage_;
  std::vector<postgres::Finding> warnings_;
  ApplierCounters applied_;
  ReaderCounters read_;

  // When this life began to copy, and how many rows were in then.
  std::atomic<int64_t> copying_since_{0};
  std::atomic<uint64_t> copied_before_{0};

  mutable std::mutex mutex_;
  uint16_t epoch_ = 0;
  std::atomic<bool> streamed_{false};
  std::atomic<bool> begins_anew_{false};                  // this life ended for the next one's sake
  std::string fingerprint_;                               // of the tables, when this life looked at them
  std::set<uint32_t> gone_;                               // tables that the source does not have any more
  std::map<uint32_t, postgres::Relation> unknown_forms_;  // that ended the last life
  CutHandoff* handoff_ = nullptr;                         // of the stream that runs
  std::set<std::string> pending_change_rows_;             // for the next one
};

}  // namespace tidemark::ingest
