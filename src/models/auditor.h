// Audits while the project runs: one thread that asks what cuts made due, off the latency path.
//
//   cut ──▶ touched tables ──▶ audits that depend on them ──▶ over what changed (audits.h), when the last
//   answer was good and that is enough; else as a whole ──▶ states(), tidemark.audits, one line of log when
//   an answer turns
//
// Passing stays exact by induction: everything was asked at the start, and what changed since the position of
// the last answer was asked again. Everything is asked as a whole on a slow schedule anyway.
//
// A query beside a cut may see half of it: an order without its customer. So a failure that was seen while
// rows were under way is asked again after they are in, and stands when some of the same violations are still
// there (or after limits::audit_confirmations_max such rounds).
//
// Work is bounded by limits::audit_*; cuts that arrive meanwhile are taken together, the latest position
// wins. Nothing is asked while a source does not stream: a copy that is half done violates everything. While
// a source is behind the cuts have the machine to themselves for some seconds: a burst is in sooner, and what
// it made due is asked once, after it.
//
// Threads: on_cut(), replace() and states() from any thread, cheap, never waiting for a query. step() is what
// the thread does; tests call it instead of start(). Failure: a query that cannot be asked is a state with an
// error; a warehouse that is away is tried again.
#pragma once

#include "base/clock.h"
#include "base/version.h"
#include "models/audits.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace tidemark::models {

struct AuditState {
  std::string model, audit, description;
  config::AuditSeverity severity = config::AuditSeverity::error;
  bool known = false;  // asked at least once
  uint64_t failing = 0;
  std::vector<std::string> examples;
  std::string error;                     // why it could not be asked
  int64_t at_micros = 0;                 // wall clock of the last answer
  int64_t since_micros = 0;              // failing since; 0: it does not
  std::map<std::string, uint64_t> cuts;  // by source: what the answer is as of

  bool passed() const { return failing == 0 && error.empty(); }
};

struct SourcePosition {
  uint16_t epoch = 0;
  uint64_t received = 0;   // LSN up to which changes have arrived
  uint64_t queryable = 0;  // LSN up to which they are in
  uint64_t cut = 0;
  bool idle = false;  // nothing that arrived waits to be in
  int64_t lag_ms = 0;
};
using SourcePositions = std::map<std::string, SourcePosition>;

struct AuditorOptions {
  clickhouse::Endpoint endpoint;
  const Clock* clock = &system_clock();
  // nullopt: not every source streams.
  std::function<std::optional<SourcePositions>()> positions;
};

class Auditor {
 public:
  explicit Auditor(AuditorOptions options);
  ~Auditor();  // stops
  Auditor(const Auditor&) = delete;
  Auditor& operator=(const Auditor&) = delete;

  // The audits from here on; all are asked as a whole. Answers of those that stay are kept until then.
  // `sources`: "bronze.t" -> the source that mirrors it.
  void replace(std::vector<Audit> audits, std::map<std::string, std::string> sources);
  void start();
  void stop();
  void on_cut(const std::vector<std::string>& tables);  // "bronze.t"
  // The audits of these models are due as a whole: their rows changed by other ways than a cut.
  void ask_again(const std::vector<std::string>& models);
  std::vector<AuditState> states() const;

  // Asks one audit that is due; false when none is.
  bool step();

 private:
  struct Entry {
    Audit audit;
    AuditState state;
    bool asked = false;                        // as a whole, since replace()
    std::set<std::string> pending;             // tables that cuts touched since the last question
    std::map<std::string, Version> positions;  // of the last answer
    int64_t whole_due_at = 0;
    int64_t whole_allowed_at = 0, changes_allowed_at = 0;
  };
  enum class Question { none, whole, changes };

  Question question(const Entry& entry, int64_t now) const;
  Result<AuditResult> ask_until_settled(clickhouse::Client& client, const Audit& audit);
  bool settle(const SourcePositions& seen);
  bool yields(const SourcePositions& positions);
  void take(const std::shared_ptr<Entry>& entry, const AuditResult& result, const SourcePositions& positions,
            bool scheduled);
  void record(const AuditState& state);

  const AuditorOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Entry>> entries_;
  std::map<std::string, std::string> sources_;
  std::optional<clickhouse::Client> client_;  // of step(), as what follows
  int64_t behind_since_ = 0;                  // monotonic; 0: no source is
  bool table_made_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tidemark::models
