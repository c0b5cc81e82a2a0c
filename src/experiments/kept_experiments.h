// The experiments whose units are kept (kept_units.h) in a running project, one entry each from its first
// question on, dropped when nobody asks any more. Where an experiment cannot be followed, or a question is
// about the past, units are read for that question alone: the answer is the same, only slower.
//
// Threads: any. Questions about one experiment come one after the other, those about several side by side;
// cuts wait for no question.
#pragma once

#include "experiments/experiment_sums.h"
#include "experiments/kept_units.h"

#include <functional>
#include <map>
#include <memory>

namespace tidemark::experiments {

class KeptExperiments {
 public:
  // `followed`: whether a watched model tells of cuts now.
  explicit KeptExperiments(std::function<bool(const std::string& model)> followed)
      : followed_(std::move(followed)) {}

  // For models::WatchHooks.
  void touched(clickhouse::Client& client, const models::TouchedKeys& keys);
  // Something else than cuts changed rows, or what is watched.
  void all_touched();

  struct Answer {
    ExperimentSums sums;
    bool kept = false;        // from units that are kept
    bool made_anew = false;   // and had to be read for that
    uint64_t recomputed = 0;  // units
  };
  // options.at_us: now.
  Result<Answer> sums(clickhouse::Client& client, const Experiment& experiment,
                      const std::vector<const Metric*>& metrics, const SumsOptions& options);

 private:
  struct Entry {
    explicit Entry(std::set<std::string> watched) : units(std::move(watched)) {}
    std::mutex asking;
    KeptUnits units;
    int64_t asked_us = 0;
  };
  std::shared_ptr<Entry> entry_of(clickhouse::Client& client, const std::string& experiment,
                                  const std::set<std::string>& watched);
  std::vector<std::shared_ptr<Entry>> entries();

  const std::function<bool(const std::string&)> followed_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> kept_;  // by experiment
};

}  // namespace tidemark::experiments
