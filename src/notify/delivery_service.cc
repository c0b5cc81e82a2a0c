#include "notify/delivery_service.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/diagnostic.h"
#include "notify/notify_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::notify {

namespace {
// One for each destination's books, and for looking, counting and answering.
constexpr size_t connections_besides = 3;
}  // namespace

DeliveryService::DeliveryService(const clickhouse::Endpoint& warehouse,
                                 std::vector<config::Destination> destinations, std::function<bool()> leads)
    : destinations_(std::move(destinations)),
      leads_(std::move(leads)),
      pool_(warehouse, destinations_.size() + connections_besides),
      outbox_(pool_),
      store_(pool_) {}

DeliveryService::~DeliveryService() {
  stop();
}

Status DeliveryService::prepare() {
  TRY_VOID(outbox_.prepare());
  TRY_VOID(store_.prepare());
  std::map<std::string, Entry> entries;
  for (const auto& destination : destinations_)
    entries[destination.name].made = TRY(make_courier(destination, outbox_, carriers_stop_));
  std::lock_guard lock(mutex_);
  entries_ = std::move(entries);
  return {};
}

void DeliveryService::start() {
  thread_ = std::thread([this] { run(); });
}

void DeliveryService::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  set_couriers(false);
}

void DeliveryService::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void DeliveryService::take(Outbox::News news) {
  {
    std::lock_guard lock(mutex_);
    written_to_ = std::max(written_to_, news.complete_to);
    if (newest_ > 0 && newest_ == news.after && news.rows.size() < limits::page_rows_max) {
      newest_ = news.complete_to;
      tell(std::move(news));
      return;
    }
    // Something before it has not been read yet.
    woken_ = true;
  }
  changed_.notify_one();
}

void DeliveryService::tell(Outbox::News news) {
  if (news.rows.empty()) return;
  // What couriers were not told of was nobody's.
  news.after = std::min(news.after, told_to_);
  told_to_ = news.complete_to;
  auto shared = std::make_shared<const Outbox::News>(std::move(news));
  for (auto& [name, entry] : entries_)
    if (entry.courier) entry.courier->wake(shared);
}

void DeliveryService::run() {
  while (true) {
    set_couriers(!leads_ || leads_());
    look();
    count();
    expire();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limits::poll_every, [&] { return stopping_ || woken_; });
    if (stopping_) return;
    woken_ = false;
  }
}

// Starts or stops all of them.
void DeliveryService::set_couriers(bool work) {
  std::vector<std::shared_ptr<Courier>> ended;
  {
    std::lock_guard lock(mutex_);
    if (work && !stopping_) {
      for (auto& [name, entry] : entries_) {
        if (entry.courier) continue;
        entry.courier = std::make_shared<Courier>(entry.made.options, outbox_, store_);
        entry.courier->start();
        if (newest_ > 0) entry.courier->wake(newest_);
      }
    } else {
      for (auto& [name, entry] : entries_)
        if (entry.courier) ended.push_back(std::exchange(entry.courier, nullptr));
    }
  }
  if (ended.empty()) return;
  // All at once: each gives what is under way its time.
  carriers_stop_ = true;
  std::vector<std::thread> stops;
  stops.reserve(ended.size());
  for (auto& courier : ended) stops.emplace_back([&courier] { courier->stop(); });
  for (auto& thread : stops) thread.join();
  carriers_stop_ = false;
}

void DeliveryService::look() {
  uint64_t newest = 0;
  {
    std::lock_guard lock(mutex_);
    newest = newest_;
  }
  Status looked = newest == 0 ? begin_at_newest() : read_news(newest);
  if (looked) {
    outbox_failed_ = false;
  } else if (!std::exchange(outbox_failed_, true)) {
    log::warn("the outbox cannot be read, it is tried again: {}", looked.error().message);
  }
}

// Each destination reads by itself what it has missed.
Status DeliveryService::begin_at_newest() {
  uint64_t newest = TRY(outbox_.newest());
  std::lock_guard lock(mutex_);
  newest_ = told_to_ = newest;
  for (auto& [name, entry] : entries_)
    if (entry.courier && newest > 0) entry.courier->wake(newest);
  return {};
}

Status DeliveryService::read_news(uint64_t after) {
  uint64_t written_to = 0;
  {
    std::lock_guard lock(mutex_);
    written_to = written_to_;
  }
  Outbox::News news = TRY(outbox_.news(after));
  std::lock_guard lock(mutex_);
  // Given meanwhile: what is read now begins before it.
  if (newest_ != after) {
    woken_ = true;
    return {};
  }
  // There may be more than a page.
  bool more = news.rows.size() == limits::page_rows_max;
  woken_ |= more;
  // Numbers that are nobody's notification are not in the outbox.
  newest_ = more ? news.complete_to : std::max(news.complete_to, written_to);
  tell(std::move(news));
  return {};
}

