#include "experiments/kept_experiments.h"

#include "base/clock.h"
#include "experiments/experiments_limits.h"
#include "experiments/watched_units.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::experiments {

std::vector<std::shared_ptr<KeptExperiments::Entry>> KeptExperiments::entries() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Entry>> list;
  for (const auto& [name, entry] : kept_) list.push_back(entry);
  return list;
}

void KeptExperiments::touched(clickhouse::Client& client, const models::TouchedKeys& keys) {
  for (const auto& entry : entries())
    if (entry->units.watched().contains(keys.model.name)) entry->units.touched(client, keys);
}

void KeptExperiments::all_touched() {
  for (const auto& entry : entries()) entry->units.all_touched();
}

void KeptExperiments::forget(clickhouse::Client& client) {
  for (const auto& entry : entries()) {
    std::lock_guard asking(entry->asking);
    entry->units.drop(client);
  }
}

std::shared_ptr<KeptExperiments::Entry> KeptExperiments::entry_of(clickhouse::Client& client,
                                                                  const std::string& experiment,
                                                                  const std::set<std::string>& watched) {
  std::vector<std::shared_ptr<Entry>> gone;
  std::shared_ptr<Entry> found;
  {
    std::lock_guard lock(mutex_);
    int64_t now = system_clock().monotonic_micros();
    if (auto same = kept_.find(experiment); same != kept_.end() && same->second->units.watched() != watched) {
      gone.push_back(same->second);
      kept_.erase(same);
    }
    for (auto one = kept_.begin(); one != kept_.end();) {
      bool old = one->first != experiment && now - one->second->asked_us > limits::kept_unasked_us;
      if (old) gone.push_back(one->second);
      one = old ? kept_.erase(one) : std::next(one);
    }
    auto known = kept_.find(experiment);
    if (known == kept_.end() && kept_.size() < limits::kept_experiments_max)
      known = kept_.emplace(experiment, std::make_shared<Entry>(watched, units_a_slice_)).first;
    if (known != kept_.end()) {
      found = known->second;
      found->asked_us = now;
    }
  }
  for (const auto& entry : gone) {
    std::lock_guard asking(entry->asking);
    entry->units.drop(client);
  }
  return found;
}

bool KeptExperiments::is_followed(const std::optional<std::set<std::string>>& watched) const {
  return watched && std::all_of(watched->begin(), watched->end(), followed_);
}

// What cuts touched while units were recomputed is recomputed between two of them.
Status KeptExperiments::bring_to_fence(clickhouse::Client& client, KeptUnits& units,
                                       const Experiment& experiment,
                                       const std::vector<const Metric*>& metrics, const SumsOptions& options,
                                       KeptUnits::Brought& brought, Answer& answer) {
  if (!fences_.hold) {
    answer.no_fence = "only a process that applies all cuts knows where one ends";
    return {};
  }
  std::string exposures = exposures_of(experiment, options.exposures);
  for (int attempt = 0; attempt < limits::fence_attempts; ++attempt) {
    bool held = false;
    std::optional<KeptUnits::Brought> rest;
    Status done = fences_.hold([&]() -> Status {
      held = true;
      rest = TRY(
          units.bring(client, experiment, metrics, exposures, options.at_us, limits::touched_units_at_fence));
      if (rest) answer.fence = fences_.name();
      return {};
    });
    if (held && !done) return done;
    if (!held) {
      answer.no_fence = done.error().message;
      return {};
    }
    bool there = rest.has_value();
    // Many: beside the cuts again, for what came meanwhile.
    if (!there) rest = TRY(units.bring(client, experiment, metrics, exposures, options.at_us));
    if (!rest) return fail(ErrorKind::internal, "units that are kept are of a later time than the question");
    rest->recomputed += brought.recomputed;
    rest->made_anew |= brought.made_anew;
    brought = std::move(*rest);
    if (there) return {};
  }
  answer.no_fence =
      fmt::format("cuts touch more than {} units while they are recomputed", limits::touched_units_at_fence);
  return {};
}

