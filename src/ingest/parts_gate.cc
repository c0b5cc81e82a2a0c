#include "ingest/parts_gate.h"

#include "base/log.h"
#include "ingest/parts_gate_limits.h"

#include <fmt/ranges.h>

namespace tidemark::ingest {

void PartsGate::enter(const std::string& stream) {
  std::unique_lock lock(mutex_);
  // What is half in already goes on, or nobody would ever be whole.
  changed_.wait(lock, [&] { return !running_ && (waiting_ == 0 || half_in_.contains(stream)); });
  half_in_.insert(stream);
}

void PartsGate::leave(const std::string& stream) {
  std::lock_guard lock(mutex_);
  half_in_.erase(stream);
  changed_.notify_all();
}

Status PartsGate::run(const std::function<Status()>& action) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  changed_.wait(lock, [&] { return !running_; });
  if (!changed_.wait_for(lock, limits::half_in_patience, [&] { return !running_ && half_in_.empty(); })) {
    changed_.wait(lock, [&] { return !running_; });
    if (!half_in_.empty())
      log::warn("a cut of {} has been half in for {} s, and is not waited for", fmt::join(half_in_, ", "),
                limits::half_in_patience.count());
  }
  running_ = true;
  lock.unlock();
  Status done = action();
  lock.lock();
  running_ = false;
  --waiting_;
  changed_.notify_all();
  return done;
}

}  // namespace tidemark::ingest
