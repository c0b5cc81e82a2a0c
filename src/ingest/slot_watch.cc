#include "ingest/slot_watch.h"

#include "base/log.h"
#include "ingest/log_follower.h"
#include "ingest/slot_limits.h"

#include <fmt/format.h>

namespace tidemark::ingest {

namespace {

std::string gigabytes(uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / (1ULL << 30));
}

}  // namespace

std::string slot_warning(const SlotHealth& health) {
  if (health.wal_status == "lost") return "slot_lost: the server has removed log that was not read";
  if (health.wal_status == "unreserved")
    return "slot_unreserved: the server may remove log that was not read at its next checkpoint; raise "
           "max_slot_wal_keep_size now";
  if (health.seconds_left && *health.seconds_left < limits::slot_seconds_left_min)
    return fmt::format(
        "slot_invalid_soon: as fast as the log grows, the server invalidates the slot in {} min; raise "
        "max_slot_wal_keep_size, or see why nothing is acknowledged",
        *health.seconds_left / 60);
  if (!health.left_bytes && health.retained_bytes > limits::slot_retained_bytes_max)
    return fmt::format(
        "slot_retains_much: the server keeps {} of log for the slot, and nothing bounds it but its disk",
        gigabytes(health.retained_bytes));
  if (health.acknowledged_seconds_ago > limits::slot_still_seconds_max &&
      health.retained_bytes > limits::slot_still_bytes_min)
    return fmt::format("slot_stands_still: nothing was acknowledged for {} min, and {} of log are kept",
                       health.acknowledged_seconds_ago / 60, gigabytes(health.retained_bytes));
  return {};
}

void SlotWatch::start() {
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

void SlotWatch::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<SlotHealth> SlotWatch::health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

void SlotWatch::run() {
  std::optional<postgres::Connection> connection;
  while (true) {
    if (!connection) {
      auto opened = postgres::Connection::open(connection_options(source_));
      if (opened) connection.emplace(std::move(*opened));
    }
    if (connection) {
      auto slot = postgres::read_slot(*connection, source_.slot);
      if (slot)
        note(*slot);
      else
        connection.reset();
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, limits::slot_look_every, [this] { return stopping_; })) return;
  }
}

void SlotWatch::note(const std::optional<postgres::SlotInfo>& slot) {
  std::optional<SlotHealth> health;
  if (slot) {
    int64_t now = clock_.monotonic_micros();
    if (slot->confirmed_flush != confirmed_ || confirmed_at_ == 0) confirmed_at_ = now;
    confirmed_ = slot->confirmed_flush;
    ends_.emplace_back(now, slot->log_end);
    while (ends_.size() > 2 && now - ends_[1].first > limits::slot_rate_window_us) ends_.pop_front();
    health = SlotHealth{.wal_status = slot->wal_status,
                        .retained_bytes = slot->retained_bytes,
                        .left_bytes = slot->left_bytes,
                        .acknowledged_seconds_ago = (now - confirmed_at_) / 1'000'000};
    auto [since, begin] = ends_.front();
    if (now > since && slot->log_end > begin)
      health->log_bytes_per_second =
          static_cast<double>(slot->log_end - begin) * 1e6 / static_cast<double>(now - since);
    if (health->wal_status == "lost")
      health->seconds_left = 0;
    else if (health->left_bytes && health->log_bytes_per_second > 0)
      health->seconds_left =
          static_cast<int64_t>(static_cast<double>(*health->left_bytes) / health->log_bytes_per_second);
    health->warning = slot_warning(*health);
  }
  std::string warning = health ? health->warning : "";
  std::string threshold = warning.substr(0, warning.find(':'));
  if (threshold != warned_ && !threshold.empty()) log::warn("source {}: {}", source_.name, warning);
  if (threshold != warned_ && threshold.empty()) log::info("source {}: {} is over", source_.name, warned_);
  warned_ = threshold;
  std::lock_guard lock(mutex_);
  health_ = std::move(health);
}

}  // namespace tidemark::ingest