Result<KeptExperiments::Answer> KeptExperiments::sums(clickhouse::Client& client,
                                                      const Experiment& experiment,
                                                      const std::vector<const Metric*>& metrics,
                                                      SumsOptions options) {
  auto watched = watched_by(experiment, metrics);
  auto entry = is_followed(watched) ? entry_of(client, experiment.name, *watched) : nullptr;
  if (entry) {
    std::lock_guard asking(entry->asking);
    // Asked at once, answered one after the other.
    int64_t before_us = entry->units.at_us();
    if (before_us > options.at_us && before_us - options.at_us < limits::asked_together_us)
      options.at_us = before_us;
    auto brought = TRY(entry->units.bring(client, experiment, metrics,
                                          exposures_of(experiment, options.exposures), options.at_us));
    if (brought) {
      Answer answer{.kept = true};
      TRY_VOID(bring_to_fence(client, entry->units, experiment, metrics, options, *brought, answer));
      answer.made_anew = brought->made_anew;
      answer.recomputed = brought->recomputed;
      answer.sums = TRY(sums_of_units(client, experiment, brought->query, brought->units, options));
      answer.sorted = !entry->units.is_unsorted();
      if (!answer.sorted) sorter_.begin(client.endpoint(), experiment.name, entry);
      return answer;
    }
  }
  return read(client, experiment, metrics, options);
}

// Nothing: no fence came.
std::optional<uint64_t> KeptExperiments::changes_at_fence(Answer& answer) {
  uint64_t changes = 0;
  Status held = fences_.hold([&]() -> Status {
    changes = fences_.changes();
    answer.fence = fences_.name();
    return {};
  });
  if (held) return changes;
  answer.no_fence = held.error().message;
  return std::nullopt;
}

Result<KeptExperiments::Answer> KeptExperiments::read(clickhouse::Client& client,
                                                      const Experiment& experiment,
                                                      const std::vector<const Metric*>& metrics,
                                                      const SumsOptions& options) {
  Answer answer;
  if (!fences_.hold) {
    answer.no_fence = "only a process that applies all cuts knows where one ends";
    answer.sums = TRY(read_sums(client, experiment, metrics, options));
    return answer;
  }
  auto before = changes_at_fence(answer);
  int64_t begun_us = system_clock().monotonic_micros();
  answer.sums = TRY(read_sums(client, experiment, metrics, options));
  int64_t took_us = system_clock().monotonic_micros() - begun_us;
  auto after = before ? changes_at_fence(answer) : std::nullopt;
  if (after && *after == *before) return answer;
  answer.fence.clear();
  if (!after) return answer;
  if (took_us > limits::held_reading_us) {
    answer.no_fence = "cuts came while rows were read";
    return answer;
  }
  bool held = false;
  Status done = fences_.hold([&]() -> Status {
    held = true;
    answer.sums = TRY(read_sums(client, experiment, metrics, options));
    answer.fence = fences_.name();
    return {};
  });
  if (held && !done) return tl::unexpected(std::move(done.error()));
  if (!held) answer.no_fence = done.error().message;
  return answer;
}

Result<std::optional<Counters>> KeptExperiments::counters(clickhouse::Client& client,
                                                          const Experiment& experiment,
                                                          const std::vector<const Metric*>& metrics,
                                                          const SumsOptions& options) {
  auto watched = watched_by(experiment, metrics);
  if (!is_followed(watched)) return std::optional<Counters>();
  std::shared_ptr<Entry> entry;
  {
    std::lock_guard lock(mutex_);
    auto found = kept_.find(experiment.name);
    if (found != kept_.end() && found->second->units.watched() == *watched) entry = found->second;
  }
  if (!entry) return std::optional<Counters>();
  // Somebody may be reading everything.
  std::unique_lock asking(entry->asking, std::try_to_lock);
  if (!asking || entry->units.size() < limits::counters_kept_least) return std::optional<Counters>();
  int64_t at_us = std::max(options.at_us, entry->units.at_us());
  auto brought =
      TRY(entry->units.bring(client, experiment, metrics, exposures_of(experiment, options.exposures), at_us,
                             limits::touched_units_least));
  if (!brought) return std::optional<Counters>();
  return std::optional(TRY(counters_of_units(client, experiment, brought->units, at_us)));
}

}  // namespace tidemark::experiments
