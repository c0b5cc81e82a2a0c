#include "notify/delivery_queue.h"

#include "base/invariant.h"
#include "notify/notify_limits.h"
#include "notify/retry_schedule.h"

#include <algorithm>

namespace tidemark::notify {

const char* name(DeliveryState state) {
  switch (state) {
    case DeliveryState::delivered:
      return "delivered";
    case DeliveryState::dead:
      return "dead";
    case DeliveryState::retrying:
      return "retrying";
    case DeliveryState::replaying:
      return "replaying";
    case DeliveryState::dropped:
      return "dropped";
  }
  return "";
}

DeliveryQueue::DeliveryQueue(const QueueOptions& options, uint64_t position)
    : options_(options), cursor_(position), random_(static_cast<unsigned>(options.seed | 1)) {
  INVARIANT(options_.parcel_size > 0);
}

double DeliveryQueue::random() {
  return std::uniform_real_distribution<double>(0, 1)(random_);
}

bool DeliveryQueue::wants_more() const {
  return in_hand_ < options_.in_hand_max && in_hand_bytes_ < options_.in_hand_bytes_max &&
         waiting_entities_ < options_.waiting_entities_max;
}

uint64_t DeliveryQueue::position() const {
  return unsettled_.empty() ? cursor_ : std::min(cursor_, *unsettled_.begin() - 1);
}

void DeliveryQueue::make_ready(const Entity& entity, const std::string& name) {
  if (!entity.waiting.empty() && !entity.busy) ready_.emplace(entity.waiting.front().seq, name);
}

// Takes a notification into hand; the caller makes the entity ready.
void DeliveryQueue::take_in(Entity& entity, Notification row) {
  ++in_hand_;
  in_hand_bytes_ += row.bytes();
  unsettled_.insert(row.seq);
  if (!entity.busy) ++ready_rows_;
  entity.waiting.push_back(std::move(row));
}

// What is in hand and not under way stays in the outbox after all.
void DeliveryQueue::give_back(Entity& entity) {
  if (entity.waiting.empty()) return;
  if (!entity.busy) {
    ready_.erase(entity.waiting.front().seq);
    ready_rows_ -= entity.waiting.size();
  }
  for (const auto& row : entity.waiting) {
    unsettled_.erase(unsettled_.find(row.seq));
    --in_hand_;
    in_hand_bytes_ -= row.bytes();
  }
  entity.waiting.clear();
}

void DeliveryQueue::count(Entity& entity) {
  bool counts = entity.held || entity.passed_over;
  if (counts && !entity.counted) ++waiting_entities_;
  if (!counts && entity.counted) --waiting_entities_;
  entity.counted = counts;
}

// Precondition: nothing of it is in hand, and it has no head in unsettled_.
void DeliveryQueue::hold_at(Entity& entity, const std::string& name, uint64_t head, uint32_t attempts,
                            int64_t due_at) {
  entity.held = true;
  entity.passed_over = false;
  entity.head = head;
  entity.attempts = attempts;
  entity.due_at = due_at;
  unsettled_.insert(head);
  timers_.emplace(due_at, name);
  count(entity);
}

// The outbox has more of it behind `read_to`; it keeps the position back.
void DeliveryQueue::pass_over_from(Entity& entity, uint64_t read_to) {
  if (entity.passed_over) return;
  entity.passed_over = true;
  entity.read_to = read_to;
  entity.head = read_to + 1;
  unsettled_.insert(entity.head);
  count(entity);
}

void DeliveryQueue::hold(const std::string& name, uint64_t head, uint32_t attempts, int64_t due_at) {
  Entity& entity = entities_[name];
  if (entity.held) {
    if (entity.head <= head) return;
    timers_.erase({entity.due_at, name});
    unsettled_.erase(unsettled_.find(entity.head));
  } else if (entity.busy) {
    // After what is under way.
    give_back(entity);
    if (entity.passed_over) unsettled_.erase(unsettled_.find(entity.head));
    entity.passed_over = false;
    pass_over_from(entity, head - 1);
    return;
  } else {
    give_back(entity);
    if (entity.passed_over) unsettled_.erase(unsettled_.find(entity.head));
  }
  hold_at(entity, name, head, attempts, due_at);
}

void DeliveryQueue::add(std::vector<Notification> rows, uint64_t cursor, int64_t now) {
  INVARIANT(cursor >= cursor_);
  if (ready_rows_ == 0) oldest_ready_ = now;
  for (auto& row : rows) {
    const std::string name = row.entity;
    Entity& entity = entities_[name];
    if (entity.held || entity.passed_over) continue;  // read again when its time has come
    bool first = entity.waiting.empty();
    take_in(entity, std::move(row));
    if (first) make_ready(entity, name);
  }
  cursor_ = cursor;
}

std::vector<std::pair<std::string, uint64_t>> DeliveryQueue::due(int64_t now, size_t most) {
  std::vector<std::pair<std::string, uint64_t>> found;
  while (!timers_.empty() && found.size() < most && timers_.begin()->first <= now) {
    std::string name = timers_.begin()->second;
    timers_.erase(timers_.begin());
    found.emplace_back(name, entities_.at(name).head);
  }
  return found;
}

void DeliveryQueue::resumed(const std::vector<std::pair<std::string, uint64_t>>& entities,
                            std::vector<Notification> rows, uint64_t complete_to, int64_t now) {
  if (ready_rows_ == 0) oldest_ready_ = now;
  for (const auto& [name, head] : entities) {
    Entity& entity = entities_.at(name);
    INVARIANT(entity.held && !entity.busy && entity.waiting.empty());
    entity.held = false;
    unsettled_.erase(unsettled_.find(head));
  }
  for (auto& row : rows) {
    const std::string name = row.entity;
    Entity& entity = entities_.at(name);
    // The page is of several entities, whose heads differ.
    if (row.seq < entity.head) continue;
    bool first = entity.waiting.empty();
    take_in(entity, std::move(row));
    if (first) make_ready(entity, name);
  }
  for (const auto& [name, head] : entities) {
    auto found = entities_.find(name);
    Entity& entity = found->second;
    if (entity.waiting.empty() || entity.waiting.front().seq != head) entity.attempts = 0;
    if (complete_to < cursor_) pass_over_from(entity, std::max(complete_to, head - 1));
    after(found, now);
  }
}

void DeliveryQueue::not_resumed(const std::vector<std::pair<std::string, uint64_t>>& entities,
                                int64_t due_at) {
  for (const auto& [name, head] : entities) {
    entities_.at(name).due_at = due_at;
    timers_.emplace(due_at, name);
  }
}

// Nothing of the entity is under way (any more): what is it now?
void DeliveryQueue::after(Entities::iterator found, int64_t now) {
  Entity& entity = found->second;
  count(entity);
  if (entity.busy || entity.held) return;
  if (!entity.waiting.empty()) {
    make_ready(entity, found->first);
    return;
  }
  if (entity.passed_over) {
    unsettled_.erase(unsettled_.find(entity.head));
    hold_at(entity, found->first, entity.head, 0, now);
    return;
  }
  entities_.erase(found);
}

bool DeliveryQueue::has_next(int64_t now) const {
  if (ready_.empty()) return false;
  if (options_.parcel_wait_us == 0 || ready_rows_ >= options_.parcel_size || !wants_more()) return true;
  return first_alone() || now - oldest_ready_ >= options_.parcel_wait_us;
}

// A second try goes alone: one bad notification must not fail its neighbours again and again.
bool DeliveryQueue::first_alone() const {
  return entities_.at(ready_.begin()->second).attempts > 0;
}

Parcel DeliveryQueue::next(int64_t now) {
  Parcel parcel;
  INVARIANT(!ready_.empty());
  const bool alone = first_alone();
  const size_t most = alone ? 1 : options_.parcel_size;
  auto place = ready_.begin();
  while (place != ready_.end() && parcel.notifications.size() < most) {
    Entity& entity = entities_.at(place->second);
    if (!alone && entity.attempts > 0) {
      ++place;
      continue;
    }
    ready_rows_ -= entity.waiting.size();
    entity.busy = true;
    while (!entity.waiting.empty() && parcel.notifications.size() < most) {
      parcel.notifications.push_back(std::move(entity.waiting.front()));
      entity.waiting.pop_front();
    }
    place = ready_.erase(place);
  }
  std::sort(parcel.notifications.begin(), parcel.notifications.end(),
            [](const auto& left, const auto& right) { return left.seq < right.seq; });
  oldest_ready_ = now;
  return parcel;
}

std::vector<DeliveryRecord> DeliveryQueue::settle(Parcel parcel, const Outcome& outcome, int64_t now) {
  using Result = Outcome::Result;
  const bool back = outcome.result == Result::away || outcome.result == Result::gone;
  const bool several = parcel.notifications.size() > 1;
  std::vector<DeliveryRecord> records;
  std::map<std::string, std::vector<Notification>> by_entity;
  for (auto& row : parcel.notifications) by_entity[row.entity].push_back(std::move(row));
  if (outcome.result == Result::delivered)
    succeeded(now);
  else if (!back)
    ++failures_;
  if (ready_rows_ == 0) oldest_ready_ = now;
  for (auto& [name, rows] : by_entity) {
    auto found = entities_.find(name);
    Entity& entity = found->second;
    INVARIANT(entity.busy);
    entity.busy = false;
    ready_rows_ += entity.waiting.size();
    auto leaves = [&](const Notification& row) {
      unsettled_.erase(unsettled_.find(row.seq));
      --in_hand_;
      in_hand_bytes_ -= row.bytes();
    };
    auto record = [&](const Notification& row, DeliveryState state) -> DeliveryRecord& {
      records.push_back({.seq = row.seq,
                         .entity = name,
                         .state = state,
                         .attempts = entity.attempts + 1,
                         .status = outcome.status,
                         .answer = outcome.answer});
      return records.back();
    };
    if (outcome.result == Result::delivered || (outcome.result == Result::refused && !several)) {
      for (const auto& row : rows) {
        record(row, outcome.result == Result::delivered ? DeliveryState::delivered : DeliveryState::dead);
        leaves(row);
      }
      entity.attempts = 0;
    } else if (back) {
      ready_rows_ += rows.size();
      for (auto row = rows.rbegin(); row != rows.rend(); ++row) entity.waiting.push_front(std::move(*row));
      // A replay that came meanwhile begins before it: all is read again from there.
      if (entity.passed_over && entity.head <= entity.waiting.front().seq) give_back(entity);
    } else {
      auto pause = retry_pause_us(entity.attempts + 1, random());
      if (outcome.result == Result::refused) pause = 0;  // of several: each is asked about alone
      if (pause && outcome.retry_after_s)
        pause = std::max(*outcome.retry_after_s * 1'000'000, outcome.slow_down ? 0 : *pause);
      const Notification& head = rows.front();
      if (!pause) {
        record(head, DeliveryState::dead);
        leaves(head);
        for (size_t index = rows.size(); index-- > 1;) {
          ++ready_rows_;
          entity.waiting.push_front(std::move(rows[index]));
        }
        entity.attempts = 0;
      } else {
        DeliveryRecord& written = record(head, DeliveryState::retrying);
        written.wait_us = *pause;
        uint32_t attempts = entity.attempts + 1;
        uint64_t seq = head.seq;
        for (const auto& row : rows) leaves(row);
        give_back(entity);
        uint64_t from = seq;
        if (entity.passed_over) {
          from = std::min(from, entity.head);
          unsettled_.erase(unsettled_.find(entity.head));
        }
        hold_at(entity, name, from, from == seq ? attempts : 0, now + *pause);
      }
    }
    after(found, now);
  }
  return records;
}

// The receiver was down, and is back.
void DeliveryQueue::succeeded(int64_t now) {
  if (std::exchange(failures_, 0) < limits::outage_failures) return;
  std::vector<std::pair<int64_t, std::string>> waiting(timers_.begin(), timers_.end());
  for (const auto& [due_at, name] : waiting) {
    int64_t sooner = now + static_cast<int64_t>(random() * static_cast<double>(limits::recovery_spread_us));
    if (sooner >= due_at) continue;
    timers_.erase({due_at, name});
    timers_.emplace(sooner, name);
    entities_.at(name).due_at = sooner;
  }
}

void DeliveryQueue::hurry(int64_t now) {
  std::vector<std::pair<int64_t, std::string>> waiting(timers_.begin(), timers_.end());
  timers_.clear();
  for (const auto& [due_at, name] : waiting) {
    timers_.emplace(now, name);
    entities_.at(name).due_at = now;
  }
}

std::optional<int64_t> DeliveryQueue::wakes_at() const {
  std::optional<int64_t> at;
  if (!timers_.empty()) at = timers_.begin()->first;
  if (!ready_.empty() && options_.parcel_wait_us > 0) {
    int64_t full = oldest_ready_ + options_.parcel_wait_us;
    at = at ? std::min(*at, full) : full;
  }
  return at;
}

}  // namespace tidemark::notify
