#include "ingest/event_door.h"

#include "base/clock.h"
#include "base/invariant.h"

#include <openssl/crypto.h>

namespace tidemark::ingest {

EventDoor::EventDoor(config::EventSource source, std::shared_ptr<Spool> spool)
    : source_(std::move(source)),
      spool_(std::move(spool)),
      place_(static_cast<uint64_t>(system_clock().wall_micros())) {
  for (size_t index = 0; index < source_.write_keys.size(); ++index)
    keys_.push_back(std::make_unique<KeyCounters>());
}

const config::WriteKey* EventDoor::find_key(std::string_view text) const {
  const config::WriteKey* found = nullptr;
  for (const auto& key : source_.write_keys) {
    const std::string& known = key.key.reveal();
    if (!known.empty() && known.size() == text.size() &&
        CRYPTO_memcmp(known.data(), text.data(), known.size()) == 0)
      found = &key;
  }
  return found;
}

EventDoor::KeyCounters& EventDoor::counters_of(const config::WriteKey& key) const {
  auto found = std::find_if(source_.write_keys.begin(), source_.write_keys.end(),
                            [&](const auto& one) { return one.name == key.name; });
  INVARIANT(found != source_.write_keys.end());
  return *keys_[static_cast<size_t>(found - source_.write_keys.begin())];
}

Status EventDoor::take(EventRecordWriter record, const config::WriteKey& key,
                       std::function<void(const Status&)> done) {
  uint64_t rows = record.rows();
  KeyCounters& counters = counters_of(key);
  return spool_->append(record.finish(), [rows, &counters, done = std::move(done)](const Status& written) {
    if (written) counters.accepted += rows;
    done(written);
  });
}

void EventDoor::reject(const config::WriteKey& key, std::string_view reason, uint64_t count) {
  counters_of(key).rejected += count;
  reject(reason, count);
}

void EventDoor::reject(std::string_view reason, uint64_t count) {
  std::lock_guard lock(mutex_);
  auto found = rejected_.find(reason);
  if (found == rejected_.end()) found = rejected_.emplace(std::string(reason), 0).first;
  found->second += count;
}

IntakeStatus EventDoor::status() const {
  IntakeStatus status;
  for (size_t index = 0; index < keys_.size(); ++index) {
    status.keys.push_back({.name = source_.write_keys[index].name,
                           .accepted = keys_[index]->accepted,
                           .rejected = keys_[index]->rejected});
    status.accepted += keys_[index]->accepted;
  }
  status.suppressed = left_out_;
  SpoolStatus spool = spool_->status();
  status.spool_bytes = spool.bytes;
  status.spool_bytes_max = spool.bytes_max;
  status.spool_error = spool.error;
  std::lock_guard lock(mutex_);
  status.rejected.insert(rejected_.begin(), rejected_.end());
  return status;
}

}  // namespace tidemark::ingest
