// One Postgres source from end to end: set-up, initial copy, stream, and getting up again.
//
//   prepare()   asks the server everything that can go wrong (preflight), reads the tables' shapes, makes
//   their bronze
//               tables. Models are deployed after this and before start().
//   start()     a thread that copies when it must, then streams; whatever breaks is taken down whole and
//   started again
//               from the last fence, with growing pauses. Nothing in memory is needed to go on.
//   stop()      finishes the cut being applied, acknowledges, ends.
//
// A source's first life begins with an initial copy under epoch 1. A copy that was interrupted starts over. A
// slot that was lost, or a server that is not the one the warehouse was filled from, is never papered over:
// the pipeline stops and says so; `tidemark up --recopy` starts a new epoch. Thread-safe.
#pragma once

#include "config/project.h"
#include "ingest/initial_copy.h"
#include "ingest/stream_reader.h"
#include "postgres/preflight.h"

#include <set>

namespace tidemark::ingest {

struct PipelineOptions {
  config::PostgresSource source;
  std::set<std::string> tables_with_changes;  // names in bronze that models need change rows of
  bool recopy = false;                        // start a new epoch with a new copy
};

class PostgresPipeline {
 public:
  PostgresPipeline(PipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                   const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~PostgresPipeline();
  PostgresPipeline(const PostgresPipeline&) = delete;
  PostgresPipeline& operator=(const PostgresPipeline&) = delete;

  // Errors: what preflight finds; conflict when another process streams from the slot (after waiting a
  // little: a server may take seconds to notice that a killed process is gone).
  Status prepare();
  // Remarks of preflight that do not stop us.
  const std::vector<postgres::Finding>& warnings() const { return warnings_; }
  const std::vector<CapturedTable>& tables() const { return tables_; }

  void start();
  void stop();
  SourceStatus status() const;
  // Set when it gave up before it ever streamed: the error to end the program with.
  std::optional<Error> gave_up() const;

  // Everything this source has sent is fenced; what comes next is a new cut. Asked at the barrier.
  bool at_fence() const { return streamed_ && !applied_.in_doubt; }
  // From the next cut on these tables ("impressions"; those of other sources are passed over) have change
  // rows. Before the barrier: makes the tables that models hang on.
  Status prepare_change_rows(const std::set<std::string>& tables);
  // At the barrier: what was read and not applied was read without old images, so the stream begins anew
  // from the fence.
  void begin_change_rows(const std::set<std::string>& tables);

 private:
  struct Attempt;
  postgres::ConnectionOptions connection_options() const;
  Status read_tables(postgres::Connection& connection);
  Status check_source(postgres::Connection& connection);
  Status ensure_bronze();
  void run();
  Status run_once();
  Status copy(postgres::Connection& connection, const postgres::ServerIdentity& identity, uint16_t epoch);
  Status check_published(postgres::Connection& connection);
  Status check_slot(postgres::Connection& connection, const CutRecord& fenced);
  Status stream(uint16_t epoch);
  Status follow(StreamReader& reader, int wake_fd, bool binary);
  void send_heartbeats(std::atomic<bool>& ended);
  void set_state(std::string state, std::string error = {});
  bool pause(std::chrono::milliseconds duration);
  std::vector<std::string> table_names() const;

  PipelineOptions options_;
  clickhouse::ClientPool& pool_;
  ModelHooks hooks_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  std::atomic<bool> stop_reading_{false};
  std::atomic<bool> stop_now_{false};
  StateStore state_store_;

  std::vector<CapturedTable> tables_;
  std::map<const CapturedTable*, TableCounters*> counters_;
  std::vector<std::unique_ptr<TableCounters>> counter_storage_;
  std::vector<postgres::Finding> warnings_;
  ApplierCounters applied_;
  ReaderCounters read_;
  bool needs_copy_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string state_ = "starting";
  std::string error_;
  std::optional<Error> gave_up_;
  uint16_t epoch_ = 0;
  std::atomic<bool> streamed_{false};
  CutHandoff* handoff_ = nullptr;              // of the stream that runs
  std::set<std::string> pending_change_rows_;  // for the next one
  mutable int64_t sampled_at_ = 0;
  mutable uint64_t sampled_rows_ = 0;
  mutable double rate_ = 0;
  std::thread thread_;
};

}  // namespace tidemark::ingest
