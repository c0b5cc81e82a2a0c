// Deletions of people in a running project: taken on by ask(), done one after the other in a thread of their
// own, gone on with after a kill; and the ids that stay out (profiles/suppressions.h), which the doors of
// event sources ask about. Redactions (redaction_run.h) are done by the same thread: behind cuts that touched
// what they read it asks whether there is something for them.
//
// open() comes before sources are prepared, attach() after each time they were, finish_correction() before
// the first cut, start() once everything runs. Thread-safe after that. A project without profiles has nobody
// to delete, and one without redactions nothing to rewrite: without both everything here does nothing.
#pragma once

#include "cli/erasure_run.h"
#include "profiles/profile_files.h"
#include "profiles/redaction_files.h"

#include <condition_variable>
#include <map>
#include <set>
#include <thread>

namespace tidemark::cli {

class LiveErasures {
 public:
  LiveErasures(clickhouse::ClientPool& pool, const config::Project& project, ErasureHooks hooks,
               const std::atomic<bool>& stopping)
      : pool_(pool), project_(project), hooks_(std::move(hooks)), stopping_(stopping) {}
  ~LiveErasures() { stop(); }

  Status open();
  void attach(const ingest::EventDoors& doors);
  Status finish_correction();
  void start();
  void stop();
  // Of every cut: the tables it brought rows of.
  void on_cut(const std::vector<std::string>& tables);

  struct Ask {
    std::string profiles, id;  // as in deletion_store.h
    std::string reason, asked_by;
  };
  // The number of the deletion, which is written down. Errors: config (nobody is known as that).
  Result<uint64_t> ask(const Ask& ask);
  // {"deletion", "stage", ...}: docs/PROFILES.md. Errors: config, when there is none of that number.
  Result<std::string> document(uint64_t number);
  Result<std::string> documents();
  // Ids that stay out from here on, or are taken in again. Errors: config, when it is no id.
  Status suppress(const std::string& profiles, const std::string& id, bool suppressed);
  // Two ids are not one person's, or (`apart` false) again what their events and rows say. Between two cuts.
  // The ids as they are kept, each with its profile afterwards.
  Result<std::vector<std::pair<std::string, std::string>>> decide(const std::string& profiles,
                                                                  const std::string& one,
                                                                  const std::string& other, bool apart);

  uint64_t suppressed_ids() const { return suppressions_ ? suppressions_->count() : 0; }
  uint64_t open_deletions() const { return open_; }

 private:
  Result<std::string> id_of(const profiles::Definition& of, const std::string& id) const;
  Result<const profiles::Definition*> definition(const std::string& profiles) const;
  Status save(profiles::Deletion& deletion);
  struct Look {
    std::string when;    // the answer
    int64_t at_us = 0;   // 0: there was none
    bool waits = false;  // what it reads was touched since
  };

  void work();
  Status run_all();
  Status run(profiles::Deletion& deletion);
  // Redactions that read one of `touched`, or all of them.
  Status look(const std::set<std::string>& touched, bool all);
  Status look_at(const profiles::Redaction& redaction, Look& last, bool anyway);
  // Until one of them must be looked at whatever its `when` says; nothing waits: as long as there is.
  std::chrono::microseconds until_anyway() const;
  Status redact(const profiles::Redaction& redaction);
  Result<uint64_t> next_number();
  bool leaves_out(const std::string& event_table, const ingest::EventRow& event);
  bool leaves_out_line(std::string_view table, std::string_view line);

  clickhouse::ClientPool& pool_;
  const config::Project& project_;
  const ErasureHooks hooks_;
  const std::atomic<bool>& stopping_;
  std::unique_ptr<profiles::Suppressions> suppressions_;
  profiles::ProfileFiles files_;
  profiles::RedactionFiles redactions_;
  bool opened_ = false;
  // Of the thread: redactions that something is wrong with, and when they are asked again; the last looks,
  // and how long the newest one took.
  std::map<std::string, int64_t> refused_;
  std::map<std::string, Look> looks_;
  int64_t looked_us_ = 0;
  std::map<std::string, std::vector<std::string>> event_tables_;  // by name of the profiles

  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = true, ending_ = false;
  std::set<std::string> touched_;  // "bronze.x", since redactions were looked at
  std::atomic<uint64_t> open_{0};
  std::thread worker_;
};

// The folder redactions/ of a project. Errors: those of its sources.
Result<profiles::RedactionFiles> redactions_of(const config::Project& project);

// As /api/deletions and `tidemark profile receipts` show it.
std::string deletion_document(const profiles::Deletion& deletion);

}  // namespace tidemark::cli
