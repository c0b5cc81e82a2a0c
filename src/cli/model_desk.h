// Changes models of a running project: one deployment at a time, in a thread of its own, asked for by verbs
// (over HTTP), by SIGHUP, or at the start for models that are too large to be filled before the stream.
//
// A deployment that fails because the warehouse went away is tried again when it is back, from where it was.
// stop() ends the statement under way and leaves everything resumable. Thread-safe.
#pragma once

#include "cli/deploy_request.h"
#include "clickhouse/client_pool.h"
#include "config/model_file.h"
#include "models/plan.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace tidemark::cli {

class ModelDesk {
 public:
  using Load = std::function<Result<std::vector<config::ModelFile>>(const DeployRequest&)>;
  // `load` reads the project's models as they are on disk now.
  ModelDesk(clickhouse::Endpoint warehouse, Load load, models::DeploymentHooks hooks);
  ~ModelDesk() { stop(); }
  ModelDesk(const ModelDesk&) = delete;
  ModelDesk& operator=(const ModelDesk&) = delete;

  // Its number. Errors: conflict while another one runs.
  Result<uint64_t> begin(DeployRequest request);
  // Lets go of versions that were kept for a rollback for a day; does nothing while a deployment runs.
  void expire();
  // {"deployment": 1, "state": "none|running|done|failed", "model", "phase", "step", "steps", "chunk",
  // "chunks",
  //  "rows", "rows_done", "seconds", "plan": {...}, "plan_text", "error": {"kind", "message", "remedy"}}
  std::string document() const;
  struct Building {
    std::string model;
    int percent = 0;
  };
  std::optional<Building> building() const;
  // Until the deployment under way has ended; its error.
  Status wait();
  void stop();

 private:
  void run(const DeployRequest& request);
  Status attempt(const DeployRequest& request);
  Status apply(clickhouse::Client& client, const DeployRequest& request);

  const clickhouse::Endpoint warehouse_;
  const Load load_;
  models::DeploymentHooks hooks_;
  std::atomic<bool> stop_{false};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
  uint64_t number_ = 0;
  bool running_ = false;
  int64_t started_ = 0, ended_ = 0;
  models::ApplyProgress progress_;
  models::Plan plan_;
  std::optional<Error> error_;
};

}  // namespace tidemark::cli
