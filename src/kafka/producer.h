// A producer to Kafka, over librdkafka: every message once and in order for each partition (idempotent), and,
// with a transactional id, sets of messages that readers at read_committed see whole or not at all.
//
//   open -> initialise -> { begin -> send ... -> commit | abort } ...        with a transactional id
//   open -> { send ... -> flush } ...                                         without
//
// initialise() fences: whoever used the transactional id before is shut out, and what it left open is
// aborted. The one shut out gets ErrorKind::conflict from its next call and must not go on.
//
// The brokers may be away: the client keeps what fits its queue and sends it when they are back. send() waits
// for room, commit() for the answer, both bounded (producer_limits.h) and ended by `stop`. After that, and
// after any error but `cancelled` before commit(), the state is clear: this producer is done; a new one with
// the same id is opened and initialised, and whether the last commit happened is read from Kafka itself. A
// commit whose answer was lost is ErrorKind::unknown_outcome.
//
// Partitions are chosen as Java clients do (murmur2 of the key), so that keys meet those of other producers.
//
// Errors: dependency_down; conflict (fenced); unknown_outcome; refused; config; limit (message too large).
// Threads: one a producer; trouble() may be asked by anyone.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::kafka {

struct ProducerOptions {
  std::string brokers;
  std::string transactional_id;            // empty: no transactions
  std::map<std::string, Secret> settings;  // librdkafka's own: security.protocol, sasl.username, ...
  std::string client = "tidemark";
};

// Views: copied by send().
struct OutgoingMessage {
  std::string_view topic;
  int32_t partition = -1;  // -1: by the key
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // nothing: a tombstone
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

class Producer {
 public:
  // `stop` must outlive it: when it becomes true every wait ends with `cancelled`.
  static Result<Producer> open(const ProducerOptions& options, const std::atomic<bool>& stop);
  Producer(Producer&&) noexcept;
  Producer& operator=(Producer&&) noexcept;
  ~Producer();

  Status initialise();
  Status begin();
  // Queued, not sent. Errors also of messages queued before that could not be delivered.
  Status send(const OutgoingMessage& message);
  // All of it is delivered and visible.
  Status commit();
  // None of it is ever seen by readers at read_committed.
  Status abort();
  // Waits until everything queued is delivered; for producers without transactions.
  Status flush();

  // Another producer has taken over the transactional id: what failed must not be tried again.
  bool fenced() const;
  // The last thing the client complained about and mends by itself; empty when all is well.
  std::string trouble() const;

 private:
  struct Handle;
  explicit Producer(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace tidemark::kafka
