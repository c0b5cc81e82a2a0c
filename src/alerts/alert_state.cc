#include "alerts/alert_state.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tidemark::alerts {

using Condition = config::Alert::Condition;

namespace {

constexpr int64_t never = std::numeric_limits<int64_t>::max();

// What is compared with the limit: the larger, the worse.
double badness(const config::Alert& alert, double value) {
  return alert.condition == Condition::below || alert.condition == Condition::falls ? -value : value;
}

// The limit on that scale: "falls by 30 %" is a change of -30, "below 3" a value of 3.
double edge(const config::Alert& alert, double limit) {
  return alert.condition == Condition::below ? -limit : limit;
}

bool is_met(const config::Alert& alert, std::optional<double> value) {
  if (!value) return alert.empty_fires;
  return badness(alert, *value) > edge(alert, alert.limit);
}

bool is_over(const config::Alert& alert, std::optional<double> value) {
  if (is_met(alert, value)) return false;
  return !value || !alert.recover || badness(alert, *value) <= edge(alert, *alert.recover);
}

void enter(Step& step, Phase phase, int64_t now_ms) {
  step.state.phase = phase;
  step.state.since_ms = now_ms;
  step.state.over_since_ms = 0;
  step.changed = true;
}

void tell(Step& step, Telling telling, int64_t now_ms) {
  step.telling = telling;
  step.state.told_at_ms = now_ms;
  step.changed = true;
}

}  // namespace

const char* name(Phase phase) {
  switch (phase) {
    case Phase::ok:
      return "ok";
    case Phase::pending:
      return "pending";
    case Phase::firing:
      return "firing";
  }
  return "ok";
}

Phase phase_named(const std::string& text) {
  if (text == "pending") return Phase::pending;
  return text == "firing" ? Phase::firing : Phase::ok;
}

std::string kind_of(Telling telling) {
  switch (telling) {
    case Telling::nothing:
      return "";
    case Telling::firing:
      return "alert.firing";
    case Telling::repeated:
      return "alert.repeated";
    case Telling::resolved:
      return "alert.resolved";
  }
  return "";
}

Step step(const config::Alert& alert, const AlertState& before, std::optional<double> value, int64_t now_ms) {
  Step step{.state = before, .look_again_ms = never};
  AlertState& state = step.state;
  state.alert = alert.name;
  if (state.since_ms == 0) state.since_ms = now_ms;
  bool met = is_met(alert, value);
  if (state.phase == Phase::ok && met) enter(step, Phase::pending, now_ms);
  if (state.phase == Phase::pending && !met) enter(step, Phase::ok, now_ms);
  if (state.phase == Phase::pending) {
    int64_t fires_at = state.since_ms + alert.for_seconds * 1000;
    step.look_again_ms = fires_at;
    if (now_ms >= fires_at) {
      enter(step, Phase::firing, now_ms);
      tell(step, Telling::firing, now_ms);
    }
  }
  if (state.phase != Phase::firing) return step;
  bool over = is_over(alert, value);
  if (over != (state.over_since_ms != 0)) {
    state.over_since_ms = over ? now_ms : 0;
    step.changed = true;
  }
  int64_t resolved_at = over ? state.over_since_ms + alert.recover_for_seconds * 1000 : never;
  int64_t repeated_at = alert.repeat_seconds > 0 ? state.told_at_ms + alert.repeat_seconds * 1000 : never;
  step.look_again_ms = std::min(resolved_at, repeated_at);
  if (now_ms >= resolved_at) {
    enter(step, Phase::ok, now_ms);
    tell(step, Telling::resolved, now_ms);
    step.look_again_ms = never;
  } else if (now_ms >= repeated_at) {
    tell(step, Telling::repeated, now_ms);
    step.look_again_ms = std::min(resolved_at, now_ms + alert.repeat_seconds * 1000);
  }
  return step;
}

Step withdrawn(const AlertState& before, int64_t now_ms) {
  Step step{.state = before, .look_again_ms = never};
  if (before.phase == Phase::ok) return step;
  bool fired = before.phase == Phase::firing;
  enter(step, Phase::ok, now_ms);
  if (fired) tell(step, Telling::resolved, now_ms);
  return step;
}

std::optional<double> change_percent(std::optional<double> now, std::optional<double> before) {
  if (!now || !before || *before == 0) return std::nullopt;
  double change = (*now - *before) / std::abs(*before) * 100;
  return std::isfinite(change) ? std::optional(change) : std::nullopt;
}

}  // namespace tidemark::alerts
