// A notification as the outbox holds it, its identity, and the JSON receivers get.
//
// The id is a hash of destination, subject, entity and seq: the same over retries, crashes and replays, so
// that a receiver that keeps the ids it has seen gets each notification once.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::notify {

struct Notification {
  uint64_t seq = 0;  // total order, given by who writes the outbox; 0: a test
  std::string kind;  // "segment.entered"
  std::string subject, subject_version;
  std::string entity;
  uint64_t prev_seq = 0;
  std::string cause;
  int64_t happened_at_ms = 0;  // since 1970, UTC
  std::string data;            // JSON object; empty: made of the columns above

  size_t bytes() const {
    return sizeof *this + kind.size() + subject.size() + subject_version.size() + entity.size() +
           cause.size() + data.size();
  }
};

// "msg_" and 32 hexadecimal digits.
std::string message_id(std::string_view destination, const Notification& notification);
// Of several at once, in this order.
std::string batch_id(std::string_view destination, const std::vector<Notification>& notifications);

// "2026-05-03T10:20:30.123Z"
std::string iso_time(int64_t milliseconds);

// {"type", "timestamp", "data"}, and "id" when it is given. Errors: corrupt when `data` is no JSON object;
// limit when it is too large.
Result<std::string> payload(const Notification& notification, std::string_view id = {});
// {"type": "batch", "data": [payloads with their ids]}
Result<std::string> batch_payload(std::string_view destination,
                                  const std::vector<Notification>& notifications);

// What came of one try to deliver some notifications together.
struct Outcome {
  enum class Result {
    delivered,
    failed,   // another try later, by the schedule; then dead
    refused,  // it will never be taken: dead at once
    away,     // not the notification's fault: the destination waits, and tries the same again
    gone,     // the receiver wants no more (410): the destination is disabled
  };
  Result result = Result::delivered;
  int status = 0;                             // of HTTP or SMTP; 0: none
  std::string answer;                         // what it said, or why not; no secrets in it
  std::optional<int64_t> retry_after_s = {};  // it asked for a pause
  bool slow_down = false;                     // of everything, not only of this entity
};

}  // namespace tidemark::notify
