#include "ingest/kafka_lease.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/kafka_limits.h"
#include "ingest/kafka_slots_limits.h"

#include <future>

namespace tidemark::ingest {
namespace {

std::set<uint32_t> numbers(const std::vector<kafka::Position>& positions) {
  std::set<uint32_t> slots;
  for (const auto& position : positions) slots.insert(static_cast<uint32_t>(position.partition));
  return slots;
}

}  // namespace

KafkaLease::KafkaLease(KafkaLeaseOptions options, Listener listener, const Clock& clock)
    : options_(std::move(options)), listener_(std::move(listener)), clock_(clock) {}

void KafkaLease::start() {
  seen_at_ = clock_.monotonic_micros();
  thread_ = std::thread([this] { run(); });
}

void KafkaLease::stop() {
  stop_ = true;
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void KafkaLease::run() {
  auto pause = limits::source_backoff_min;
  while (!stop_) {
    Status ended = stay();
    // Whatever the client did not give back is gone with it.
    take_away(slots(), listener_.lost);
    if (ended || stop_) continue;
    log::warn("Kafka group {}: {}", options_.client.group, ended.error().describe());
    std::unique_lock lock(mutex_);
    error_ = std::move(ended.error());
    changed_.notify_all();
    changed_.wait_for(lock, pause, [&] { return stop_.load(); });
    pause = std::min(pause * 2, limits::source_backoff_max);
  }
}

// One membership. Good: it was left, or we do not know any more what is ours.
Status KafkaLease::stay() {
  kafka::Consumer consumer = TRY(kafka::Consumer::open(options_.client));
  kafka::Consumer::GroupListener listener;
  listener.assigned = [this](std::vector<kafka::Position>& positions) -> Status {
    constexpr int64_t end = -1;  // librdkafka: nothing that is there already is read
    for (auto& position : positions) position.offset = end;
    seen_at_ = clock_.monotonic_micros();
    std::set<uint32_t> slots = numbers(positions);
    {
      std::lock_guard lock(mutex_);
      slots_.insert(slots.begin(), slots.end());
      joined_ = true;
      changed_.notify_all();
    }
    if (listener_.assigned) listener_.assigned(slots);
    return {};
  };
  listener.revoked = [this](const auto& positions) { take_away(numbers(positions), listener_.revoked); };
  listener.lost = [this](const auto& positions) { take_away(numbers(positions), listener_.lost); };
  TRY_VOID(consumer.subscribe({options_.topic}, std::move(listener)));
  seen_at_ = clock_.monotonic_micros();
  int64_t probed_at = 0;
  while (!stop_) {
    TRY_VOID(consumer.poll(limits::kafka_lease_poll, {.message = [](const auto&) { return Status(); }}));
    std::string trouble = consumer.trouble();
    // There are no messages that would end it.
    if (int64_t now = clock_.monotonic_micros();
        !trouble.empty() && now - probed_at > limits::kafka_probe_every_us) {
      probed_at = now;
      consumer.probe();
      trouble = consumer.trouble();
    }
    {
      std::lock_guard lock(mutex_);
      trouble_ = std::move(trouble);
    }
    if (stood_still() || stale_.exchange(false)) {
      take_away(slots(), listener_.lost);
      return {};
    }
  }
  return {};
}

void KafkaLease::take_away(const std::set<uint32_t>& slots,
                           const std::function<void(const std::set<uint32_t>&)>& tell) {
  std::set<uint32_t> gone;
  {
    std::lock_guard lock(mutex_);
    for (uint32_t slot : slots)
      if (slots_.contains(slot)) gone.insert(slot);
    // Those that are lost are not valid from here on; the others until they are given back.
    if (&tell == &listener_.lost)
      for (uint32_t slot : gone) slots_.erase(slot);
  }
  if (gone.empty()) return;
  // Giving back takes as long as a cut; the client answers the group meanwhile.
  if (tell) {
    auto told = std::async(std::launch::async, [&] { tell(gone); });
    while (told.wait_for(limits::kafka_lease_poll) != std::future_status::ready) {
      if (stood_still()) stale_ = true;
    }
  }
  std::lock_guard lock(mutex_);
  for (uint32_t slot : gone) slots_.erase(slot);
}

bool KafkaLease::stood_still() {
  int64_t now = clock_.monotonic_micros();
  int64_t pause = now - seen_at_.exchange(now);
  if (pause < patience_us()) return false;
  log::warn("Kafka group {}: this process stood still for {} ms: what it worked on counts as lost",
            options_.client.group, pause / 1000);
  return true;
}

Status KafkaLease::wait_joined(std::chrono::milliseconds timeout, const std::function<bool()>& stopped) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  while (!joined_) {
    if (stopped()) return fail(ErrorKind::cancelled, "stopped");
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::limit,
                  fmt::format("the Kafka group {} does not come to an agreement{}", options_.client.group,
                              trouble_.empty() ? "" : ": " + trouble_),
                  "kafka-consumer-groups.sh --describe shows its members");
    changed_.wait_for(lock, limits::kafka_lease_poll);
  }
  return {};
}

Status KafkaLease::wait_for(uint32_t slot, std::chrono::milliseconds timeout,
                            const std::function<bool()>& stopped) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  while (!slots_.contains(slot)) {
    if (stopped()) return fail(ErrorKind::cancelled, "stopped");
    if (error_ && error_->kind != ErrorKind::dependency_down) return fail(*error_);
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::conflict,
                  fmt::format("another process of this project is starting and does not come to an end{}",
                              trouble_.empty() ? "" : ": " + trouble_),
                  "look at its log, or end it");
    changed_.wait_for(lock, limits::kafka_lease_poll);
  }
  return {};
}

bool KafkaLease::valid(uint32_t slot) const {
  std::lock_guard lock(mutex_);
  return !stale_ && slots_.contains(slot) && clock_.monotonic_micros() - seen_at_ < patience_us();
}

std::set<uint32_t> KafkaLease::slots() const {
  std::lock_guard lock(mutex_);
  return slots_;
}

std::string KafkaLease::trouble() const {
  std::lock_guard lock(mutex_);
  return trouble_;
}

}  // namespace tidemark::ingest
