#include "ingest/cut_barrier.h"

#include "base/invariant.h"

namespace tidemark::ingest {

void CutBarrier::begin_cut() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !closed_; });
  ++open_cuts_;
}

void CutBarrier::end_cut() {
  std::lock_guard lock(mutex_);
  INVARIANT(open_cuts_ > 0);
  --open_cuts_;
  changed_.notify_all();
}

bool CutBarrier::wanted() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

Status CutBarrier::run(std::chrono::milliseconds patience, const std::function<bool()>& at_fence,
                       const std::function<Status()>& action) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::unique_lock lock(mutex_);
  if (!changed_.wait_until(lock, deadline, [&] { return !closed_; }))
    return fail(ErrorKind::limit, "another deployment holds the place between two cuts");
  closed_ = true;
  bool quiet = changed_.wait_until(lock, deadline, [&] { return open_cuts_ == 0; });
  lock.unlock();
  Status done;
  if (!quiet)
    done = fail(ErrorKind::limit, "the cut that is being applied did not end in time");
  else if (!at_fence())
    done = fail(ErrorKind::limit, "a source has not come to a fence yet",
                "its initial copy or its catching up must end first; tidemark status shows it");
  else
    done = action();
  lock.lock();
  closed_ = false;
  changed_.notify_all();
  return done;
}

}  // namespace tidemark::ingest
