#include "notify/delivery_queue.h"

#include "notify/notify_limits.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace tidemark::notify {
namespace {

using Result = Outcome::Result;
constexpr int64_t second = 1'000'000;

Notification notification(uint64_t seq, const std::string& entity) {
  return {.seq = seq, .kind = "segment.entered", .subject = "s", .entity = entity, .data = "{}"};
}

std::vector<uint64_t> seqs(const std::vector<Notification>& notifications) {
  std::vector<uint64_t> list;
  for (const auto& one : notifications) list.push_back(one.seq);
  return list;
}

QueueOptions options(size_t parcel_size = 1) {
  return {.parcel_size = parcel_size,
          .in_hand_max = 100,
          .in_hand_bytes_max = 1 << 20,
          .waiting_entities_max = 10,
          .seed = 7};
}

TEST(DeliveryQueue, OneOfAnEntityAtATimeAndOthersMeanwhile) {
  DeliveryQueue queue(options(), 0);
  queue.add({notification(1, "a"), notification(2, "a"), notification(3, "b")}, 3, 0);
  Parcel first = queue.next(0), second_parcel = queue.next(0);
  EXPECT_EQ(seqs(first.notifications), (std::vector<uint64_t>{1}));
  EXPECT_EQ(seqs(second_parcel.notifications), (std::vector<uint64_t>{3}));
  EXPECT_FALSE(queue.has_next(0));
  EXPECT_EQ(queue.position(), 0U);
  queue.settle(std::move(second_parcel), {}, 0);
  EXPECT_EQ(queue.position(), 0U);
  queue.settle(std::move(first), {}, 0);
  EXPECT_EQ(queue.position(), 1U);
  Parcel third = queue.next(0);
  EXPECT_EQ(seqs(third.notifications), (std::vector<uint64_t>{2}));
  queue.settle(std::move(third), {}, 0);
  EXPECT_EQ(queue.position(), 3U);
  EXPECT_EQ(queue.in_hand(), 0U);
}

TEST(DeliveryQueue, AFailureHoldsItsEntityAndTheOutboxKeepsWhatFollows) {
  DeliveryQueue queue(options(), 0);
  queue.add({notification(1, "a"), notification(2, "a"), notification(3, "b")}, 3, 0);
  auto records = queue.settle(queue.next(0), {.result = Result::failed, .status = 500}, 0);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].state, DeliveryState::retrying);
  EXPECT_EQ(records[0].attempts, 1U);
  EXPECT_GE(records[0].wait_us, 5 * second);
  EXPECT_LE(records[0].wait_us, 6 * second);
  EXPECT_EQ(queue.waiting_entities(), 1U);
  queue.settle(queue.next(0), {}, 0);
  EXPECT_EQ(queue.in_hand(), 0U);
  EXPECT_EQ(queue.position(), 0U);
  queue.add({notification(4, "a"), notification(5, "c")}, 5, 0);
  EXPECT_EQ(queue.in_hand(), 1U);
  queue.settle(queue.next(0), {}, 0);
  EXPECT_TRUE(queue.due(4 * second, 10).empty());
  auto due = queue.due(7 * second, 10);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0], (std::pair<std::string, uint64_t>{"a", 1}));
  queue.resumed(due, {notification(1, "a"), notification(2, "a"), notification(4, "a")}, 5, 7 * second);
  EXPECT_EQ(queue.waiting_entities(), 0U);
  for (uint64_t expected : {1, 2, 4}) {
    Parcel parcel = queue.next(7 * second);
    EXPECT_EQ(seqs(parcel.notifications), (std::vector<uint64_t>{expected}));
    auto settled = queue.settle(std::move(parcel), {}, 7 * second);
    EXPECT_EQ(settled[0].attempts, expected == 1 ? 2U : 1U);
  }
  EXPECT_EQ(queue.position(), 5U);
}

