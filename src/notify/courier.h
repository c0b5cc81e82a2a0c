// One destination at work: reads the outbox, gives parcels to its carriers, writes down what came of them.
//
// One thread decides and keeps the books (`run`), as many threads as the destination has connections carry.
// Outcomes are written before the position that builds on them and before anything is read again, so that a
// kill at any instant means at most: what was delivered and not written down is delivered again, with the
// same id, and nothing is left out.
//
// The warehouse may be away: outcomes wait (bounded), then nothing more is sent until it is back.
//
// Threads: start and stop from one; everything else from any. Errors of the destination are state, shown by
// facts(); none ends it.
#pragma once

#include "base/histogram.h"
#include "notify/carrier.h"
#include "notify/delivery_store.h"
#include "notify/outbox.h"

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace tidemark::notify {

struct CourierOptions {
  std::string destination;
  std::string kind;   // "webhook"
  std::string where;  // for people, without secrets: "https://example.com"
  size_t concurrency = 1;
  size_t parcel_size = 1;
  int64_t parcel_wait_us = 0;
  MakeCarrier make_carrier;
  size_t in_hand_max = 0;           // 0: limits.h
  size_t waiting_entities_max = 0;  // 0: limits.h
};

// For status and metrics.
struct DestinationFacts {
  std::string destination, kind, where;
  std::string state;  // starting | delivering | slowed | away | disabled | full | warehouse
  std::string reason;
  uint64_t position = 0;  // as written down
  uint64_t in_hand = 0, waiting_entities = 0;
  uint64_t delivered = 0, failed = 0, died = 0;  // since start; failed: tries
  std::string last_error;
  int64_t last_error_at_ms = 0, last_delivery_at_ms = 0;
  uint64_t pending = 0, dead = 0;  // counted by the service, now and then
  uint64_t latency_p50_us = 0, latency_p99_us = 0, latency_sum_us = 0, latency_count = 0;
};

class Courier {
 public:
  Courier(CourierOptions options, Outbox& outbox, DeliveryStore& store);
  ~Courier();  // stops
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  void start();
  // What is under way gets limits::stop_grace.
  void stop();
  // The outbox has notifications up to `newest`.
  void wake(uint64_t newest);
  // It has these, and they are at hand.
  void wake(std::shared_ptr<const Outbox::News> news);

  // Sends a test now, beside the queue. Errors: cancelled.
  Result<Outcome> test();
  // Ends being disabled, and what waits is tried at once. Errors: those of the warehouse, cancelled.
  Status resume();
  // How many notifications are sent again. Errors: as resume().
  Result<uint64_t> replay(const Selection& selection);

  DestinationFacts facts() const;
  const std::string& name() const { return options_.destination; }

 private:
  struct Job {
    Parcel parcel;
    std::shared_ptr<std::promise<Outcome>> test;  // set: not of the queue
  };
  struct Done {
    Parcel parcel;
    Outcome outcome;
  };
  // `run` is false when the courier stops first.
  using Command = std::function<void(bool run)>;

  void run();
  void carry();
  bool begin();
  void serve();
  bool take_results();
  bool resume_due();
  bool read_more();
  std::optional<Outbox::Page> from_news(uint64_t cursor) const;
  bool hand_over();
  // Writes outcomes down; with `position` also how far all is settled. False: the warehouse does not take it.
  bool flush(bool position);
  bool load_heads();
  void flush_when_due(bool idle);
  void disable(const std::string& reason);
  void warehouse_failed(const Error& error);
  void wait();
  void show();
  bool run_commands(bool run);
  bool paused() const;
  Result<uint64_t> on_thread(std::function<Result<uint64_t>()> action);

  CourierOptions options_;
  Outbox& outbox_;
  DeliveryStore& store_;

  // Of the deciding thread.
  std::unique_ptr<DeliveryQueue> queue_;
  SavedPosition saved_;
  std::vector<DeliveryRecord> unwritten_;
  int64_t unwritten_since_ = 0;
  int64_t pause_until_ = 0;  // nothing is handed over before
  int64_t away_pause_ = 0;   // the last one
  std::string pause_reason_;
  bool slowed_ = false;         // the pause was asked for
  int64_t store_again_at_ = 0;  // the warehouse is away until then, as far as we know
  std::string store_error_;
  int64_t position_saved_at_ = 0;
  bool position_changed_ = false;  // disabled or resumed
  bool more_heads_ = false;        // the store has more entities than fit
  size_t under_way_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // for the deciding thread
  std::condition_variable job_;      // for carriers
  std::deque<Job> jobs_;
  std::vector<Done> done_;
  std::deque<Command> commands_;
  uint64_t newest_ = 0;
  std::shared_ptr<const Outbox::News> news_;  // the latest
  bool woken_ = false;
  bool ended_ = false;
  DestinationFacts facts_;
  Histogram latency_us_;  // happened_at to delivered
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  std::vector<std::thread> carriers_;
};

}  // namespace tidemark::notify
