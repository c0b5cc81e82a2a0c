#include "alerts/alert_service.h"

#include "base/log.h"
#include "config/diagnostic.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <limits>

#include "alerts/alert_limits.h"
#include "alerts/alert_query.h"

namespace tidemark::alerts {

using Subject = config::Alert::Subject;
namespace json = boost::json;

namespace {

// How often somebody who does not lead looks whether it does.
constexpr int64_t lead_look_ms = 500;

std::string summary_of(const config::Alert& alert, const Step& step, std::optional<double> value) {
  std::string number = !value ? "no value" : fmt::format("{:.6g}{}", *value, alert.compares() ? " %" : "");
  if (alert.subject == Subject::source || alert.condition == config::Alert::Condition::age)
    number = !value                                              ? "no value"
             : alert.measure == config::Alert::Measure::retained ? fmt::format("{:.0f} bytes", *value)
                                                                 : fmt::format("{:.0f} s", *value);
  const char* state = step.telling == Telling::resolved   ? "resolved"
                      : step.telling == Telling::repeated ? "still firing"
                                                          : "firing";
  return fmt::format("{} is {}: {} ({})", alert.name, state, number, config::describe_condition(alert));
}

std::string numbered(const std::string& data, uint64_t seq, uint64_t prev_seq) {
  json::object object = json::parse(data).as_object();  // our own
  object["seq"] = seq;
  object["prev_seq"] = prev_seq;
  return json::serialize(object);
}

}  // namespace

AlertService::AlertService(std::vector<config::Alert> alerts, clickhouse::ClientPool& pool,
                           clickhouse::Endpoint reader, notify::Outbox* outbox, AlertHooks hooks,
                           const Clock& clock)
    : pool_(pool),
      outbox_(outbox),
      hooks_(std::move(hooks)),
      clock_(clock),
      store_(pool, stop_),
      client_(std::move(reader)) {
  for (auto& alert : alerts) {
    Watched watched;
    watched.facts = {.alert = alert.name,
                     .description = alert.description,
                     .owner = alert.owner,
                     .severity = alert.severity,
                     .condition = config::describe_condition(alert),
                     .sql = alert.sql,
                     .of = alert.of,
                     .notify = alert.notify,
                     .state = "ok",
                     .percent = alert.compares()};
    watched.alert = std::move(alert);
    watched_.push_back(std::move(watched));
  }
}

AlertService::~AlertService() {
  stop();
}

Status AlertService::prepare() {
  return store_.prepare();
}

void AlertService::start() {
  thread_ = std::thread([this] { run(); });
}

void AlertService::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AlertService::on_cut(const std::vector<std::string>& tables) {
  {
    std::lock_guard lock(mutex_);
    touched_.insert(tables.begin(), tables.end());
    cut_ = true;
  }
  changed_.notify_all();
}

std::vector<AlertFacts> AlertService::facts() const {
  std::lock_guard lock(mutex_);
  std::vector<AlertFacts> list;
  for (const auto& watched : watched_) {
    AlertFacts facts = watched.facts;
    facts.state = name(watched.state.phase);
    facts.since_ms = watched.state.since_ms;
    facts.told_at_ms = watched.state.told_at_ms;
    facts.next_check_ms = watched.due_ms;
    for (const auto& sample : watched.samples) facts.history.emplace_back(sample.at_ms, sample.value);
    list.push_back(std::move(facts));
  }
  return list;
}

Result<std::vector<AlertChange>> AlertService::history(const std::string& alert) {
  std::vector<std::string> names;
  for (const auto& watched : watched_) names.push_back(watched.alert.name);
  if (std::find(names.begin(), names.end(), alert) == names.end())
    return fail(ErrorKind::usage,
                fmt::format("there is no alert {}{}", alert, config::did_you_mean(alert, names)),
                "GET /api/alerts lists them");
  return store_.history(alert);
}

bool AlertService::wait_until(int64_t wall_ms, bool cuts_wake) {
  std::unique_lock lock(mutex_);
  auto pause = std::chrono::milliseconds(std::max<int64_t>(0, wall_ms - clock_.wall_micros() / 1000));
  changed_.wait_for(lock, pause, [&] { return stop_ || (cuts_wake && cut_); });
  return !stop_;
}

void AlertService::take_cuts() {
  std::set<std::string> tables;
  {
    std::lock_guard lock(mutex_);
    if (!std::exchange(cut_, false)) return;
    tables.swap(touched_);
  }
  // Only this thread changes the list; the lineage follows the models.
  std::vector<bool> touched;
  for (const auto& watched : watched_) {
    if (watched.alert.subject != Subject::query) {
      touched.push_back(false);
      continue;
    }
    std::set<std::string> reads =
        hooks_.lineage ? hooks_.lineage(watched.alert.sql) : std::set<std::string>();
    touched.push_back(reads.empty() || std::any_of(reads.begin(), reads.end(), [&](const auto& table) {
                        return tables.contains(table);
                      }));
  }
  int64_t now_ms = clock_.wall_micros() / 1000;
  std::lock_guard lock(mutex_);
  for (size_t index = 0; index < watched_.size(); ++index)
    if (touched[index] && watched_[index].touched_ms == 0) watched_[index].touched_ms = now_ms;
}

AlertService::Watched* AlertService::next_due(int64_t now_ms, int64_t& wake_ms) {
  Watched* found = nullptr;
  int64_t found_at = std::numeric_limits<int64_t>::max();
  for (auto& watched : watched_) {
    int64_t at = watched.due_ms;
    if (watched.touched_ms > 0)
      at = std::min(at, std::max(watched.facts.checked_at_ms + limits::cut_pause_ms,
                                 watched.touched_ms + limits::after_cut_ms));
    at = std::max(at, watched.not_before_ms);
    // A clock that was set back would keep it waiting for what is gone.
    if (watched.facts.checked_at_ms > now_ms) at = now_ms;
    if (at < found_at) {
      found_at = at;
      found = &watched;
    }
  }
  wake_ms = std::min(found_at, now_ms + lead_look_ms);
  return found_at <= now_ms ? found : nullptr;
}

void AlertService::run() {
  while (!stop_) {
    int64_t now_ms = clock_.wall_micros() / 1000, wake_ms = 0;
    bool cuts_wake = false;
    take_cuts();
    if (!hooks_.leads()) {
      loaded_ = false;
      std::lock_guard lock(mutex_);
      for (auto& watched : watched_) watched.facts.waits = "another process of the project looks at it";
      wake_ms = now_ms + lead_look_ms;
    } else if (!loaded_) {
      if (Status done = load(); !done && !stop_) {
        log::warn("alerts wait: {}", done.error().describe());
        wake_ms = now_ms + limits::again_after_ms;
      }
    } else if (Watched* due = next_due(now_ms, wake_ms)) {
      int64_t began = clock_.monotonic_micros();
      check(*due);
      save_samples(now_ms);
      auto took_ms = static_cast<double>(clock_.monotonic_micros() - began) / 1000;
      wake_ms =
          clock_.wall_micros() / 1000 + static_cast<int64_t>(took_ms * (1 / limits::checking_share_max - 1));
    } else {
      cuts_wake = true;
    }
    if (wake_ms > now_ms && !wait_until(wake_ms, cuts_wake)) return;
  }
}

Status AlertService::load() {
  auto newest = TRY(store_.newest());
  auto samples = TRY(store_.samples());
  {
    std::lock_guard lock(mutex_);
    for (auto& watched : watched_) {
      for (const auto& change : newest)
        if (change.state.alert == watched.alert.name) watched.state = change.state;
      if (watched.samples.empty())
        if (auto found = samples.find(watched.alert.name); found != samples.end())
          watched.samples.assign(found->second.begin(), found->second.end());
      watched.due_ms = 0;
    }
  }
  TRY_VOID(tell_untold());
  TRY_VOID(withdraw(newest));
  loaded_ = true;
  return {};
}

Status AlertService::tell_untold() {
  if (outbox_ == nullptr) return {};
  for (auto& change : TRY(store_.untold())) {
    log::info("alert {}: {} was not told before a stop, and is now", change.state.alert, change.kind);
    AlertState state = change.state;
    state.seq = change.prev_seq;
    Step again{.state = state, .telling = Telling::firing};
    TRY_VOID(commit(state, again, std::move(change)));
    std::lock_guard lock(mutex_);
    for (auto& watched : watched_)
      if (watched.alert.name == state.alert) watched.state = state;
  }
  return {};
}

Status AlertService::withdraw(const std::vector<AlertChange>& newest) {
  int64_t now_ms = clock_.wall_micros() / 1000;
  for (const auto& last : newest) {
    bool known = std::any_of(watched_.begin(), watched_.end(),
                             [&](const auto& watched) { return watched.alert.name == last.state.alert; });
    if (known) continue;
    Step step = withdrawn(last.state, now_ms);
    if (!step.changed) continue;
    log::info("alert {} is in no file any more", last.state.alert);
    AlertChange change = last;
    change.kind = kind_of(step.telling);
    change.at_ms = now_ms;
    change.value.reset();
    change.data = json::serialize(json::object{{"alert", last.state.alert},
                                               {"severity", last.severity},
                                               {"state", "resolved"},
                                               {"reason", "it is in no file any more"},
                                               {"summary", last.state.alert + " was taken out"}});
    AlertState state = last.state;
    TRY_VOID(commit(state, step, std::move(change)));
  }
  return {};
}

AlertChange AlertService::change_of(const config::Alert& alert, const Step& step, std::optional<double> value,
                                    int64_t now_ms) const {
  AlertChange change{.at_ms = now_ms, .value = value, .severity = alert.severity};
  if (step.telling == Telling::nothing) return change;
  change.kind = kind_of(step.telling);
  change.destinations = alert.notify;
  json::object data{{"alert", alert.name},
                    {"severity", alert.severity},
                    {"state", step.telling == Telling::resolved ? "resolved" : "firing"},
                    {"summary", summary_of(alert, step, value)},
                    {"description", alert.description},
                    {"owner", alert.owner},
                    {"condition", config::describe_condition(alert)},
                    {"value", value ? json::value(*value) : json::value(nullptr)},
                    {"limit", alert.limit},
                    {"since", notify::iso_time(step.state.since_ms)}};
  int64_t oldest = 0;
  for (const auto& source : hooks_.pipeline().sources)
    if (source.as_of_micros > 0 && (oldest == 0 || source.as_of_micros < oldest))
      oldest = source.as_of_micros;
  if (oldest > 0) data["as_of"] = notify::iso_time(oldest / 1000);
  change.data = json::serialize(data);
  return change;
}

Status AlertService::commit(AlertState& state, const Step& step, AlertChange change) {
  change.state = step.state;
  change.state.revision = state.revision + 1;
  bool tells = step.telling != Telling::nothing && outbox_ != nullptr && !change.destinations.empty();
  Status done = [&]() -> Status {
    if (!tells) return store_.write(change);
    return hooks_.in_order([&](uint64_t& seq) -> Status {
      change.prev_seq = state.seq;
      change.state.seq = ++seq;
      change.data = numbered(change.data, seq, change.prev_seq);
      TRY_VOID(store_.write(change));
      return outbox_->append({{change.notification(), change.destinations}},
                             fmt::format("alert:{}:{}", change.state.alert, change.state.seq), write_policy(),
                             stop_);
    });
  }();
  if (!done) {
    // What of it is written is looked up before anything else.
    loaded_ = false;
    return done;
  }
  if (tells && hooks_.told) hooks_.told();
  state = change.state;
  return {};
}

int64_t AlertService::lag_ms(const std::string& name) {
  int64_t now = clock_.monotonic_micros(), lag = 0;
  for (const auto& source : hooks_.pipeline().sources) {
    if (source.follows()) {
      silent_since_.erase(source.source);
    } else {
      // Nobody knows what it has by now.
      int64_t since = silent_since_.emplace(source.source, now).first->second;
      if (source.source == name) lag = (now - since) / 1000;
    }
    if (source.source == name) lag = std::max(lag, source.lag_ms);
  }
  return lag;
}

// No value: the source has no slot, or nothing invalidates it.
std::optional<double> AlertService::slot_value(const config::Alert& alert) {
  for (const auto& source : hooks_.pipeline().sources) {
    if (source.source != alert.of || !source.slot) continue;
    if (alert.measure == config::Alert::Measure::retained)
      return static_cast<double>(source.slot->retained_bytes);
    if (source.slot->seconds_left) return static_cast<double>(*source.slot->seconds_left);
  }
  return std::nullopt;
}

std::string AlertService::not_whole() {
  for (const auto& source : hooks_.pipeline().sources) {
    if (source.follows()) followed_.insert(source.source);
    if (!followed_.contains(source.source))
      return fmt::format("source {} does not follow yet", source.source);
    for (const auto& table : source.tables)
      if (table.state == "copying") return fmt::format("table {} is being copied", table.table);
  }
  return "";
}

Result<std::optional<double>> AlertService::read(const config::Alert& alert, int64_t now_ms) {
  if (alert.subject == Subject::source && alert.measure != config::Alert::Measure::lag)
    return slot_value(alert);
  if (alert.subject == Subject::source) return static_cast<double>(lag_ms(alert.of)) / 1000;
  if (alert.subject == Subject::query) return ask_value(client_, alert, now_ms);
  std::optional<double> failing;
  for (const auto& audit : hooks_.audits())
    if (audit.known && (audit.model == alert.of || alert.of == "all"))
      failing = failing.value_or(0) + static_cast<double>(audit.failing);
  return failing;
}

// The list does not change; what is shown of an entry does, under the lock.
void AlertService::check(Watched& watched) {
  const config::Alert& alert = watched.alert;
  int64_t now_ms = clock_.wall_micros() / 1000, began = clock_.monotonic_micros();
  std::string waits = alert.subject == Subject::query ? not_whole() : "";
  {
    std::lock_guard lock(mutex_);
    watched.touched_ms = 0;
    watched.facts.waits = waits;
    watched.not_before_ms = 0;
    watched.due_ms = now_ms + (waits.empty() ? alert.every_seconds * 1000 : limits::cut_pause_ms);
  }
  if (!waits.empty()) return;
  auto value = read(alert, now_ms);
  Step next = value ? step(alert, watched.state, *value, now_ms) : Step{};
  if (value && next.changed && alert.subject == Subject::query) {
    Status whole = hooks_.while_whole([&]() -> Status {
      value = read(alert, now_ms);
      return {};
    });
    if (!whole) value = fail(std::move(whole.error()));
    if (value) next = step(alert, watched.state, *value, now_ms);
  }
  AlertState state = watched.state;
  Status written;
  if (value && next.changed) written = commit(state, next, change_of(alert, next, *value, now_ms));
  std::string error = !value ? value.error().describe() : !written ? written.error().describe() : "";
  if (!error.empty() && watched.facts.error.empty() && !stop_) log::warn("alert {}: {}", alert.name, error);
  if (value && written && next.telling != Telling::nothing) log::info("{}", summary_of(alert, next, *value));
  std::lock_guard lock(mutex_);
  ++watched.facts.checks;
  watched.facts.check_micros += static_cast<uint64_t>(clock_.monotonic_micros() - began);
  watched.facts.checked_at_ms = now_ms;
  watched.facts.error = error;
  if (!error.empty()) {
    ++watched.facts.failed_checks;
    watched.not_before_ms = now_ms + limits::again_after_ms;
    watched.due_ms = watched.not_before_ms;
    return;
  }
  if (next.changed) watched.state = state;
  if (watched.state.since_ms == 0) watched.state.since_ms = now_ms;
  watched.facts.value = *value;
  watched.due_ms = std::min(watched.due_ms, next.look_again_ms);
  if (*value) add_sample(watched, **value, now_ms);
}

void AlertService::add_sample(Watched& watched, double value, int64_t now_ms) {
  if (!watched.samples.empty() && now_ms - watched.samples.back().at_ms < limits::sample_every_ms) return;
  watched.samples.push_back({.alert = watched.alert.name, .at_ms = now_ms, .value = value});
  if (watched.samples.size() > limits::samples_max) watched.samples.pop_front();
  unsaved_.push_back(watched.samples.back());
}

// For pictures: what cannot be written is left out.
void AlertService::save_samples(int64_t now_ms) {
  if (unsaved_.empty() || now_ms - saved_at_ms_ < limits::sample_every_ms) return;
  saved_at_ms_ = now_ms;
  if (Status done = store_.add(unsaved_); !done)
    log::warn("values of alerts are not kept: {}", done.error().describe());
  unsaved_.clear();
}

}  // namespace tidemark::alerts
