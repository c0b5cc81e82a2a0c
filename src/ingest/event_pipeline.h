// A source that is sent to, as a pipeline (source_pipeline.h). Its door (event_door.h) puts what comes on
// disk; this takes it from there into the warehouse, behind the same cuts, tokens and fences as everything
// else.
//
// The table of events is a log whose rows have a key, the message's id, of which the first counts. The cut
// asks the warehouse which of its ids are there already, so an event that is sent again changes nothing, for
// as long as the first one is in the table.
//
// Positions are those of the spool. A spool that is not the one the warehouse knows (the disk was lost, the
// directory moved back) begins a new epoch at its first byte: what it has may come again, and the ids say so.
// What the lost one had and the warehouse had not is gone; the log says that much. Thread-safe.
#pragma once

#include "ingest/event_door.h"
#include "ingest/event_reader.h"
#include "ingest/source_life.h"
#include "ingest/source_pipeline.h"

namespace tidemark::ingest {

struct EventPipelineOptions {
  config::EventSource source;
  std::set<std::string> tables_with_changes;  // names in bronze that models need change rows of
  bool recopy = false;
  // The table is one with a key (message_id) instead of a log, so that models can put its rows beside those
  // of tables with keys. What is said of ids below holds there, too.
  bool keyed = false;
};

class EventPipeline final : public SourcePipeline {
 public:
  EventPipeline(EventPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~EventPipeline() override;
  EventPipeline(const EventPipeline&) = delete;
  EventPipeline& operator=(const EventPipeline&) = delete;

  Status prepare() override;
  std::vector<std::string> warnings() const override { return warnings_; }
  void start() override;
  // Nothing is taken any more from here on.
  void stop() override;
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override { return life_.gave_up(); }
  Result<uint64_t> ask_for_fence() override;
  bool at_fence() const override { return streamed_ && !applied_.in_doubt; }
  Status prepare_change_rows(const std::set<std::string>& tables) override;
  void begin_change_rows(const std::set<std::string>& tables) override;

  // After prepare().
  std::shared_ptr<EventDoor> door() const { return door_; }

 private:
  std::string where() const { return "source " + options_.source.name; }
  Status live();
  Result<uint16_t> settle();
  Status begin_epoch(uint16_t epoch, bool first);
  Status stream(uint16_t epoch, CutRecord fenced);
  Status wait_for_inserts();
  Status load_known_keys();

  EventPipelineOptions options_;
  clickhouse::ClientPool& pool_;
  ModelHooks hooks_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  SourceLife life_;
  std::atomic<bool> stop_now_{false};
  StateStore state_store_;

  std::shared_ptr<Spool> spool_;
  std::shared_ptr<EventDoor> door_;
  std::vector<CapturedTable> tables_;  // the first is that of events
  std::vector<kafka::TableShape> shapes_;
  std::map<const CapturedTable*, TableCounters*> counters_;
  std::vector<std::unique_ptr<TableCounters>> counter_storage_;
  std::vector<std::string> warnings_;
  KnownKeys known_keys_;
  std::thread loader_;  // of known_keys_
  ApplierCounters applied_;
  ReaderCounters read_;

  mutable std::mutex mutex_;
  uint16_t epoch_ = 0;
  std::atomic<bool> streamed_{false};
  std::atomic<uint64_t> wanted_fence_{0};
  CutHandoff* handoff_ = nullptr;  // of the life that runs
  std::set<std::string> pending_change_rows_;
};

}  // namespace tidemark::ingest
