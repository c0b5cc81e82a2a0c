// A Postgres source of mode batch as a pipeline (source_pipeline.h): plain SELECTs on a schedule instead of a
// replication slot, so it needs no more than the right to read, and a standby will do.
//
// Each run reads what is due as of one snapshot (batch_run.h), compares it with the warehouse, and sends only
// what differs through the same cuts, change rows and fences as a stream. A position is the number of a run:
// fenced is the last one whose rows are all in. What a run cannot see in one go (a late commit, a delete) is
// said in docs/SOURCES.md. Another server, or one that was restored, is refused like everywhere; after a
// failover every row is compared once. Thread-safe.
#pragma once

#include "ingest/batch_run.h"
#include "ingest/postgres_pipeline.h"

namespace tidemark::ingest {

class BatchPipeline final : public SourcePipeline {
 public:
  BatchPipeline(PipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks, const Clock& clock,
                std::function<void(const CutEvent&)> on_cut);
  ~BatchPipeline() override;
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  Status prepare() override;
  std::vector<std::string> warnings() const override;
  void start() override;
  void stop() override;
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override;

  // A run of every table begins soon, with a search for deleted rows; returns its number.
  Result<uint64_t> ask_for_fence() override;
  bool at_fence() const override { return settled_ && !applied_.in_doubt; }
  Status prepare_change_rows(const std::set<std::string>& tables) override;
  void begin_change_rows(const std::set<std::string>& tables) override;

 private:
  struct Life;  // what one life of the applier works with
  std::string where() const { return "source " + options_.source.name; }
  Status read_tables(postgres::Connection& connection);
  Status live();
  Status begin_epoch(const postgres::BatchServer& server, uint16_t epoch);
  Status follow(const postgres::BatchServer& server, uint16_t epoch);
  Status begin_life(Life& life, const CutRecord& fenced, const std::optional<CutRecord>& planned);
  Status run_when_due(Life& life);
  Status one_run(Life& life, uint64_t request);
  std::vector<DueTable> due_tables(const Life& life, bool forced);
  void note_failures(const std::vector<TableFailure>& failures, const std::vector<DueTable>& due);
  void show_progress(const SourceProgress& progress);
  std::string resting_state(const SourceProgress& progress) const;

  struct TableState {
    TableCounters counters;
    std::atomic<bool> loaded{false};
    std::string error;          // guarded by mutex_
    int64_t failed_micros = 0;  // monotonic; the pipeline's thread only
  };

  PipelineOptions options_;
  clickhouse::ClientPool& pool_;
  ModelHooks hooks_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  SourceLife life_;
  std::atomic<bool> stop_now_{false};
  StateStore state_store_;
  BatchStore batch_store_;

  std::vector<BatchTable> tables_;
  std::map<std::string, std::unique_ptr<TableState>> states_;  // by name in bronze
  std::vector<std::string> warnings_;
  ApplierCounters applied_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  uint16_t epoch_ = 0;
  std::atomic<bool> settled_{false};
  uint64_t completed_ = 0;   // runs; known after prepare()
  uint64_t fenced_run_ = 0;  // the last one this life knows to be in, with all that follows from it
  bool running_ = false;     // a run is under way
  bool asked_ = false;       // for one of every table
  bool forced_ = false;      // the one under way is of every table
  int64_t as_of_micros_ = 0;
  CutHandoff* handoff_ = nullptr;
  std::set<std::string> pending_change_rows_;
};

}  // namespace tidemark::ingest
