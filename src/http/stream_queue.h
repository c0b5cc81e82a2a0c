// What waits to be sent on one event stream (EventStream in server.h says the rules). Filled by any thread,
// emptied by the socket thread; `wake` is called, outside the lock, when there is something to do and the
// socket thread waits.
#pragma once

#include "http/server.h"

#include <deque>
#include <mutex>

namespace tidemark::http {

class StreamQueue : public EventStream {
 public:
  using Bytes = std::shared_ptr<const std::string>;

  explicit StreamQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  bool send(const Event& event, std::string_view key) override;
  bool send_together(const std::vector<std::pair<Event, std::string>>& events) override;
  bool closed() const override;
  void close() override;
  void on_close(std::function<void()> listener) override;

  // Everything that waits. When that is nothing, the next send() or close() calls `wake`.
  std::vector<Bytes> take();
  bool overflowed() const;

 private:
  struct Entry {
    std::string key;
    Bytes bytes;
  };
  void put(const Event& event, std::string_view key);  // under the lock
  // Ends a queue that is too long, wakes the reader; under the lock, which it releases.
  bool sent(std::unique_lock<std::mutex>& lock);
  void end(bool overflowed, std::unique_lock<std::mutex>& lock);

  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::deque<Entry> waiting_;
  size_t waiting_bytes_ = 0;
  bool reader_waits_ = false;
  bool closed_ = false;
  bool overflowed_ = false;
  std::vector<std::function<void()>> listeners_;
};

}  // namespace tidemark::http