TEST(DeliveryQueue, TheScheduleEndsAndTheNextOfTheEntityGoesOn) {
  DeliveryQueue queue(options(), 0);
  queue.add({notification(1, "a"), notification(2, "a")}, 2, 0);
  int64_t now = 0;
  uint32_t tries = 0;
  while (true) {
    ASSERT_TRUE(queue.has_next(now));
    Parcel parcel = queue.next(now);
    if (parcel.notifications[0].seq == 2) break;
    ++tries;
    auto records = queue.settle(std::move(parcel), {.result = Result::failed}, now);
    if (records[0].state == DeliveryState::dead) continue;
    now = *queue.wakes_at();
    queue.resumed(queue.due(now, 10), {notification(1, "a"), notification(2, "a")}, 2, now);
  }
  EXPECT_EQ(tries, limits::retry_pauses_s.size() + 1);
  // 5 s, 5 min, 30 min, 2, 5, 10, 14, 20, 24 h and at most a fifth more
  EXPECT_GT(now, 75 * 3'600 * second);
  EXPECT_LT(now, 92 * 3'600 * second);
}

TEST(DeliveryQueue, ReceiversMayAskForALongerPause) {
  DeliveryQueue queue(options(), 0);
  queue.add({notification(1, "a")}, 1, 0);
  auto records =
      queue.settle(queue.next(0), {.result = Result::failed, .status = 503, .retry_after_s = 120}, 0);
  EXPECT_EQ(records[0].wait_us, 120 * second);
}

TEST(DeliveryQueue, OneBadNotificationDoesNotTakeItsNeighboursAlong) {
  DeliveryQueue queue(options(10), 0);
  queue.add({notification(1, "a"), notification(2, "b"), notification(3, "a"), notification(4, "c")}, 4, 0);
  Parcel all = queue.next(0);
  EXPECT_EQ(seqs(all.notifications), (std::vector<uint64_t>{1, 2, 3, 4}));
  queue.settle(std::move(all), {.result = Result::refused, .answer = "bad"}, 0);
  auto due = queue.due(0, 10);
  EXPECT_EQ(due.size(), 3U);
  queue.resumed(due, {notification(1, "a"), notification(2, "b"), notification(3, "a"), notification(4, "c")},
                4, 0);
  std::vector<uint64_t> delivered, dead;
  while (queue.has_next(0)) {
    Parcel parcel = queue.next(0);
    Outcome outcome;
    if (parcel.notifications[0].seq == 2) {
      ASSERT_EQ(parcel.notifications.size(), 1U);
      outcome.result = Result::refused;
    }
    for (const auto& record : queue.settle(std::move(parcel), outcome, 0))
      (record.state == DeliveryState::dead ? dead : delivered).push_back(record.seq);
  }
  EXPECT_EQ(dead, (std::vector<uint64_t>{2}));
  EXPECT_EQ(delivered.size(), 3U);
  EXPECT_EQ(queue.position(), 4U);
}

TEST(DeliveryQueue, ADestinationThatIsAwayKeepsEverythingAsItWas) {
  DeliveryQueue queue(options(2), 0);
  queue.add({notification(1, "a"), notification(2, "a"), notification(3, "a")}, 3, 0);
  for (int round = 0; round < 50; ++round)
    EXPECT_TRUE(queue.settle(queue.next(0), {.result = Result::away}, 0).empty());
  std::vector<uint64_t> seen;
  while (queue.has_next(0)) {
    Parcel parcel = queue.next(0);
    for (uint64_t seq : seqs(parcel.notifications)) seen.push_back(seq);
    queue.settle(std::move(parcel), {}, 0);
  }
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 2, 3}));
}

TEST(DeliveryQueue, TooManyWaitingEntitiesMakeTheDestinationWait) {
  DeliveryQueue queue(options(), 0);
  uint64_t seq = 0;
  while (queue.wants_more()) {
    ++seq;
    queue.add({notification(seq, "entity" + std::to_string(seq))}, seq, 0);
    queue.settle(queue.next(0), {.result = Result::failed}, 0);
  }
  EXPECT_EQ(queue.waiting_entities(), 10U);
  auto due = queue.due(10 * second, 1);
  queue.resumed(due, {notification(due[0].second, due[0].first)}, seq, 10 * second);
  EXPECT_TRUE(queue.wants_more());
}

