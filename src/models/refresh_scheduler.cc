#include "models/refresh_scheduler.h"

#include "base/limits.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tidemark::models {
namespace {

int64_t floor_div(int64_t value, int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

bool any_in(const std::set<std::string>& tables, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return tables.contains(name); });
}

}  // namespace

RefreshScheduler::RefreshScheduler(std::vector<RefreshRule> rules, const Clock& clock, size_t concurrency)
    : rules_(std::move(rules)), clock_(clock), concurrency_(concurrency) {
  // Nobody knows what happened while nothing ran.
  for (const auto& rule : rules_) states_[rule.model].changed = true;
}

int64_t RefreshScheduler::slot(const RefreshRule& rule) const {
  return floor_div(clock_.wall_micros(), rule.every_us);
}

void RefreshScheduler::ran_before(const std::string& model, int64_t wall_micros) {
  for (const auto& rule : rules_)
    if (rule.model == model && rule.every_us > 0)
      states_[model].done_slot = floor_div(wall_micros, rule.every_us);
}

void RefreshScheduler::mark_changed(State& state) {
  state.changed = true;
  if (state.stale_since == 0) state.stale_since = clock_.wall_micros();
}

void RefreshScheduler::changed(const std::vector<std::string>& tables) {
  for (const auto& rule : rules_)
    if (any_in(rule.tables, tables)) mark_changed(states_[rule.model]);
}

void RefreshScheduler::demand_readers_of(const std::vector<std::string>& tables) {
  for (const auto& rule : rules_)
    if (any_in(rule.tables, tables)) {
      mark_changed(states_[rule.model]);
      states_[rule.model].demanded = true;
    }
}

bool RefreshScheduler::demand(const std::string& model) {
  auto state = states_.find(model);
  if (state == states_.end()) return false;
  state->second.demanded = true;
  return true;
}

void RefreshScheduler::demand_all() {
  for (auto& [model, state] : states_) state.demanded = true;
}

bool RefreshScheduler::due(const RefreshRule& rule, const State& state) const {
  if (state.running) return false;
  if (state.demanded) return true;
  int64_t now = clock_.monotonic_micros();
  if (state.failures > 0) return now >= state.retry_at;
  if (rule.on_change && state.changed && now >= state.rest_until) return true;
  return rule.every_us > 0 && state.done_slot != slot(rule);
}

std::optional<std::string> RefreshScheduler::start_next(
    const std::function<bool(const RefreshRule&)>& may_run) {
  size_t at_work = 0;
  for (const auto& [model, state] : states_) at_work += state.running;
  if (at_work >= concurrency_) return std::nullopt;
  // Running, due, or waiting for one that is: models behind these wait.
  std::set<std::string> busy;
  for (const auto& rule : rules_) {
    State& state = states_.at(rule.model);
    bool waits = std::any_of(rule.upstream.begin(), rule.upstream.end(),
                             [&](const std::string& upstream) { return busy.contains(upstream); });
    if (state.running || waits) {
      if (state.running || due(rule, state) || rule.on_change) busy.insert(rule.model);
      continue;
    }
    if (!due(rule, state) || !may_run(rule)) continue;
    state.running = true;
    state.demanded = false;
    state.changed_before_run = std::exchange(state.changed, false);
    state.stale_before_run = std::exchange(state.stale_since, 0);
    state.started_at = clock_.monotonic_micros();
    if (rule.every_us > 0) state.run_slot = slot(rule);
    return rule.model;
  }
  return std::nullopt;
}

void RefreshScheduler::finished(const std::string& model, bool good) {
  int64_t now = clock_.monotonic_micros();
  for (const auto& rule : rules_) {
    if (rule.model != model) continue;
    State& state = states_.at(model);
    state.running = false;
    int64_t took = now - state.started_at;
    state.rest_until = std::max(state.started_at + rule.not_more_often_us, now + took);
    if (good) {
      state.failures = 0;
      if (rule.every_us > 0) state.done_slot = state.run_slot;
    } else {
      int64_t pause = limits::refresh_backoff_min_us;
      for (int failure = 0; failure < state.failures && pause < limits::refresh_backoff_max_us; ++failure)
        pause *= 2;
      ++state.failures;
      state.retry_at = now + std::min(pause, limits::refresh_backoff_max_us);
      state.changed |= state.changed_before_run;
      if (state.stale_before_run != 0) state.stale_since = state.stale_before_run;
    }
  }
  if (!good) return;
  for (const auto& rule : rules_)
    if (rule.upstream.contains(model)) mark_changed(states_.at(rule.model));
}

int64_t RefreshScheduler::micros_until_due() const {
  int64_t now = clock_.monotonic_micros();
  int64_t soonest = std::numeric_limits<int64_t>::max();
  for (const auto& rule : rules_) {
    const State& state = states_.at(rule.model);
    if (state.running) continue;
    if (due(rule, state)) {
      // Held back by something that only its owner sees change.
      soonest = std::min(soonest, limits::refresh_held_poll_us);
      continue;
    }
    int64_t wait = std::numeric_limits<int64_t>::max();
    if (state.failures > 0) {
      wait = state.retry_at - now;
    } else if (rule.on_change && state.changed) {
      wait = state.rest_until - now;
    }
    if (rule.every_us > 0 && state.failures == 0) {
      int64_t next =
          state.done_slot == slot(rule) ? (slot(rule) + 1) * rule.every_us - clock_.wall_micros() : 0;
      wait = std::min(wait, next);
    }
    if (wait == std::numeric_limits<int64_t>::max()) continue;
    soonest = std::min(soonest, std::max(wait, int64_t{1}));
  }
  return soonest;
}

bool RefreshScheduler::running(const std::string& model) const {
  auto state = states_.find(model);
  return state != states_.end() && state->second.running;
}

int64_t RefreshScheduler::stale_since(const std::string& model) const {
  auto state = states_.find(model);
  if (state == states_.end()) return 0;
  // While it runs the result is still the one before.
  return state->second.running && state->second.stale_before_run != 0 ? state->second.stale_before_run
                                                                      : state->second.stale_since;
}

int RefreshScheduler::failures(const std::string& model) const {
  auto state = states_.find(model);
  return state == states_.end() ? 0 : state->second.failures;
}

}  // namespace tidemark::models
