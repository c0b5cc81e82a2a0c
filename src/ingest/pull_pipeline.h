// A source that asks others (`pull:`), as a pipeline: the pipeline of a source that is sent to
// (event_pipeline.h), and a thread beside it that asks, pass after pass, and puts what it gets through the
// same door (pull_desk.h).
//
// The thread begins where the warehouse is: after a start it waits until everything that lies in the spool is
// fenced, and reads the places of its streams from there. An API that fails, refuses or is slow is the
// thread's trouble alone: it says so in the status and asks again; the pipeline goes on. Thread-safe.
#pragma once

#include "ingest/event_pipeline.h"
#include "ingest/pull_desk.h"

namespace tidemark::ingest {

struct StreamProgress;

class PullPipeline final : public SourcePipeline {
 public:
  PullPipeline(config::PullSettings settings, EventPipelineOptions options, clickhouse::ClientPool& pool,
               ModelHooks hooks, const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~PullPipeline() override;
  PullPipeline(const PullPipeline&) = delete;
  PullPipeline& operator=(const PullPipeline&) = delete;

  Status prepare() override;
  std::vector<std::string> warnings() const override { return events_.warnings(); }
  void start() override;
  void stop() override;
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override { return events_.gave_up(); }
  Result<uint64_t> ask_for_fence() override { return events_.ask_for_fence(); }
  bool at_fence() const override { return events_.at_fence(); }
  Status prepare_change_rows(const std::set<std::string>& tables) override {
    return events_.prepare_change_rows(tables);
  }
  void begin_change_rows(const std::set<std::string>& tables) override { events_.begin_change_rows(tables); }

  // After prepare().
  std::shared_ptr<EventDoor> door() const { return events_.door(); }

 private:
  void run();
  // False: told to stop.
  bool wait_until_fenced();
  Result<std::vector<StreamProgress>> read_progress();
  // False: something failed.
  bool pass(std::vector<StreamProgress>& streams);
  bool rest(int64_t micros);

  const config::PullSettings settings_;
  const config::EventSource source_;
  clickhouse::ClientPool& pool_;
  const Clock& clock_;
  EventPipeline events_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<PullDesk> desk_;
  std::thread thread_;
};

}  // namespace tidemark::ingest