TEST(DeliveryQueue, AfterAnOutageWhatWaitsIsTriedSoon) {
  QueueOptions many = options();
  many.waiting_entities_max = 1000;
  DeliveryQueue queue(many, 0);
  for (uint64_t seq = 1; seq <= limits::outage_failures; ++seq) {
    queue.add({notification(seq, "entity" + std::to_string(seq))}, seq, 0);
    queue.settle(queue.next(0), {.result = Result::failed, .retry_after_s = 3'600}, 0);
  }
  queue.add({notification(100, "last")}, 100, 0);
  EXPECT_GE(*queue.wakes_at(), 3'600 * second);
  queue.settle(queue.next(0), {}, 0);
  EXPECT_EQ(queue.due(limits::recovery_spread_us, 1000).size(), limits::outage_failures);
}

TEST(DeliveryQueue, AReplayGoesBeforeWhatIsInHand) {
  DeliveryQueue queue(options(), 10);
  queue.add({notification(11, "a"), notification(12, "a")}, 12, 0);
  Parcel under_way = queue.next(0);
  queue.hold("a", 3, 0, 0);
  EXPECT_FALSE(queue.has_next(0));
  queue.settle(std::move(under_way), {}, 0);
  auto due = queue.due(0, 10);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].second, 3U);
  queue.resumed(due, {notification(3, "a"), notification(5, "a"), notification(12, "a")}, 12, 0);
  std::vector<uint64_t> seen;
  while (queue.has_next(0)) {
    Parcel parcel = queue.next(0);
    seen.push_back(parcel.notifications[0].seq);
    queue.settle(std::move(parcel), {}, 0);
  }
  EXPECT_EQ(seen, (std::vector<uint64_t>{3, 5, 12}));
  EXPECT_EQ(queue.position(), 12U);
}

TEST(DeliveryQueue, AParcelWaitsForMore) {
  QueueOptions digest = options(3);
  digest.parcel_wait_us = 10 * second;
  DeliveryQueue queue(digest, 0);
  queue.add({notification(1, "a")}, 1, 0);
  EXPECT_FALSE(queue.has_next(9 * second));
  EXPECT_EQ(*queue.wakes_at(), 10 * second);
  EXPECT_TRUE(queue.has_next(10 * second));
  queue.add({notification(2, "b"), notification(3, "c")}, 3, second);
  EXPECT_TRUE(queue.has_next(second));
}

// Random outboxes, failures, pages and replays: nothing is lost, nothing overtakes, memory stays bounded, and
// the position never passes what is not settled.
TEST(DeliveryQueue, RandomHistories) {
  const char* given = std::getenv("TIDEMARK_SEED");
  const unsigned base = given != nullptr ? static_cast<unsigned>(std::atol(given)) : 1;
  for (unsigned seed = base; seed < base + 300; ++seed) {
    SCOPED_TRACE("TIDEMARK_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    QueueOptions chosen = options(1 + random() % 5);
    chosen.in_hand_max = 5 + random() % 20;
    chosen.waiting_entities_max = 2 + random() % 6;
    chosen.seed = seed;
    DeliveryQueue queue(chosen, 0);
    std::vector<Notification> outbox;
    std::map<uint64_t, bool> settled;  // seq -> what the store says
    std::vector<Parcel> under_way;
    const uint64_t total = 100 + random() % 300;
    for (uint64_t seq = 1; seq <= total; ++seq)
      outbox.push_back(notification(seq, "e" + std::to_string(random() % 12)));
    int64_t now = 0;
    size_t page = 1 + random() % 10, rounds = 0;
    uint64_t checked = 0;
    while (settled.size() < total) {
      ASSERT_LT(++rounds, 200'000U);
      // Half an hour of retries is enough to see all of them; later ones come at once.
      now += 10 * second;
      if (chance(5)) queue.hurry(now);
      if (queue.wants_more() && queue.cursor() < total) {
        std::vector<Notification> rows;
        for (uint64_t seq = queue.cursor() + 1; seq <= total && rows.size() < page; ++seq)
          rows.push_back(outbox[seq - 1]);
        uint64_t to = rows.back().seq;
        queue.add(std::move(rows), to, now);
      }
      if (auto due = queue.due(now, queue.in_hand() < chosen.in_hand_max ? 3 : 0); !due.empty()) {
        uint64_t from = UINT64_MAX;
        std::set<std::string> names;
        for (const auto& [name, head] : due) {
          from = std::min(from, head);
          names.insert(name);
        }
        std::vector<Notification> rows;
        for (uint64_t seq = from; seq <= queue.cursor() && rows.size() < page; ++seq)
          if (names.contains(outbox[seq - 1].entity) && !settled.contains(seq))
            rows.push_back(outbox[seq - 1]);
        uint64_t to = rows.size() < page ? queue.cursor() : rows.back().seq;
        queue.resumed(due, std::move(rows), to, now);
      }
      while (under_way.size() < 3 && queue.has_next(now)) under_way.push_back(queue.next(now));
      ASSERT_LE(queue.in_hand(), chosen.in_hand_max + 2 * page);
      ASSERT_LE(queue.waiting_entities(), 12U);
      if (under_way.empty() || chance(20)) continue;
      size_t which = random() % under_way.size();
      Parcel parcel = std::move(under_way[which]);
      under_way.erase(under_way.begin() + static_cast<long>(which));
      unsigned dice = random() % 100;
      Outcome outcome{.result = dice < 60   ? Result::delivered
                                : dice < 85 ? Result::failed
                                : dice < 90 ? Result::refused
                                : dice < 97 ? Result::away
                                            : Result::gone};
      std::set<std::string> busy;
      for (const auto& other : under_way)
        for (const auto& row : other.notifications) busy.insert(row.entity);
      for (const auto& row : parcel.notifications) {
        ASSERT_FALSE(busy.contains(row.entity)) << "two parcels of one entity";
        ASSERT_FALSE(settled.contains(row.seq)) << "sent again after it was settled";
        for (uint64_t before = 1; before < row.seq; ++before)
          if (outbox[before - 1].entity == row.entity && !settled.contains(before)) {
            bool same_parcel = false;
            for (const auto& other : parcel.notifications) same_parcel |= other.seq == before;
            ASSERT_TRUE(same_parcel) << row.seq << " overtakes " << before;
          }
      }
      for (const auto& record : queue.settle(std::move(parcel), outcome, now))
        if (record.state != DeliveryState::retrying) settled[record.seq] = true;
      for (; checked < queue.position(); ++checked) ASSERT_TRUE(settled.contains(checked + 1)) << checked + 1;
    }
    // Entities that were passed over are looked at once more.
    for (auto due = queue.due(now, 10); !due.empty(); due = queue.due(now, 10))
      queue.resumed(due, {}, total, now);
    EXPECT_EQ(queue.position(), total);
    EXPECT_EQ(queue.in_hand(), 0U);
  }
}

}  // namespace
}  // namespace tidemark::notify
