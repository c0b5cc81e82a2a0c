// What one destination is sent next: order, retries and positions, without any I/O.
//
// Notifications of one entity go out one after the other, in the order of seq; entities do not wait for each
// other. When one fails, its entity is held: only the number of the failed one (its head), the count of tries
// and the time of the next stay in memory, and what the outbox has behind it is passed over. When the time
// has come the owner reads the entity's notifications from the outbox again (due(), resumed()). So a held
// entity costs the same however much waits for it, and when too many are held nothing new is taken in
// (wants_more()).
//
//   add()      a page of the outbox, in order, from cursor() on
//   next()     what can be sent now, as one parcel; its entities are busy until settle()
//   settle()   what came of it; gives the rows to write down (delivery_store.h)
//   position() everything up to here is settled, or held by something that was written down
//
// Threads: one. Times are microseconds of a monotonic clock. Ends in nothing but broken invariants.
#pragma once

#include "notify/notification.h"

#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace tidemark::notify {

struct QueueOptions {
  size_t parcel_size = 1;      // notifications in one try
  int64_t parcel_wait_us = 0;  // a parcel that is not full waits so long for more
  size_t in_hand_max = 0;      // notifications in memory
  size_t in_hand_bytes_max = 0;
  size_t waiting_entities_max = 0;
  uint64_t seed = 0;  // of the jitter
};

enum class DeliveryState { delivered, dead, retrying, replaying, dropped };
const char* name(DeliveryState state);

// One row of tidemark.deliveries.
struct DeliveryRecord {
  uint64_t seq = 0;
  std::string entity;
  DeliveryState state = DeliveryState::delivered;
  uint32_t attempts = 0;
  int64_t wait_us = 0;  // retrying: until the next try
  int status = 0;
  std::string answer;
};

struct Parcel {
  std::vector<Notification> notifications;  // in the order of seq
};

class DeliveryQueue {
 public:
  DeliveryQueue(const QueueOptions& options, uint64_t position);

  // From an earlier life, or a replay: the entity's first unsettled notification is `head`. What is in hand
  // of that entity is given back to the outbox.
  void hold(const std::string& entity, uint64_t head, uint32_t attempts, int64_t due_at);

  bool wants_more() const;
  uint64_t cursor() const { return cursor_; }
  // `rows`: those of (cursor(), cursor] that are this destination's and not settled.
  void add(std::vector<Notification> rows, uint64_t cursor, int64_t now);

  // Held entities whose time has come, at most so many, each with its head. They must be given to resumed().
  std::vector<std::pair<std::string, uint64_t>> due(int64_t now, size_t most);
  // Their unsettled notifications from the heads on, in order, complete up to `complete_to` (cursor(), or
  // less when a page was full).
  void resumed(const std::vector<std::pair<std::string, uint64_t>>& entities, std::vector<Notification> rows,
               uint64_t complete_to, int64_t now);

  // They could not be read: due again later.
  void not_resumed(const std::vector<std::pair<std::string, uint64_t>>& entities, int64_t due_at);

  bool has_next(int64_t now) const;
  Parcel next(int64_t now);
  // `away`: the parcel goes back to where it was. Precondition: from next(), once.
  std::vector<DeliveryRecord> settle(Parcel parcel, const Outcome& outcome, int64_t now);
  // Everything held is due now.
  void hurry(int64_t now);

  uint64_t position() const;
  // When next() or due() may have something that they do not have now; nothing: not by time alone.
  std::optional<int64_t> wakes_at() const;
  size_t in_hand() const { return in_hand_; }
  size_t waiting_entities() const { return waiting_entities_; }

 private:
  struct Entity {
    std::deque<Notification> waiting;  // in hand
    bool busy = false;                 // in a parcel
    bool held = false;                 // nothing is in hand
    bool passed_over = false;          // the outbox has more, behind read_to
    bool counted = false;              // in waiting_entities_
    uint64_t head = 0;                 // held, or passed over: stands in unsettled_
    uint64_t read_to = 0;
    uint32_t attempts = 0;
    int64_t due_at = 0;
  };
  using Entities = std::unordered_map<std::string, Entity>;

  void take_in(Entity& entity, Notification row);
  void give_back(Entity& entity);
  void hold_at(Entity& entity, const std::string& name, uint64_t head, uint32_t attempts, int64_t due_at);
  void pass_over_from(Entity& entity, uint64_t read_to);
  void after(Entities::iterator found, int64_t now);
  void count(Entity& entity);
  void make_ready(const Entity& entity, const std::string& name);
  bool first_alone() const;
  double random();
  void succeeded(int64_t now);

  QueueOptions options_;
  uint64_t cursor_;
  Entities entities_;
  std::map<uint64_t, std::string> ready_;             // first waiting seq -> entity that is not busy or held
  std::set<std::pair<int64_t, std::string>> timers_;  // held entities
  std::multiset<uint64_t> unsettled_;
  size_t ready_rows_ = 0;  // waiting of entities that are not busy
  size_t in_hand_ = 0, in_hand_bytes_ = 0;
  size_t waiting_entities_ = 0;
  size_t failures_ = 0;       // since the last success
  int64_t oldest_ready_ = 0;  // when something was ready after nothing was; for parcel_wait_us
  std::minstd_rand random_;
};

}  // namespace tidemark::notify
