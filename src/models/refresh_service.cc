#include "models/refresh_service.h"

#include "base/limits.h"
#include "base/log.h"

namespace tidemark::models {
namespace {

constexpr int64_t micros = 1'000'000;

}  // namespace

RefreshService::RefreshService(clickhouse::ClientPool& pool, const Clock& clock, RefreshHooks hooks,
                               std::function<bool(const std::set<std::string>& tables)> may_run)
    : pool_(pool),
      clock_(clock),
      hooks_(std::move(hooks)),
      may_run_(std::move(may_run)),
      scheduler_(std::make_unique<RefreshScheduler>(std::vector<RefreshRule>(), clock, 0)) {}

RefreshService::~RefreshService() {
  stop();
}

Status RefreshService::replace(const CompiledModels& models) {
  std::vector<RefreshRule> rules;
  std::map<std::string, Entry> entries;
  for (const auto& model : models.models) {
    if (model.kind != ModelKind::refresh) continue;
    rules.push_back({.model = model.name,
                     .every_us = model.file.every_seconds * micros,
                     .on_change = model.file.on_change,
                     .not_more_often_us = model.file.not_more_often_seconds * micros,
                     .tables = model.immediate_tables,
                     .upstream = model.refresh_models});
    entries[model.name].model = model;
    entries[model.name].facts.model = model.name;
  }
  std::map<std::string, RefreshRun> last;
  if (!rules.empty()) {
    TRY_VOID(prepare_refresh_facts(*pool_.lease()));
    last = TRY(last_refreshes(*pool_.lease()));
  }

  std::unique_lock lock(mutex_);
  replacing_ = true;
  changed_.wait(lock, [&] { return at_work_ == 0 || stop_; });
  auto scheduler = std::make_unique<RefreshScheduler>(std::move(rules), clock_, limits::refresh_concurrency);
  for (auto& [name, entry] : entries) {
    auto before = entries_.find(name);
    bool same = before != entries_.end() && before->second.model.fingerprint == entry.model.fingerprint;
    if (before != entries_.end()) {
      entry.facts = before->second.facts;
      entry.serving = before->second.serving;
      if (entry.facts.asked > entry.facts.answered) scheduler->demand(name);
    }
    auto run = last.find(name);
    if (!same) entry.facts.last.reset();
    if (run == last.end() || run->second.fingerprint != entry.model.fingerprint) continue;
    entry.facts.last = run->second;
    scheduler->ran_before(name, run->second.started_at);
  }
  entries_ = std::move(entries);
  scheduler_ = std::move(scheduler);
  replacing_ = false;
  changed_.notify_all();
  return {};
}

void RefreshService::start() {
  for (size_t index = 0; index < limits::refresh_concurrency; ++index)
    threads_.emplace_back([this] { work(); });
}

void RefreshService::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void RefreshService::on_cut(const std::vector<std::string>& tables) {
  std::lock_guard lock(mutex_);
  scheduler_->changed(tables);
  changed_.notify_all();
}

void RefreshService::on_copy(const std::vector<std::string>& tables) {
  std::lock_guard lock(mutex_);
  scheduler_->demand_readers_of(tables);
  changed_.notify_all();
}

Error RefreshService::no_such_model(const std::string& model) const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return Error(ErrorKind::config,
               fmt::format("there is no refresh model {}{}", model, config::did_you_mean(model, names)),
               "other kinds are always up to date");
}

Result<uint64_t> RefreshService::ask(const std::string& model) {
  std::lock_guard lock(mutex_);
  auto entry = entries_.find(model);
  if (entry == entries_.end()) return fail(no_such_model(model));
  RefreshStatus& facts = entry->second.facts;
  // Asked again before the run began: one run is enough for both.
  if (facts.asked == std::max(facts.answered, entry->second.serving)) ++facts.asked;
  scheduler_->demand(model);
  changed_.notify_all();
  return facts.asked;
}

Result<RefreshRun> RefreshService::answer(const std::string& model, uint64_t ticket) {
  std::unique_lock lock(mutex_);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(limits::refresh_ms_max);
  for (;;) {
    auto entry = entries_.find(model);
    if (entry == entries_.end()) return fail(no_such_model(model));
    const RefreshStatus& facts = entry->second.facts;
    if (facts.answered >= ticket) {
      if (!facts.answer_error.empty()) return fail(ErrorKind::refused, facts.answer_error);
      if (facts.last) return *facts.last;
    }
    if (stop_) return fail(ErrorKind::cancelled, "stopped before " + model + " was refreshed");
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout)
      return fail(ErrorKind::limit, model + " was not refreshed in time",
                  "tidemark status says what it waits for");
  }
}

void RefreshService::work() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    std::optional<std::string> name;
    if (!replacing_)
      name = scheduler_->start_next([&](const RefreshRule& rule) {
        return !may_run_ || may_run_(entries_.at(rule.model).model.tables_in_depth);
      });
    if (!name) {
      int64_t pause = replacing_ ? limits::refresh_held_poll_us : scheduler_->micros_until_due();
      // The grid stands on the wall clock, which may be set; and steady_clock cannot hold "never".
      pause = std::clamp<int64_t>(pause, 0, limits::refresh_idle_poll_us);
      changed_.wait_for(lock, std::chrono::microseconds(pause));
      continue;
    }
    ++at_work_;
    Entry& running = entries_.at(*name);
    running.serving = running.facts.asked;
    CompiledModel model = running.model;
    lock.unlock();
    auto run = run_refresh(pool_, model, hooks_, clock_, stop_);
    lock.lock();
    --at_work_;
    scheduler_->finished(*name, run.has_value());
    Entry& entry = entries_.at(*name);  // replace() waits for runs, so it is there
    RefreshStatus& facts = entry.facts;
    facts.answered = entry.serving;
    facts.answer_error.clear();
    if (run) {
      if (!facts.error.empty()) log::info("model {}: refreshed again", *name);
      facts.error.clear();
      ++facts.runs;
      facts.run_micros += static_cast<uint64_t>(run->finished_at - run->started_at);
      facts.last = std::move(*run);
    } else {
      facts.answer_error = run.error().message;
      if (!stop_) {
        if (facts.error != run.error().message)
          log::warn("model {} could not be refreshed, its last result stays: {}", *name, run.error().message);
        facts.error = run.error().message;
        ++facts.failed_runs;
      }
    }
    changed_.notify_all();
  }
}

RefreshStatus RefreshService::described(const Entry& entry) const {
  RefreshStatus status = entry.facts;
  status.state = !status.error.empty()                   ? "failed"
                 : scheduler_->running(entry.model.name) ? "refreshing"
                                                         : "live";
  status.stale_since = scheduler_->stale_since(entry.model.name);
  return status;
}

std::vector<RefreshStatus> RefreshService::status() const {
  std::lock_guard lock(mutex_);
  std::vector<RefreshStatus> all;
  for (const auto& [name, entry] : entries_) all.push_back(described(entry));
  return all;
}

std::optional<RefreshStatus> RefreshService::status(const std::string& model) const {
  std::lock_guard lock(mutex_);
  auto entry = entries_.find(model);
  if (entry == entries_.end()) return std::nullopt;
  return described(entry->second);
}

}  // namespace tidemark::models
