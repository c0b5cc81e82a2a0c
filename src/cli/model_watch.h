// The state of every model of a running project: what its audits say (models/auditor.h), how far it is
// behind, and whether that is more than it allows (header `-- freshness: 5m`).
//
//   failed   a blocking audit of it, or of something it reads, fails
//   stale    further behind its sources than its freshness limit. A source that does not stream is behind
//   since it
//            stopped: nobody knows what it has
//   live     neither
//
// Threads: any, for everything but the constructor. Never waits for a query of an audit. Turning stale and
// back is logged once each.
#pragma once

#include "ingest/pipeline_status.h"
#include "models/auditor.h"
#include "serve/live_server.h"

#include <atomic>

namespace tidemark::cli {

class ModelWatch {
 public:
  ModelWatch(clickhouse::Endpoint warehouse, std::function<ingest::PipelineStatus()> pipeline,
             const Clock& clock = system_clock());

  // The models that are deployed now. Errors: config, for an audit that is wrong.
  Status follow(clickhouse::Client& client, models::CompiledModels models,
                const std::vector<config::AuditFile>& files);
  void start();
  void stop();
  void on_cut(const ingest::CutEvent& cut);
  // A refresh model has a new result.
  void on_refresh(const std::string& model);

  std::vector<serve::ModelStatus> models(const ingest::PipelineStatus& pipeline);
  std::vector<serve::AuditStatus> audits() const;

 private:
  int64_t lag_of(const ingest::SourceStatus& source);

  const std::function<ingest::PipelineStatus()> pipeline_;
  const Clock& clock_;
  models::Auditor auditor_;
  std::atomic<int64_t> looked_at_{0};
  mutable std::mutex mutex_;
  models::CompiledModels models_;
  std::map<std::string, int64_t> silent_since_;  // source -> monotonic time since which it does not stream
  std::map<std::string, int64_t> stale_since_;   // model -> wall clock
};

}  // namespace tidemark::cli
