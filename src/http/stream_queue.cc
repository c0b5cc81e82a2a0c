#include "http/stream_queue.h"

#include "base/limits.h"

#include <algorithm>

namespace tidemark::http {

bool StreamQueue::send(const Event& event, std::string_view key) {
  std::unique_lock lock(mutex_);
  if (closed_) return false;
  put(event, key);
  return sent(lock);
}

bool StreamQueue::send_together(const std::vector<std::pair<Event, std::string>>& events) {
  std::unique_lock lock(mutex_);
  if (closed_) return false;
  for (const auto& [event, key] : events) put(event, key);
  return sent(lock);
}

void StreamQueue::put(const Event& event, std::string_view key) {
  if (!key.empty()) {
    const auto older =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const Entry& entry) { return entry.key == key; });
    if (older != waiting_.end()) {
      waiting_bytes_ -= older->bytes->size();
      waiting_.erase(older);
    }
  }
  waiting_.push_back({std::string(key), event.bytes()});
  waiting_bytes_ += event.bytes()->size();
}

bool StreamQueue::sent(std::unique_lock<std::mutex>& lock) {
  if (waiting_.size() > limits::event_stream_queue_events_max ||
      waiting_bytes_ > limits::event_stream_queue_bytes_max) {
    end(true, lock);
    return false;
  }
  const bool wake = std::exchange(reader_waits_, false);
  lock.unlock();
  if (wake) wake_();
  return true;
}

void StreamQueue::end(bool overflowed, std::unique_lock<std::mutex>& lock) {
  closed_ = true;
  overflowed_ = overflowed;
  if (overflowed) {
    waiting_.clear();
    waiting_bytes_ = 0;
  }
  reader_waits_ = false;
  const auto listeners = std::exchange(listeners_, {});
  lock.unlock();
  wake_();
  for (const auto& listener : listeners) listener();
}

bool StreamQueue::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

void StreamQueue::close() {
  std::unique_lock lock(mutex_);
  if (!closed_) end(false, lock);
}

void StreamQueue::on_close(std::function<void()> listener) {
  {
    std::lock_guard lock(mutex_);
    if (!closed_) {
      listeners_.push_back(std::move(listener));
      return;
    }
  }
  listener();
}

std::vector<StreamQueue::Bytes> StreamQueue::take() {
  std::lock_guard lock(mutex_);
  std::vector<Bytes> taken;
  taken.reserve(waiting_.size());
  for (auto& entry : waiting_) taken.push_back(std::move(entry.bytes));
  waiting_.clear();
  waiting_bytes_ = 0;
  reader_waits_ = taken.empty();
  return taken;
}

bool StreamQueue::overflowed() const {
  std::lock_guard lock(mutex_);
  return overflowed_;
}

}  // namespace tidemark::http
