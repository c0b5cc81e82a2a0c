// A whole project at work in this process: warehouse, sources, models, page. `up` and `demo` are thin shells
// around it.
//
// Start order, each step failing with its own clear error before anything later is touched: warehouse; every
// source's preflight and bronze tables; models compiled and deployed; page; capture. Stop is the reverse. The
// project's directory holds .tidemark/up.json ({"pid", "url", "token"}) while it runs, which is how other
// verbs find it. Threads: start and stop from one thread; status() from any.
#pragma once

#include "cli/deploy_request.h"
#include "clickhouse/endpoint.h"
#include "config/project.h"
#include "ingest/pipeline_status.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace tidemark::cli {

struct RunOptions {
  bool recopy = false;            // every source starts a new epoch with a new copy
  bool wait_for_sources = false;  // start() waits for a Postgres that does not answer, however long that is
  std::filesystem::path program;  // of this process: tidemark-clickhouse lies beside it
};

class RunningProject {
 public:
  // Errors: cancelled when a signal came while it waited for a source.
  static Result<std::unique_ptr<RunningProject>> start(config::Project project, const RunOptions& options);
  ~RunningProject();
  RunningProject(const RunningProject&) = delete;
  RunningProject& operator=(const RunningProject&) = delete;

  std::string url() const;  // of the page
  const config::Project& project() const;
  clickhouse::Endpoint warehouse() const;
  ingest::PipelineStatus status() const;
  // Every source streams, and nothing it has sent waits to be applied.
  bool quiet() const;
  // Changes models while everything goes on: returns when it has begun.
  Result<uint64_t> deploy(DeployRequest request);
  // Called again and again by whoever waits for its end: what is due once in a while.
  void tidy();
  // The project's files but for its models are what they were at the start, so that deploy() is all a change
  // needs.
  bool only_models_changed() const;
  // Runs a refresh model and waits for the end of a run that begins after this call.
  Status refresh(const std::string& model);
  // Everything the sources have now is in, models that are still being filled are, and refresh models are
  // made anew from it. `stopped` is asked now and then.
  Status catch_up(const std::function<bool()>& stopped);
  // A source that can never run (wrong password, lost slot): the error to end with.
  std::optional<Error> gave_up() const;
  void stop();

 private:
  struct State;
  explicit RunningProject(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::cli
