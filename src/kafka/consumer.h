// A consumer of Kafka, over librdkafka.
//
// Where to read from is always said by the caller: nothing is committed unless asked, nothing is ever reset
// by the client. A consumer either has partitions assigned to it (assign) or is a member of a group that
// shares topics (subscribe); then the listener is told what comes and goes, and answers from where.
//
// Failures that the client mends by itself (a broker that is away) are not errors; trouble() tells of them.
// Errors: dependency_down; refused (not allowed, wrong password); config (a setting librdkafka does not
// know, no such topic); corrupt (the broker has lost the place: RETRY will not help, see out_of_range()).
//
// Threads: one polls and assigns; wake(), watermarks(), known_end(), probe() and trouble() may come from
// anywhere.
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "kafka/message.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tidemark::kafka {

struct ConsumerOptions {
  std::string brokers;                     // "host:9092,host:9093"
  std::string group;                       // for committed offsets and for subscribe()
  std::map<std::string, Secret> settings;  // librdkafka's own: security.protocol, sasl.username, ...
  std::string client = "tidemark";
};

struct TopicPartitions {
  std::string topic;
  int32_t partitions = 0;
};

// The place of the oldest message that is still there, and the place behind the newest that may be read.
struct Watermarks {
  int64_t first = 0;
  int64_t end = 0;
};

class Consumer {
 public:
  static Result<Consumer> open(const ConsumerOptions& options);
  Consumer(Consumer&&) noexcept;
  Consumer& operator=(Consumer&&) noexcept;
  ~Consumer();

  // Topics by their names or, when they begin with ^, by regular expressions (the whole name must match).
  // A name without a topic is left out. Sorted; internal topics are never matched by expressions.
  Result<std::vector<TopicPartitions>> topics(const std::vector<std::string>& names_or_patterns);
  Result<Watermarks> watermarks(const std::string& topic, int32_t partition);

  // Where the partition ends as the client last heard; at least `position.offset`. Does not wait.
  uint64_t known_end(const Position& position) const;
  // The cluster's identity.
  Result<std::string> cluster();
  // Asks a broker for a sign of life and forgets the trouble when one comes.
  void probe();

  // From now on exactly these partitions, each from its position.
  Status assign(const std::vector<Position>& positions);
  Status seek(const Position& position);
  Status pause(const std::vector<Position>& partitions);
  Status resume(const std::vector<Position>& partitions);

  struct GroupListener {
    // Where to begin in partitions that are ours now; offsets are filled in.
    std::function<Status(std::vector<Position>&)> assigned;
    // They are not ours any more when this returns.
    std::function<void(const std::vector<Position>&)> revoked;
    // They have not been ours for a while already (the group did not hear of us); may be empty: revoked.
    std::function<void(const std::vector<Position>&)> lost;
  };
  Status subscribe(const std::vector<std::string>& names_or_patterns, GroupListener listener);
  Status unsubscribe();
  // Of a group, whether we are one of them or not. Those that were killed count until the group has missed
  // them for its session timeout.
  Result<size_t> group_members(const std::string& group);

  struct Handler {
    std::function<Status(const Message&)> message;
    // There is nothing behind `position` at present.
    std::function<void(const Position&)> end;
  };
  // Waits at most `timeout` for messages and hands out what has come, at most
  // limits::batch_messages_max. An error of the handler ends it; the messages behind are lost to this
  // assignment.
  Status poll(std::chrono::milliseconds timeout, const Handler& handler);
  // Ends a poll that waits.
  void wake();

  // For monitoring by others only: lag tools look at the group's offsets. Does not wait.
  void commit(const std::vector<Position>& positions);
  // The last thing the client complained about and mends by itself; empty when all is well.
  std::string trouble() const;

 private:
  struct Handle;
  explicit Consumer(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace tidemark::kafka
