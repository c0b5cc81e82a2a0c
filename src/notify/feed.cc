#include "notify/feed.h"

#include "notify/notify_limits.h"

#include <algorithm>

namespace tidemark::notify {

// A notification whose data is no JSON is sent without it: ids must not be missing in a feed.
Feed::Item Feed::item_of(const Notification& notification) const {
  const std::string id = message_id(destination_, notification);
  auto body = payload(notification, id);
  if (!body) {
    Notification bare = notification;
    bare.data.clear();
    body = payload(bare, id);
  }
  return {notification.seq, notification.kind, std::move(*body)};
}

void Feed::give(Entry& entry, const std::vector<Item>& items) {
  std::vector<Item> fresh;
  for (const auto& item : items)
    if (item.seq == 0 || item.seq > entry.seen) fresh.push_back(item);
  if (fresh.empty()) return;
  entry.seen = std::max(entry.seen, fresh.back().seq);
  if (!entry.listener.take(fresh)) *entry.gone = true;
}

void Feed::publish(const std::vector<Notification>& notifications) {
  std::lock_guard lock(mutex_);
  std::vector<Item> items;
  for (const auto& notification : notifications) {
    if (notification.seq != 0 && notification.seq <= published_) continue;
    published_ = std::max(published_, notification.seq);
    items.push_back(item_of(notification));
  }
  if (items.empty()) return;
  for (auto& entry : entries_) {
    if (*entry.gone) continue;
    if (!entry.catching_up) {
      give(entry, items);
    } else if (entry.meanwhile.size() + items.size() <= limits::page_rows_max) {
      entry.meanwhile.insert(entry.meanwhile.end(), items.begin(), items.end());
    } else {
      *entry.gone = true;
      entry.listener.end();
    }
  }
  entries_.remove_if([](const Entry& entry) { return !entry.catching_up && *entry.gone; });
}

Result<Feed::Gone> Feed::listen(std::optional<uint64_t> last_seen, Listener listener) {
  auto gone = std::make_shared<std::atomic<bool>>(false);
  std::list<Entry>::iterator entry;
  {
    std::lock_guard lock(mutex_);
    entries_.remove_if([](const Entry& one) { return !one.catching_up && *one.gone; });
    entries_.push_back({.listener = std::move(listener),
                        .gone = gone,
                        .seen = last_seen.value_or(0),
                        .catching_up = last_seen.has_value(),
                        .meanwhile = {}});
    if (!last_seen) return gone;
    entry = std::prev(entries_.end());
  }
  // Also what is not published yet: give() knows it again.
  auto page = outbox_.read(destination_, *last_seen, UINT64_MAX, false);
  std::lock_guard lock(mutex_);
  entry->catching_up = false;
  if (!page) {
    entries_.erase(entry);
    return fail(std::move(page.error()));
  }
  bool whole = page->complete_to == UINT64_MAX;
  std::vector<Item> missed;
  size_t bytes = 0;
  for (const auto& notification : page->rows) {
    if (bytes > limits::feed_page_bytes_max) {
      whole = false;
      break;
    }
    missed.push_back(item_of(notification));
    bytes += missed.back().body.size();
  }
  if (!*gone) give(*entry, missed);
  if (!*gone && whole) give(*entry, entry->meanwhile);
  entry->meanwhile.clear();
  if (!whole && !*gone) {
    entry->listener.end();
    *gone = true;
  }
  if (*gone) entries_.erase(entry);
  return gone;
}

size_t Feed::listeners() const {
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return !*entry.gone; }));
}

}  // namespace tidemark::notify
