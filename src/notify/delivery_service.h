// All destinations of a project at work: looks at the outbox (when told to, and by itself), keeps a courier
// for each destination, answers questions about them.
//
// Where several processes share a project, only the one that leads delivers; another begins when it takes the
// lead, from what was written down.
//
// Threads: prepare, start, stop from one; everything else from any.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/destination.h"
#include "notify/make_courier.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tidemark::notify {

class DeliveryService {
 public:
  // `leads`: asked now and then; empty: always.
  DeliveryService(const clickhouse::Endpoint& warehouse, std::vector<config::Destination> destinations,
                  std::function<bool()> leads = {});
  ~DeliveryService();  // stops
  DeliveryService(const DeliveryService&) = delete;
  DeliveryService& operator=(const DeliveryService&) = delete;

  // Tables, and everything that can be wrong with a destination without asking it.
  Status prepare();
  void start();
  void stop();

  // There is something new in the outbox. Never blocks.
  void wake();
  // The same, by who has just written it and knows that nothing else came into the outbox in (news.after,
  // news.complete_to]: nobody has to read it again.
  void take(Outbox::News news);
  // For whoever writes notifications in this process.
  Outbox& outbox() { return outbox_; }

  std::vector<DestinationFacts> facts() const;
  // Errors of all of these: config for an unknown destination; conflict where another process leads; those of
  // Courier and DeliveryStore.
  Result<Outcome> test(const std::string& destination);
  Status resume(const std::string& destination);
  Result<uint64_t> replay(const std::string& destination, const Selection& selection);
  Result<uint64_t> drop(const std::string& destination, const Selection& selection);
  // `destination` may be empty: of all.
  Result<std::vector<DeadLetter>> dead_letters(const std::string& destination, size_t most);
  // The feed of that name.
  Result<std::shared_ptr<Feed>> feed(const std::string& destination);

 private:
  struct Entry {
    MadeCourier made;
    std::shared_ptr<Courier> courier;  // null: another process leads
    DeliveryCounts counts;
  };

  void run();
  void look();
  Status begin_at_newest();
  Status read_news(uint64_t after);
  // Holding the mutex.
  void tell(Outbox::News news);
  void set_couriers(bool work);
  void count();
  void expire();
  Result<std::shared_ptr<Courier>> courier(const std::string& destination);
  Status known(const std::string& destination) const;

  std::vector<config::Destination> destinations_;
  std::function<bool()> leads_;
  clickhouse::ClientPool pool_;
  Outbox outbox_;
  DeliveryStore store_;
  std::atomic<bool> carriers_stop_{false};

  mutable std::mutex mutex_;  // entries_, and what wait() looks at
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  bool stopping_ = false, woken_ = false;
  // Couriers know of everything up to here; 0: not begun. Only the service's thread sets out to read more.
  uint64_t newest_ = 0;
  uint64_t written_to_ = 0;  // all of this can be read
  uint64_t told_to_ = 0;     // the newest that couriers were woken for: nothing is between it and newest_
  bool outbox_failed_ = false;
  std::atomic<int64_t> counted_at_{0};  // 0: count at once
  int64_t count_took_ = 0;
  int64_t expired_at_ = 0;
  std::thread thread_;
};

}  // namespace tidemark::notify
