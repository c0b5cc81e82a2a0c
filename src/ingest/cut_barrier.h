// The place between two cuts, of all sources of a project at once, where models are deployed: everything
// before it is in and fenced, nothing after it has begun. What is made there (materialized views, snapshots)
// sees exactly the cuts after it, or exactly those before it.
//
// Appliers bracket every cut with begin_cut() and end_cut(); a cut whose fence is left for a later one
// (ingest/cut.h) stays open until that fence is written, and nothing is left for later while somebody waits
// here. run() closes the gate, waits until no cut is open, runs the action, opens the gate. An applier that
// has no cut is at the barrier by itself, so idle sources cost no wait.
//
// Bounded: run() gives up after `patience`, and the action must bound itself, because all sources wait for
// it. Thread-safe; one run() at a time, others wait for their turn.
#pragma once

#include "base/error.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace tidemark::ingest {

class CutBarrier {
 public:
  // Applier: waits while the gate is closed.
  void begin_cut();
  // Applier: the cut and all before it are fenced, or it failed (then run()'s `at_fence` must know).
  void end_cut();
  // Applier: somebody waits, so the fence of this cut is written now.
  bool wanted() const;

  // `at_fence` is asked with the gate closed: is every source at a fence? When not the action does not run.
  // Errors: limit when the cuts did not end in time or a source is not at a fence; those of the action.
  Status run(std::chrono::milliseconds patience, const std::function<bool()>& at_fence,
             const std::function<Status()>& action);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int open_cuts_ = 0;
  bool closed_ = false;
};

}  // namespace tidemark::ingest