void DeliveryService::count() {
  const int64_t now = system_clock().monotonic_micros();
  if (counted_at_ != 0 && now - counted_at_ < std::max<int64_t>(limits::count_every.count() * 1000,
                                                                count_took_ * limits::count_share))
    return;
  counted_at_ = now;
  std::vector<std::pair<std::string, uint64_t>> positions;
  {
    std::lock_guard lock(mutex_);
    for (auto& [name, entry] : entries_)
      if (entry.courier) positions.emplace_back(name, entry.courier->facts().position);
  }
  for (const auto& [name, position] : positions) {
    auto counts = store_.counts(name, position);
    if (!counts) return;
    std::lock_guard lock(mutex_);
    entries_.at(name).counts = *counts;
  }
  count_took_ = system_clock().monotonic_micros() - now;
}

void DeliveryService::expire() {
  const int64_t now = system_clock().monotonic_micros();
  constexpr int64_t every = std::chrono::microseconds(limits::expire_every).count();
  if (expired_at_ == 0) expired_at_ = now;  // not while everything starts
  if (now - expired_at_ < every) return;
  expired_at_ = now;
  uint64_t behind_all = UINT64_MAX;
  std::vector<std::pair<std::string, uint64_t>> positions;
  {
    std::lock_guard lock(mutex_);
    for (auto& [name, entry] : entries_) {
      if (!entry.courier) return;
      DestinationFacts facts = entry.courier->facts();
      positions.emplace_back(name, facts.position);
      behind_all = std::min(behind_all, facts.position);
    }
  }
  if (positions.empty()) return;
  Status done = outbox_.expire(behind_all);
  for (const auto& [name, position] : positions)
    if (done) done = store_.expire(name, position);
  if (!done) log::warn("old notifications could not be deleted: {}", done.error().message);
}

std::vector<DestinationFacts> DeliveryService::facts() const {
  std::lock_guard lock(mutex_);
  std::vector<DestinationFacts> list;
  for (const auto& [name, entry] : entries_) {
    DestinationFacts facts;
    if (entry.courier) {
      facts = entry.courier->facts();
    } else {
      facts.destination = name;
      facts.kind = entry.made.options.kind;
      facts.where = entry.made.options.where;
      facts.state = "elsewhere";
      facts.reason = "another process of the project delivers";
    }
    facts.pending = entry.counts.pending;
    facts.dead = entry.counts.dead;
    list.push_back(std::move(facts));
  }
  return list;
}

Status DeliveryService::known(const std::string& destination) const {
  std::vector<std::string> names;
  for (const auto& one : destinations_) names.push_back(one.name);
  if (std::find(names.begin(), names.end(), destination) != names.end()) return {};
  return fail(
      ErrorKind::config,
      fmt::format("there is no destination {}{}", destination, config::did_you_mean(destination, names)),
      names.empty() ? "destinations/<name>.yaml declares one" : "tidemark destination list");
}

Result<std::shared_ptr<Courier>> DeliveryService::courier(const std::string& destination) {
  TRY_VOID(known(destination));
  std::lock_guard lock(mutex_);
  auto found = entries_.find(destination);
  if (found == entries_.end() || !found->second.courier)
    return fail(ErrorKind::conflict, fmt::format("this process does not deliver to {}", destination),
                "ask the one that does: its log says that it leads; or wait until it has started");
  return found->second.courier;
}

Result<Outcome> DeliveryService::test(const std::string& destination) {
  return TRY(courier(destination))->test();
}

Status DeliveryService::resume(const std::string& destination) {
  return TRY(courier(destination))->resume();
}

Result<uint64_t> DeliveryService::replay(const std::string& destination, const Selection& selection) {
  auto found = TRY(courier(destination));
  {
    std::lock_guard lock(mutex_);
    if (entries_.at(destination).made.feed)
      return fail(ErrorKind::unsupported, "a feed is not replayed",
                  "listeners begin where they like: Last-Event-ID, or ?last_event_id=SEQ");
  }
  uint64_t rows = TRY(found->replay(selection));
  counted_at_ = 0;
  return rows;
}

Result<uint64_t> DeliveryService::drop(const std::string& destination, const Selection& selection) {
  TRY_VOID(known(destination));
  return store_.drop(destination, selection);
}

Result<std::vector<DeadLetter>> DeliveryService::dead_letters(const std::string& destination, size_t most) {
  if (!destination.empty()) TRY_VOID(known(destination));
  return store_.dead_letters(destination, std::min(most, limits::listed_max));
}

Result<std::shared_ptr<Feed>> DeliveryService::feed(const std::string& destination) {
  TRY_VOID(known(destination));
  std::lock_guard lock(mutex_);
  auto found = entries_.find(destination);
  if (found != entries_.end() && found->second.made.feed) return found->second.made.feed;
  return fail(ErrorKind::config, fmt::format("destination {} is no feed", destination),
              "feeds are destinations of kind sse");
}

}  // namespace tidemark::notify
