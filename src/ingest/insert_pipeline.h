// A table that people write to with INSERT, as a pipeline (source_pipeline.h): inbox.h says how an INSERT is
// found and why none is missed, inbox_reader.h what becomes of it.
//
// Positions are numbers of the inbox's blocks. An inbox that ends before the fence was emptied by hand, or is
// a new one: then a new epoch begins at its first block, and the comparison of the table with its mirror that
// every start ends with brings what is missing. Thread-safe.
#pragma once

#include "ingest/inbox.h"
#include "ingest/inbox_reader.h"
#include "ingest/source_life.h"
#include "ingest/source_pipeline.h"

namespace tidemark::ingest {

struct InsertPipelineOptions {
  config::InsertTable table;
  std::set<std::string> tables_with_changes;  // names in bronze that models need change rows of
};

class InsertPipeline final : public SourcePipeline {
 public:
  InsertPipeline(InsertPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                 const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~InsertPipeline() override;
  InsertPipeline(const InsertPipeline&) = delete;
  InsertPipeline& operator=(const InsertPipeline&) = delete;

  Status prepare() override;
  std::vector<std::string> warnings() const override { return {}; }
  void start() override;
  void stop() override { life_.stop(); }
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override { return life_.gave_up(); }
  Result<uint64_t> ask_for_fence() override;
  bool at_fence() const override { return streamed_ && !applied_.in_doubt; }
  Status prepare_change_rows(const std::set<std::string>& tables) override;
  void begin_change_rows(const std::set<std::string>& tables) override;

 private:
  Status live();
  Result<uint16_t> settle(uint64_t newest);
  Status begin_epoch(uint16_t epoch, bool first, uint64_t position);
  Status stream(uint16_t epoch, CutRecord fenced);
  Status at_rest();
  bool pause(std::chrono::milliseconds duration);
  void wake();

  InsertPipelineOptions options_;
  const std::string name_;  // "cdp.entities": one table, one source
  clickhouse::ClientPool& pool_;
  ModelHooks hooks_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  SourceLife life_;
  std::atomic<bool> stop_now_{false};
  StateStore state_store_;
  Inbox inbox_;
  std::vector<CapturedTable> tables_;  // one
  TableCounters table_counters_;
  std::map<const CapturedTable*, TableCounters*> counters_;
  ApplierCounters applied_;
  ReaderCounters read_;

  // Only the reader.
  bool compared_ = false;  // in this life of the program
  // Table and mirror are to be compared; what came before this moment and is not in the table is gone.
  std::optional<int64_t> compare_ = 0;
  std::string mutations_;
  int64_t looked_at_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;
  uint16_t epoch_ = 0;
  std::atomic<bool> streamed_{false};
  std::atomic<uint64_t> wanted_fence_{0};
  CutHandoff* handoff_ = nullptr;  // of the life that runs
  bool pending_change_rows_ = false;
};

}  // namespace tidemark::ingest
