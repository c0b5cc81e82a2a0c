// The thread of a source, as every kind of source lives: it moves data until it is told to stop or something
// breaks; then everything of it is taken down and it begins anew, after pauses that grow. A mistake that no
// repetition mends ends a source that never worked (gave_up); one that did work tries again at the longest
// pause: somebody may mend it meanwhile.
//
// State and error are for people to look at. Thread-safe; start() and stop() belong to one thread.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "ingest/pipeline_status.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace tidemark::ingest {

// `on_cut`, told what the source's positions count. Nothing of nothing.
std::function<void(const CutEvent&)> counting(Positions positions,
                                              std::function<void(const CutEvent&)> on_cut);

struct ApplierCounters;
struct ReaderCounters;

class SourceLife {
 public:
  struct Steps {
    // One life. Ok: it was told to stop, or has to begin anew at once.
    std::function<Status()> live;
    // It has moved data, so its settings cannot be wrong altogether.
    std::function<bool()> proven;
    // Of errors beside those that no repetition mends anywhere (refused, config, unsupported, usage).
    std::function<bool(const Error&)> hopeless = {};
    // Ends what `live` waits for; called once when it is told to stop.
    std::function<void()> wake = {};
  };

  SourceLife(std::string source, const Clock& clock) : source_(std::move(source)), clock_(clock) {}
  ~SourceLife();
  SourceLife(const SourceLife&) = delete;
  SourceLife& operator=(const SourceLife&) = delete;

  void start(Steps steps);
  // Waits for the end of the life.
  void stop();

  const std::atomic<bool>& stopping() const { return stopping_; }
  // False: it is told to stop.
  bool pause(std::chrono::milliseconds duration);
  // This life ends with no other after it, whatever its error. Called in `live`.
  void give_up() { hopeless_ = true; }

  void set_state(std::string state, std::string error = {});
  std::string state() const;
  std::optional<Error> gave_up() const;
  // source, state and error, and what the applier counts. `rows`: applied and copied, for the rate.
  void describe(SourceStatus& status, const ApplierCounters& applied, uint64_t rows) const;
  // The ladder and what follows from it. `fenced`: as it is shown.
  void describe_ladder(SourceStatus& status, const ApplierCounters& applied, const ReaderCounters& read,
                       uint64_t fenced) const;

 private:
  void run();
  double rate(uint64_t rows) const;

  const std::string source_;
  const Clock& clock_;
  Steps steps_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> hopeless_{false};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string state_ = "starting";
  std::string error_;
  std::optional<Error> gave_up_;
  mutable int64_t sampled_at_ = 0;
  mutable uint64_t sampled_rows_ = 0;
  mutable double rate_ = 0;
  std::thread thread_;
};

}  // namespace tidemark::ingest
