#include "cli/model_desk.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/diagnostic.h"
#include "models/backfill.h"
#include "models/compiler.h"
#include "models/deployment.h"
#include "models/rollback.h"

#include <boost/json.hpp>

namespace tidemark::cli {

namespace json = boost::json;

namespace {

// A rollback is for what went wrong today; until then every cut pays for two versions.
constexpr int64_t retired_kept_us = 24 * 3'600'000'000LL;

bool passes(const Error& error) {
  return error.kind == ErrorKind::dependency_down || error.kind == ErrorKind::unknown_outcome;
}

}  // namespace

ModelDesk::ModelDesk(clickhouse::Endpoint warehouse, Load load, models::DeploymentHooks hooks)
    : warehouse_(std::move(warehouse)), load_(std::move(load)), hooks_(std::move(hooks)) {
  hooks_.stopping = [this] { return stop_.load(); };
}

Result<uint64_t> ModelDesk::begin(DeployRequest request) {
  std::lock_guard lock(mutex_);
  if (stop_) return fail(ErrorKind::cancelled, "the project is stopping");
  if (running_)
    return fail(ErrorKind::conflict,
                fmt::format("a deployment is under way ({}, {})", progress_.model, progress_.phase),
                "wait for its end: tidemark status shows how far it is");
  if (thread_.joinable()) thread_.join();
  running_ = true;
  started_ = system_clock().monotonic_micros();
  progress_ = {};
  plan_ = {};
  error_.reset();
  thread_ = std::thread([this, request = std::move(request)] { run(request); });
  return ++number_;
}

void ModelDesk::run(const DeployRequest& request) {
  Status done;
  for (int number = 1;; ++number) {
    done = attempt(request);
    if (done || stop_ || !passes(done.error()) || number == limits::start_step_attempts) break;
    log::warn("deployment: the warehouse went away, going on when it is back: {}", done.error().message);
    clickhouse::Client client(warehouse_);
    int64_t deadline = system_clock().monotonic_micros() + limits::start_warehouse_wait_us;
    while (!stop_ && !client.ping(std::chrono::seconds(1)) && system_clock().monotonic_micros() < deadline) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return stop_.load(); });
    }
  }
  if (!done) log::error("deployment: {}", done.error().describe());
  std::lock_guard lock(mutex_);
  if (!done) error_ = std::move(done.error());
  running_ = false;
  ended_ = system_clock().monotonic_micros();
  changed_.notify_all();
}

Status ModelDesk::attempt(const DeployRequest& request) {
  clickhouse::Client client(warehouse_);
  if (request.action == DeployRequest::Action::rollback) {
    auto names = TRY(models::rollback(client, request.model, hooks_));
    log::info("rolled back: {}", fmt::join(names, ", "));
    return {};
  }
  return apply(client, request);
}

void ModelDesk::expire() {
  std::lock_guard lock(mutex_);
  if (stop_ || running_) return;
  if (thread_.joinable()) thread_.join();
  running_ = true;
  thread_ = std::thread([this] {
    clickhouse::Client client(warehouse_);
    models::CompiledModels none;
    models::Plan nothing;
    models::ApplyOptions options{.hooks = hooks_};
    models::Deployment deployment(client, none, nothing, options);
    if (auto done = deployment.drop_retired(system_clock().wall_micros() - retired_kept_us); !done)
      log::warn("versions kept for a rollback: {}", done.error().describe());
    std::lock_guard ended(mutex_);
    running_ = false;
    changed_.notify_all();
  });
}

Status ModelDesk::apply(clickhouse::Client& client, const DeployRequest& request) {
  auto files = TRY(load_(request));
  auto compilation = TRY(models::compile(client, files));
  if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
  models::Plan plan;
  if (request.action == DeployRequest::Action::backfill) {
    plan = TRY(models::plan_rebuild(client, compilation.models, request.model, request.partitions));
  } else {
    plan = TRY(models::compute_plan(client, compilation.models));
    if (!request.plan.empty() && request.plan != plan.id) return models::stale_plan(request.plan, plan);
  }
  if (request.leave_dropped) models::keep_dropped(plan);
  {
    std::lock_guard lock(mutex_);
    plan_ = plan;
  }
  if (plan.empty()) return {};
  models::ApplyOptions options{.allow_destructive = request.destructive, .hooks = hooks_};
  options.progress = [this](const models::ApplyProgress& progress) {
    std::lock_guard lock(mutex_);
    if (progress.model != progress_.model || progress.phase != progress_.phase)
      log::info("model {} ({}/{}): {}", progress.model, progress.step, progress.steps, progress.phase);
    progress_ = progress;
  };
  return models::apply_plan(client, compilation.models, plan, options);
}

std::string ModelDesk::document() const {
  std::lock_guard lock(mutex_);
  int64_t until = running_ ? system_clock().monotonic_micros() : ended_;
  json::object document{{"deployment", number_},
                        {"state", number_ == 0 ? "none"
                                  : running_   ? "running"
                                  : error_     ? "failed"
                                               : "done"},
                        {"model", progress_.model},
                        {"phase", progress_.phase},
                        {"step", progress_.step},
                        {"steps", progress_.steps},
                        {"chunk", progress_.chunk},
                        {"chunks", progress_.chunks},
                        {"rows", progress_.rows},
                        {"rows_done", progress_.rows_done},
                        {"seconds", static_cast<double>(until - started_) / 1e6},
                        {"plan", json::parse(plan_.to_json())},
                        {"plan_text", plan_.to_text()}};
  if (error_)
    document["error"] = json::object{{"kind", tidemark::name(error_->kind)},
                                     {"number", static_cast<int>(error_->kind)},
                                     {"message", error_->message},
                                     {"context", json::value_from(error_->context)},
                                     {"remedy", error_->remedy}};
  return json::serialize(document);
}

std::optional<ModelDesk::Building> ModelDesk::building() const {
  std::lock_guard lock(mutex_);
  if (!running_ || progress_.model.empty()) return std::nullopt;
  uint64_t total = std::max<uint64_t>(1, progress_.rows);
  return Building{.model = progress_.model,
                  .percent = static_cast<int>(std::min<uint64_t>(100, progress_.rows_done * 100 / total))};
}

Status ModelDesk::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !running_; });
  if (error_) return fail(*error_);
  return {};
}

void ModelDesk::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!running_ || changed_.wait_for(lock, std::chrono::milliseconds(200), [&] { return !running_; }))
        break;
    }
    // Asked again: a statement may begin between our flag and its look at it.
    clickhouse::Client client(warehouse_);
    (void)models::cancel_backfills(client);
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace tidemark::cli
