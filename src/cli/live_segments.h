// The segments of a running project: definitions from its files and from the warehouse (rows of criteria
// tables, what was saved over the API), memberships kept current by an Evaluator that is told of each cut's
// entities by the models that are watched for it (project_models.h).
//
// start() comes after models are deployed and before sources run; begin() once they do. Definitions in the
// warehouse are followed while the project runs: reload() brings memberships to what lies there now, one
// reload at a time; a cut of a criteria table asks for one. What is wrong with a stored definition concerns
// that one only. Thread-safe but for start(), begin() and stop().
#pragma once

#include "config/project.h"
#include "ingest/parts_gate.h"
#include "ingest/row_watch.h"
#include "models/runtime.h"
#include "notify/delivery_service.h"
#include "segments/evaluator.h"
#include "segments/segment_files.h"

#include <condition_variable>
#include <memory>
#include <set>
#include <thread>

namespace tidemark::cli {

class LiveSegments {
 public:
  LiveSegments(clickhouse::ClientPool& pool, ingest::PartsGate& gate, const std::atomic<bool>& stopping)
      : pool_(pool), gate_(gate), stopping_(stopping) {}
  ~LiveSegments() { stop(); }

  // For LiveModels::watch; may be taken before start().
  models::WatchHooks hooks();
  // For ModelHooks; likewise.
  ingest::RowWatch rows();
  // Tables were changed in another way than by cuts.
  void doubt();
  // `deliveries`: null when there are no destinations. `shared`: other processes work on the same sources.
  // Errors: config when definitions are wrong or do not fit the warehouse; unsupported.
  Status start(const config::Project& project, notify::DeliveryService* deliveries, bool shared);
  // `deploy`: makes the watched models those of the definitions that lie in the warehouse now.
  void begin(std::function<Status()> deploy);
  void stop();

  // Some thread's cut is in; `tables`: "bronze.cdp_criteria".
  void on_cut(const std::vector<std::string>& tables);
  Status reload();
  // Keys were added to a list that is kept by hand, or taken out; none: any may have been.
  Status list_changed(const std::string& list, const std::vector<std::string>& keys);

  // Those in force, and those that are refused.
  segments::SegmentFiles definitions() const;
  std::vector<segments::SegmentCounts> counts() const;
  // Null while the project has no segments.
  segments::Evaluator* evaluator() const;

 private:
  Status touched(clickhouse::Client& client, const models::TouchedKeys& touched);
  std::string group_of(const models::CompiledModel& model) const;
  Status make_evaluator(clickhouse::Client& client);
  Result<segments::SegmentFiles> load(clickhouse::Client& client);
  Status bring(clickhouse::Client& client, segments::SegmentFiles all);
  Status deploy_watched();
  Status put_away(const segments::SegmentFiles& all);
  void follow();

  clickhouse::ClientPool& pool_;
  ingest::PartsGate& gate_;
  const std::atomic<bool>& stopping_;
  std::function<Status()> deploy_;

  std::mutex reloading_;  // one reload at a time; of what follows
  const config::Project* project_ = nullptr;
  notify::DeliveryService* deliveries_ = nullptr;
  bool refused_here_ = false;  // a cluster, or shared sources
  segments::SegmentFiles files_;
  std::set<std::string> fit_;   // versions that the warehouse takes
  std::string watched_;         // the SQL of the watched models that are deployed
  std::set<std::string> told_;  // refused definitions that are in quarantine

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::unique_ptr<segments::Evaluator> evaluator_;
  std::map<std::string, std::string> groups_;  // by name of the watched model
  segments::SegmentFiles current_;
  std::set<std::string> criteria_;  // mirrors of criteria tables
  bool asked_ = false, ending_ = false, begun_ = false;
  std::atomic<bool> missed_{false};
  std::thread clock_, follower_;
};

}  // namespace tidemark::cli
