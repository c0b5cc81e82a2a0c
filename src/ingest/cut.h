// A cut: whole transactions of one source that are applied together, in flight between the reader, which
// fills it with parts, and the applier, which sends them.
//
// Life: the reader collects parts by itself until the cut's last transaction is known, then publishes the cut
// (its boundaries never change from then on), pushes the parts, and finishes it. A transaction too large for
// memory is published while it still arrives (Postgres tells its commit LSN at the start): parts then flow
// through, and push() waits when the applier is behind, so memory stays bounded by
// limits::cut_queue_bytes_max, which counts the parts that wait and those being sent.
//
// Threads: the reader calls push and finish, the applier pop; abort() may come from anywhere and wakes both.
#pragma once

#include "ingest/state_store.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

namespace tidemark::ingest {

struct CommittedTransaction {
  int64_t committed_at = 0;  // microseconds
  uint64_t rows = 0;
  uint32_t id = 0;
  postgres::Lsn commit_lsn = 0;
};

// Must a cut's boundaries be known after a crash? Change rows and logs are recognised by their tokens, so
// they must come again in exactly the same parts. Rows of a table with a key and without change rows may come
// again in any parts: the same row under the same version is the same row. For cuts of only such rows the
// plan is left out, which saves them an INSERT before their rows are queryable, and their fence may wait for
// a later one.
enum class Plan {
  needed,
  written,  // it is a replay
  unnecessary,
};

class Cut {
 public:
  Cut(CutRecord record, Plan plan) : record_(std::move(record)), plan_(plan) {}

  // Boundaries; complete (end_lsn, rows, committed_at) once pop() has returned null. A copy: finish() writes
  // it while the applier reads.
  CutRecord record() const;
  Plan plan() const { return plan_; }
  // Takes the part (and leaves null) unless the queue stays full for `timeout`: then false, try again.
  // `bytes` as counted by the reader (stream payload). An aborted cut swallows parts.
  bool push(std::unique_ptr<Part>& part, size_t bytes, std::chrono::milliseconds timeout);
  void finish(postgres::Lsn end_lsn, std::vector<CommittedTransaction> transactions, std::string places = {});
  // The next part in order; null when the cut is finished or aborted (tell by aborted()).
  std::unique_ptr<Part> pop();
  // Applier: the part is sent; until then it counts against the bound.
  void sent(const Part& part);
  void abort();
  bool aborted() const;

  const std::vector<CommittedTransaction>& transactions() const { return transactions_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Part>> parts_;
  size_t bytes_ = 0;  // of parts_ and of those that are being sent
  bool finished_ = false;
  bool aborted_ = false;
  CutRecord record_;
  Plan plan_;
  std::vector<CommittedTransaction> transactions_;
};

// Hands one cut at a time from reader to applier: there is one being applied and one being filled, never a
// third. The reader may give the next one as soon as the rows of the last are in; its fence is then still
// being written, together with the boundaries of the next (applier.h). `settled` means fenced.
class CutHandoff {
 public:
  // Reader: is the applier free? (a hint; only the reader makes it busy)
  bool idle() const;
  // Reader: gives the cut; precondition idle().
  void give(std::shared_ptr<Cut> cut);
  // Reader: do whole transactions wait to be given? The applier then holds a fence back a little to plan
  // their cut with it.
  void expect(bool waiting) { expected_ = waiting; }
  // Reader: waits until idle, at most `timeout`; false when not, or closed.
  bool wait_idle(std::chrono::milliseconds timeout);
  // Reader: waits until every cut given is fenced, at most `timeout`; false when not, or closed.
  bool wait_settled(std::chrono::milliseconds timeout);
  // Applier: the next cut; null when closed, or, with a timeout, when none is expected or none came within
  // it.
  std::shared_ptr<Cut> take(std::optional<std::chrono::microseconds> timeout = std::nullopt);
  // Applier: the cut's rows are in; calls `on_idle` given at construction (wakes the reader).
  void done();
  // Applier: and its fence is written.
  void settled();
  // Ends both sides; aborts the cut in flight.
  void close();
  bool closed() const;

  explicit CutHandoff(std::function<void()> on_idle) : on_idle_(std::move(on_idle)) {}

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Cut> cut_;  // given or being applied
  bool taken_ = false;
  std::atomic<bool> expected_{false};
  bool settled_ = true;
  bool closed_ = false;
  std::function<void()> on_idle_;
};

}  // namespace tidemark::ingest
