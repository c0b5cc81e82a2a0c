// How often and how long a step of the start is tried again while something it needs does not answer, or ends
// a connection: it may be starting, too, or be between two lives. Such a step may be done again from its
// beginning. One for each step; one thread.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/signals.h"

#include <thread>

namespace tidemark::limits {

// A server that its supervisor starts again is back after some seconds; who wrote a wrong address is told at
// once, and not kept for long.
constexpr int64_t start_patience_us = 6'000'000;
constexpr std::chrono::milliseconds start_again_after{250};

}  // namespace tidemark::limits

namespace tidemark::cli {

class StartPatience {
 public:
  explicit StartPatience(const Clock& clock = system_clock()) : clock_(clock) {}

  // Something did not answer, or ended a connection.
  static bool may_mend_itself(const Error& error) {
    return error.kind == ErrorKind::dependency_down || error.kind == ErrorKind::unknown_outcome;
  }

  // Waits a little before it says yes. Steps that take long fail limits::start_step_attempts times, however
  // much time that is.
  bool again_after(const Error& error) {
    if (!may_mend_itself(error)) return false;
    int64_t now = clock_.monotonic_micros();
    if (++failed_ == 1) {
      failed_at_ = now;
      log::warn("trying again for {} s: {}", limits::start_patience_us / 1'000'000, error.describe());
    }
    bool late = now - failed_at_ > limits::start_patience_us && failed_ >= limits::start_step_attempts;
    if (late || Signals::pending()) return false;
    std::this_thread::sleep_for(limits::start_again_after);
    return true;
  }

 private:
  const Clock& clock_;
  int failed_ = 0;
  int64_t failed_at_ = 0;
};

}  // namespace tidemark::cli
