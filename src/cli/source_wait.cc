#include "cli/source_wait.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/running_instance.h"
#include "cli/signals.h"
#include "http/server.h"
#include "ingest/log_follower.h"
#include "postgres/connection.h"

#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace tidemark::cli {

using std::chrono::milliseconds;

namespace {

// False: a signal has come.
bool pause(milliseconds duration) {
  auto until = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < until) {
    if (Signals::pending() || Signals::reload_pending()) return false;
    std::this_thread::sleep_for(milliseconds(50));
  }
  return true;
}

Error not_begun() {
  return {ErrorKind::dependency_down, "the project waits for a Postgres that does not answer",
          "tidemark status says which; it goes on by itself"};
}

}  // namespace

SourceWait::~SourceWait() {
  if (!page_) return;
  page_->stop();
  std::error_code ignored;
  std::filesystem::remove(running_instance_file(project_.root), ignored);
}

Status SourceWait::look() {
  std::map<std::string, std::string> away;
  for (const auto& source : project_.sources) {
    auto opened = postgres::Connection::open(ingest::connection_options(source));
    if (opened) continue;
    if (opened.error().kind != ErrorKind::dependency_down)
      return fail(std::move(opened.error()).in("source " + source.name));
    away[source.name] = opened.error().describe();
  }
  std::lock_guard lock(mutex_);
  away_ = std::move(away);
  return {};
}

Result<bool> SourceWait::until_all_answer(const std::function<Result<serve::ServeOptions>()>& page) {
  milliseconds next = limits::source_backoff_min;
  int64_t told_at = 0;
  for (bool waited = false;; waited = true) {
    TRY_VOID(look());
    if (away_.empty()) {
      if (waited) log::info("every Postgres answers");
      return waited;
    }
    int64_t now = system_clock().monotonic_micros();
    if (!waited || now - told_at > limits::start_source_told_every_us) {
      told_at = now;
      for (const auto& [source, why] : away_)
        log::warn("source {}: waiting until its Postgres answers: {}", source, why);
    }
    if (!waited && page) TRY_VOID(open_page(TRY(page())));
    if (!pause(next)) return fail(ErrorKind::cancelled, "stopped while a Postgres was waited for");
    next = std::min(next * 2, limits::start_source_wait_max);
  }
}

ingest::PipelineStatus SourceWait::status() const {
  ingest::PipelineStatus status;
  std::lock_guard lock(mutex_);
  auto add = [&](const std::string& name) {
    auto away = away_.find(name);
    ingest::SourceStatus source{.source = name, .state = "starting"};
    if (away != away_.end()) {
      source.state = "waiting";
      source.error = away->second;
    }
    status.sources.push_back(std::move(source));
  };
  for (const auto& source : project_.sources) add(source.name);
  for (const auto& source : project_.kafka_sources) add(source.name);
  for (const auto& source : project_.event_sources) add(source.name);
  return status;
}

Status SourceWait::open_page(serve::ServeOptions options) {
  options.pipeline_status = [this] { return status(); };
  options.deploy = [](const std::string&) -> Result<std::string> { return fail(not_begun()); };
  options.more_routes = [](http::Server& server) {
    auto later = [](const http::Request&) {
      auto response = http::Response::problem(not_begun());
      response.headers.emplace_back("Retry-After",
                                    fmt::format("{}", limits::start_source_wait_max.count() / 1'000));
      return response;
    };
    for (const char* method : {"GET", "POST", "PUT", "DELETE"}) server.route(method, "/{rest...}", later);
  };
  std::string token = options.control_token;
  page_ = std::make_unique<serve::LiveServer>(std::move(options));
  TRY_VOID(page_->start());
  return write_running_instance(project_.root, {page_->url(), token});
}

}  // namespace tidemark::cli
