// Which refresh model runs next. Pure decisions over a clock: no threads, no warehouse; refresh_service.h
// acts.
//
//   every      runs stand on a grid of wall-clock time (every 5 minutes: at :00, :05, ...), so they do not
//              drift, restarts do not move them, and however many were missed, one run makes up for them
//   on_change  due when something the model reads has changed since its last run began, but at most once in
//              not_more_often, and resting after a run at least as long as the run took, so that models
//              on change never take more than half the time
//   demanded   due at once
//   failed     tried again after a pause that doubles; the result before stays
//
// A model waits while a refresh model it reads runs or is due, so that one round of changes passes a chain
// once. A finished run is a change for the models on change behind it; a model with only `every` keeps its
// own schedule.
//
// Not thread-safe.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

struct RefreshRule {
  std::string model;
  int64_t every_us = 0;  // 0: no schedule
  bool on_change = false;
  int64_t not_more_often_us = 0;
  std::set<std::string> tables;    // "bronze.x" that reach it without passing a refresh model
  std::set<std::string> upstream;  // refresh models that reach it directly or through views
};

class RefreshScheduler {
 public:
  // `rules`: each model after those it reads.
  RefreshScheduler(std::vector<RefreshRule> rules, const Clock& clock, size_t concurrency);

  // Known from an earlier life: the wall time at which the last good run of the model began.
  void ran_before(const std::string& model, int64_t wall_micros);
  void changed(const std::vector<std::string>& tables);
  // Its tables were copied anew: due whatever its rule says.
  void demand_readers_of(const std::vector<std::string>& tables);
  // False when there is no such model.
  bool demand(const std::string& model);
  void demand_all();

  // The model to run now; it counts as running from here on. `may_run` holds a model back (its source is
  // being copied).
  std::optional<std::string> start_next(const std::function<bool(const RefreshRule&)>& may_run);
  void finished(const std::string& model, bool good);
  // Until start_next() may have another answer by the passing of time alone; large when only events can.
  int64_t micros_until_due() const;

  bool running(const std::string& model) const;
  // Wall time since when its answer may be another one: of the first change that the last run did not see. 0:
  // up to date.
  int64_t stale_since(const std::string& model) const;
  int failures(const std::string& model) const;
  const std::vector<RefreshRule>& rules() const { return rules_; }

 private:
  struct State {
    bool running = false, demanded = false, changed = false;
    bool changed_before_run = false;  // what a failed run leaves due
    int64_t stale_since = 0, stale_before_run = 0;
    std::optional<int64_t> done_slot;
    int64_t run_slot = 0;
    int64_t started_at = 0, rest_until = 0, retry_at = 0;  // monotonic
    int failures = 0;
  };
  int64_t slot(const RefreshRule& rule) const;
  bool due(const RefreshRule& rule, const State& state) const;
  void mark_changed(State& state);

  std::vector<RefreshRule> rules_;
  std::map<std::string, State> states_;
  const Clock& clock_;
  size_t concurrency_;
};

}  // namespace tidemark::models
