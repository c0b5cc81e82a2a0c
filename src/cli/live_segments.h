// The segments of a running project: definitions from its files, memberships kept current by an Evaluator
// that is told of each cut's entities by the models that are watched for it (project_models.h).
//
// start() comes after models are deployed and before sources run; begin_clock() once they do.
#pragma once

#include "config/project.h"
#include "ingest/parts_gate.h"
#include "models/runtime.h"
#include "notify/delivery_service.h"
#include "segments/evaluator.h"

#include <memory>
#include <thread>

namespace tidemark::cli {

class LiveSegments {
 public:
  LiveSegments(clickhouse::ClientPool& pool, ingest::PartsGate& gate, const std::atomic<bool>& stopping)
      : pool_(pool), gate_(gate), stopping_(stopping) {}
  ~LiveSegments() { stop(); }

  // For LiveModels::watch; may be taken before start().
  models::WatchHooks hooks();
  // `deliveries`: null when there are no destinations. `shared`: other processes work on the same sources.
  // Errors: config when definitions are wrong or do not fit the warehouse; unsupported.
  Status start(const config::Project& project, notify::DeliveryService* deliveries, bool shared);
  void begin_clock();
  void stop();

  std::vector<segments::SegmentCounts> counts() const {
    return evaluator_ ? evaluator_->counts() : std::vector<segments::SegmentCounts>();
  }
  // Null when the project has no segments.
  segments::Evaluator* evaluator() { return evaluator_.get(); }

 private:
  Status touched(clickhouse::Client& client, const models::TouchedKeys& touched);
  std::string group_of(const models::CompiledModel& model) const;

  clickhouse::ClientPool& pool_;
  ingest::PartsGate& gate_;
  const std::atomic<bool>& stopping_;
  std::unique_ptr<segments::Evaluator> evaluator_;
  std::map<std::string, std::string> groups_;  // by name of the watched model
  std::atomic<bool> missed_{false};
  std::thread clock_;
};

}  // namespace tidemark::cli
