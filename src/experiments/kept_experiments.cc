#include "experiments/kept_experiments.h"

#include "base/clock.h"
#include "experiments/experiments_limits.h"
#include "experiments/watched_units.h"

#include <algorithm>

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
      known = kept_.emplace(experiment, std::make_shared<Entry>(watched)).first;
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

Result<KeptExperiments::Answer> KeptExperiments::sums(clickhouse::Client& client,
                                                      const Experiment& experiment,
                                                      const std::vector<const Metric*>& metrics,
                                                      const SumsOptions& options) {
  Answer answer;
  auto watched = watched_by(experiment, metrics);
  bool followed = watched && std::all_of(watched->begin(), watched->end(), followed_);
  auto entry = followed ? entry_of(client, experiment.name, *watched) : nullptr;
  if (entry) {
    std::lock_guard asking(entry->asking);
    auto brought = TRY(
        entry->units.bring(client, experiment, metrics, exposures_of(experiment, options), options.at_us));
    if (brought) {
      answer.kept = true;
      answer.made_anew = brought->made_anew;
      answer.recomputed = brought->recomputed;
      answer.sums = TRY(sums_of_units(client, experiment, brought->query, brought->units, options));
      return answer;
    }
  }
  answer.sums = TRY(read_sums(client, experiment, metrics, options));
  return answer;
}

}  // namespace tidemark::experiments
