// Alerts at work: one thread that looks at what is due - after a cut that touched what an alert's query
// reads, and by the clock - and tells what came of it.
//
//   cut ──▶ touched tables ──▶ due alerts ──▶ value ──▶ step() ──changed──▶ row in tidemark.alerts, then the
//   clock ───────────────────────▲                                          same in tidemark.outbox
//
// Numbers that change something are read again while no cut is half in (hooks.while_whole): what is told
// cannot be taken back. Nothing is read while a table is being copied, or before every source has followed
// once: half of a table would say anything.
//
// Exactly once. A change is written before it is told, with the seq it will have in the outbox; both within
// hooks.in_order, which keeps the outbox growing. After a kill, or when a write was lost on the way, what
// stands in tidemark.alerts counts: a change that is not in the outbox is told then, before anything else of
// alerts is. Only one process of a project looks (hooks.leads); who takes the lead reads what there is.
//
// Budget: limits::checking_share_max of the time, one check after the other, each with one thread of the
// warehouse and limits::check_seconds_max.
//
// Threads: on_cut() and facts() from any, never waiting for a query; history() asks. start() and stop() from
// one. Errors are state of the alert, shown, tried again; none ends the service.
#pragma once

#include "base/clock.h"
#include "ingest/pipeline_status.h"
#include "notify/outbox.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "alerts/alert_facts.h"
#include "alerts/alert_store.h"

namespace tidemark::alerts {

// What an audit said last.
struct AuditReading {
  std::string model;
  bool known = false;
  uint64_t failing = 0;
};

struct AlertHooks {
  std::function<ingest::PipelineStatus()> pipeline;
  std::function<std::vector<AuditReading>()> audits;
  // Mirrored tables that a query reads; empty: not known, then every cut counts.
  std::function<std::set<std::string>(const std::string& sql)> lineage;
  std::function<bool()> leads;
  // Runs an action while no cut is half in.
  std::function<Status(const std::function<Status()>&)> while_whole;
  // Gives the newest seq of the outbox, to be counted up, while nobody else writes there.
  std::function<Status(const std::function<Status(uint64_t& seq)>&)> in_order;
  std::function<void()> told;  // the outbox has something new
};

class AlertService {
 public:
  // `outbox`: null when the project has no destinations. `reader`: the read-only account.
  AlertService(std::vector<config::Alert> alerts, clickhouse::ClientPool& pool, clickhouse::Endpoint reader,
               notify::Outbox* outbox, AlertHooks hooks, const Clock& clock = system_clock());
  ~AlertService();  // stops

  Status prepare();
  void start();
  void stop();
  void on_cut(const std::vector<std::string>& tables);

  std::vector<AlertFacts> facts() const;
  // Newest first. Errors: usage for a name that there is not; those of the warehouse.
  Result<std::vector<AlertChange>> history(const std::string& alert);

 private:
  struct Watched {
    config::Alert alert;
    AlertState state;
    AlertFacts facts;
    int64_t due_ms = 0;  // by the clock
    int64_t not_before_ms = 0;
    int64_t touched_ms = 0;  // by a cut it has not seen; 0: by none
    std::deque<AlertSample> samples;
  };

  void run();
  // What stands in the warehouse is what counts from here on; tells what was not.
  Status load();
  Status tell_untold();
  Status withdraw(const std::vector<AlertChange>& newest);
  // Null: nothing is due. `wake_ms`: when something will be.
  Watched* next_due(int64_t now_ms, int64_t& wake_ms);
  void check(Watched& watched);
  Result<std::optional<double>> read(const config::Alert& alert, int64_t now_ms);
  // Writes the change, and tells it. `watched.state` is the new one when it returns without error.
  Status commit(AlertState& state, const Step& step, AlertChange change);
  AlertChange change_of(const config::Alert& alert, const Step& step, std::optional<double> value,
                        int64_t now_ms) const;
  // Why numbers would be wrong now; empty: they would not.
  std::string not_whole();
  int64_t lag_ms(const std::string& source);
  std::optional<double> slot_value(const config::Alert& alert);
  void add_sample(Watched& watched, double value, int64_t now_ms);
  void save_samples(int64_t now_ms);
  void take_cuts();
  // False: it is to stop.
  bool wait_until(int64_t wall_ms, bool cuts_wake);

  clickhouse::ClientPool& pool_;
  notify::Outbox* outbox_;
  const AlertHooks hooks_;
  const Clock& clock_;
  std::atomic<bool> stop_{false};
  AlertStore store_;

  // Of the thread.
  clickhouse::Client client_;
  bool loaded_ = false;
  std::set<std::string> followed_;               // sources that have been whole
  std::map<std::string, int64_t> silent_since_;  // source -> monotonic microseconds
  std::vector<AlertSample> unsaved_;
  int64_t saved_at_ms_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::vector<Watched> watched_;
  std::set<std::string> touched_;
  bool cut_ = false;
  std::thread thread_;
};

}  // namespace tidemark::alerts
