// What a start does while a Postgres that the project reads does not answer: it waits until it does, with
// pauses that grow, and says so - in the log, and on the page that is up meanwhile. Orchestrators start
// things in any order, and a Postgres that is away for an hour must not take down what only shares a process
// with it.
//
// What no wait mends (password, role, database, a url that cannot be parsed) ends it with that error. Told to
// stop or to read the project again, it ends with `cancelled`; the signal is left to whoever takes signals.
//
// Threads: one waits; status() may be asked by any.
#pragma once

#include "base/error.h"
#include "config/project.h"
#include "ingest/pipeline_status.h"
#include "serve/live_server.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tidemark::limits {

// A start asks again this often at most: it is one connection, and what waits for it wants to go on.
constexpr std::chrono::milliseconds start_source_wait_max{5'000};
// What is logged while nothing changes.
constexpr int64_t start_source_told_every_us = 60'000'000;

}  // namespace tidemark::limits

namespace tidemark::cli {

class SourceWait {
 public:
  explicit SourceWait(const config::Project& project) : project_(project) {}
  ~SourceWait();
  SourceWait(const SourceWait&) = delete;
  SourceWait& operator=(const SourceWait&) = delete;

  // Returns when every Postgres answers: whether it had to wait for one. `page`: the settings of the page
  // that is up while it waits. What is in the warehouse can be read there; what is sent to it, or asked of
  // parts that have not begun, is answered 503 with the time to come again. Empty: no page.
  Result<bool> until_all_answer(const std::function<Result<serve::ServeOptions>()>& page = {});
  // Of every source of the project, as far as it has come.
  ingest::PipelineStatus status() const;

 private:
  Status look();
  Status open_page(serve::ServeOptions options);

  const config::Project& project_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> away_;  // by source: why
  std::unique_ptr<serve::LiveServer> page_;  // asks for status() until its end
};

}  // namespace tidemark::cli
