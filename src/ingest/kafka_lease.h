// Which slots of a Kafka source this process may work on, as Kafka's own group protocol says: every process
// subscribes to a control topic with a partition for each slot and no messages. Being assigned partition k is
// having the lease of slot k. With one partition it is a lock.
//
// The protocol is cooperative: who keeps a slot goes on with it while others come and go. A slot that goes is
// given back when revoked() returns; lost() says that it is somebody else's already (the group did not hear
// of us for session.timeout.ms).
//
// A process that was stopped for a while (SIGSTOP, a paused machine) may have lost its slots without knowing.
// So valid() also asks when this thread was last seen at work, and after such a pause everything counts as
// lost and the group is joined anew. That is for speed and for what no later check can take back; that no two
// processes work on a cut's boundaries of their own is for StateStore::claim().
//
// Threads: one of its own, which calls the listener; valid() and the like from any.
#pragma once

#include "base/clock.h"
#include "kafka/consumer.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace tidemark::ingest {

struct KafkaLeaseOptions {
  kafka::ConsumerOptions client;  // its group is the one that is joined
  std::string topic;
  int64_t session_ms = 0;
};

class KafkaLease {
 public:
  struct Listener {
    std::function<void(const std::set<uint32_t>&)> assigned;
    std::function<void(const std::set<uint32_t>&)> revoked, lost;
  };
  KafkaLease(KafkaLeaseOptions options, Listener listener, const Clock& clock);
  ~KafkaLease() { stop(); }
  KafkaLease(const KafkaLease&) = delete;
  KafkaLease& operator=(const KafkaLease&) = delete;

  void start();
  // Gives everything back, through revoked(), and leaves.
  void stop();

  // Until the group has said for the first time what is ours. Errors: limit, dependency_down, those of the
  // client.
  Status wait_joined(std::chrono::milliseconds timeout, const std::function<bool()>& stopped);
  // Until the slot is ours.
  Status wait_for(uint32_t slot, std::chrono::milliseconds timeout, const std::function<bool()>& stopped);
  bool valid(uint32_t slot) const;
  std::set<uint32_t> slots() const;
  std::string trouble() const;

 private:
  void run();
  Status stay();
  // Was this thread away for longer than a lease may go unattended?
  bool stood_still();
  int64_t patience_us() const { return options_.session_ms * 1000 / 2; }
  void take_away(const std::set<uint32_t>& slots, const std::function<void(const std::set<uint32_t>&)>& tell);

  const KafkaLeaseOptions options_;
  const Listener listener_;
  const Clock& clock_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> seen_at_{0};  // when the thread was last seen at work
  std::atomic<bool> stale_{false};   // we stood still while something was given back
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool joined_ = false;
  std::set<uint32_t> slots_;
  std::string trouble_;
  std::optional<Error> error_;
  std::thread thread_;
};

}  // namespace tidemark::ingest
