// Notifications for whoever listens now: each with its seq as id, so that a listener who lost the connection
// says what it saw last and gets what it missed from the outbox.
//
// A listener gets everything behind its last seq once and in order: what was published while the outbox was
// read for it waits in the meantime. Who missed more than a page gets the first page and is sent away, to
// come back for the next. Who listens for the first time begins with what comes next. Replays do not go to
// feeds: whoever wants them asks from an earlier seq.
//
// Threads: any. A listener is called with a lock held: it must not block, and must not call back.
#pragma once

#include "notify/carrier.h"
#include "notify/outbox.h"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

namespace tidemark::notify {

class Feed {
 public:
  struct Item {
    uint64_t seq = 0;
    std::string kind, body;
  };
  struct Listener {
    std::function<bool(const std::vector<Item>&)> take;  // false: it is gone
    std::function<void()> end;                           // nothing more comes: come back
  };
  // Set by whoever notices that the listener is gone; any thread, no lock.
  using Gone = std::shared_ptr<std::atomic<bool>>;

  Feed(std::string destination, Outbox& outbox) : destination_(std::move(destination)), outbox_(outbox) {}

  void publish(const std::vector<Notification>& notifications);
  // `last_seen`: the seq it has. Errors: those of the warehouse; then it does not listen.
  Result<Gone> listen(std::optional<uint64_t> last_seen, Listener listener);
  size_t listeners() const;

 private:
  struct Entry {
    Listener listener;
    Gone gone;
    uint64_t seen = 0;
    bool catching_up = false;
    std::vector<Item> meanwhile;  // bounded: who is too slow is sent away
  };
  void give(Entry& entry, const std::vector<Item>& items);
  Item item_of(const Notification& notification) const;

  std::string destination_;
  Outbox& outbox_;
  mutable std::mutex mutex_;
  uint64_t published_ = 0;
  std::list<Entry> entries_;
};

class FeedCarrier : public Carrier {
 public:
  explicit FeedCarrier(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}
  Outcome carry(const std::vector<Notification>& notifications) override {
    feed_->publish(notifications);
    return {};
  }

 private:
  std::shared_ptr<Feed> feed_;
};

}  // namespace tidemark::notify
