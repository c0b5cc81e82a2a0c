// The segments of a running project: definitions from its files and from the warehouse (rows of criteria
// tables, what was saved over the API), memberships kept current by an Evaluator that is told of each cut's
// entities by the models that are watched for it (project_models.h).
//
// start() comes after models are deployed and before sources run; begin() once they do. Definitions in the
// warehouse are followed while the project runs: reload() brings memberships to what lies there now, one
// reload at a time; a cut of a criteria table asks for one. What is wrong with a stored definition concerns
// that one only.
//
// While a table is copied (ModelHooks::before_copy until after_copy), segments that read it, through models
// and people, too, are held (Evaluator::hold); which tables those are outlives a kill (HeldTables). Then
// everybody is evaluated: what changed meanwhile is told as events are, but after the first copy ever.
//
// Thread-safe but for start(), begin() and stop().
#pragma once

#include "cli/held_tables.h"
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

// Which segments read which tables; all tables are named "bronze.x".
struct TableLineage {
  // What a deployed model reads in depth; none: that is not known.
  std::function<std::set<std::string>(const std::string& model)> reads;
  // Adds what is kept by person of the tables.
  std::function<void(std::vector<std::string>& tables)> add_kept;
};

class LiveSegments {
 public:
  LiveSegments(clickhouse::ClientPool& pool, ingest::PartsGate& gate, TableLineage lineage,
               const std::atomic<bool>& stopping)
      : pool_(pool), gate_(gate), lineage_(std::move(lineage)), stopping_(stopping), copied_(pool) {}
  ~LiveSegments() { stop(); }

  // For LiveModels::watch; may be taken before start().
  models::WatchHooks hooks();
  // For ModelHooks; likewise.
  ingest::RowWatch rows();
  // For ModelHooks; likewise. `tables`: "bronze.x".
  Status before_copy(const std::vector<std::string>& tables);
  Status after_copy(const std::vector<std::string>& tables);
  // Tables were changed in another way than by cuts.
  void doubt();
  struct Surroundings {
    notify::DeliveryService* deliveries = nullptr;  // null when there are no destinations
    bool shared = false;                            // other processes work on the same sources
    std::set<std::string> captured;                 // "bronze.x": what the project's sources fill
  };
  // Errors: config when definitions are wrong or do not fit the warehouse; unsupported.
  Status start(const config::Project& project, const Surroundings& around);
  // `deploy`: makes the watched models those of the definitions that lie in the warehouse now.
  void begin(std::function<Status()> deploy);
  void stop();

  // Some thread's cut is in; `tables`: "bronze.cdp_criteria".
  void on_cut(const std::vector<std::string>& tables);
  Status reload();
  // Keys were added to a list that is kept by hand, or taken out; none: any may have been.
  Status list_changed(const std::string& list, const std::vector<std::string>& keys);

  // Evaluator::in_order, also while there is none. Precondition: there are destinations.
  Status in_order(const std::function<Status(uint64_t& seq)>& write);

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
  std::set<std::string> groups_over(const std::set<std::string>& tables) const;
  void hold_over(std::optional<std::set<std::string>> tables);
  Result<std::vector<std::string>> take_up_held(const std::set<std::string>& captured);
  Status put_away(const segments::SegmentFiles& all);
  void follow();

  clickhouse::ClientPool& pool_;
  ingest::PartsGate& gate_;
  const TableLineage lineage_;
  const std::atomic<bool>& stopping_;
  std::function<Status()> deploy_;

  std::mutex copying_;  // one table's beginning or end at a time; before all others
  HeldTables copied_;
  std::mutex holding_;             // of what the evaluator was told last
  std::set<std::string> waiting_;  // tables

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
  std::mutex numbering_;  // an evaluator takes over from those who counted without one
};

}  // namespace tidemark::cli
