// Keeps refresh models fresh while a project runs: a scheduler (which model is due), a few threads (which run
// it), and what there is to know about it.
//
// Told of cuts after their fences and of finished copies; asked for a run by `tidemark refresh` and verify.
// Each run is a ticket: a run that begins after the asking is a good answer, one that is under way is not.
// replace() puts new models in place while others run; a run of a model that is gone or has another
// fingerprint is finished first.
//
// Thread-safe. stop() kills the queries under way; their models keep the result before.
#pragma once

#include "models/refresh_run.h"
#include "models/refresh_scheduler.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace tidemark::models {

struct RefreshStatus {
  std::string model;
  std::string state;        // live | refreshing | failed
  std::string error;        // of the last run, when it failed
  int64_t stale_since = 0;  // wall clock: the first change that the result lacks; 0: none
  uint64_t runs = 0, failed_runs = 0, run_micros = 0;  // since start
  uint64_t asked = 0, answered = 0;  // tickets: the last that was given, the last whose run is finished
  std::string answer_error;          // of that run
  std::optional<RefreshRun> last;    // good run
};

class RefreshService {
 public:
  // `may_run`: false while tables of this list ("bronze.x") are incomplete; may be empty. `hooks` as in
  // run_refresh.
  RefreshService(clickhouse::ClientPool& pool, const Clock& clock, RefreshHooks hooks,
                 std::function<bool(const std::set<std::string>& tables)> may_run);
  ~RefreshService();
  RefreshService(const RefreshService&) = delete;
  RefreshService& operator=(const RefreshService&) = delete;

  // Also the first call. Waits for the runs under way.
  Status replace(const CompiledModels& models);
  void start();
  void stop();

  void on_cut(const std::vector<std::string>& tables);   // "bronze.x"
  void on_copy(const std::vector<std::string>& tables);  // likewise
  // A ticket for a run that begins after this call. Errors: config when there is no such refresh model.
  Result<uint64_t> ask(const std::string& model);
  // Waits for it. Errors: those of the run; cancelled when stopped; limit after refresh_ms_max.
  Result<RefreshRun> answer(const std::string& model, uint64_t ticket);

  std::vector<RefreshStatus> status() const;
  std::optional<RefreshStatus> status(const std::string& model) const;

 private:
  struct Entry {
    CompiledModel model;
    RefreshStatus facts;
    uint64_t serving = 0;  // tickets up to here are answered by the run under way
  };
  void work();
  RefreshStatus described(const Entry& entry) const;
  Error no_such_model(const std::string& model) const;

  clickhouse::ClientPool& pool_;
  const Clock& clock_;
  RefreshHooks hooks_;
  std::function<bool(const std::set<std::string>&)> may_run_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<RefreshScheduler> scheduler_;
  std::map<std::string, Entry> entries_;
  bool replacing_ = false;
  size_t at_work_ = 0;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace tidemark::models
