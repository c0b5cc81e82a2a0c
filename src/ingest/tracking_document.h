// What Segment's API looks like, and those made after it: one event as a JSON object, or a batch of them with
// fields that hold for all. Turns a body into rows (event_record.h) and reasons. No I/O, no HTTP.
//
// Item fields win over fields of the batch; context and integrations are merged field by field. timestamp =
// received_at - (sent_at - original) when both are known: the client's clock may be wrong, its differences
// are not. Objects are kept as they were sent, byte for byte; fields without a column of their own are kept
// in `other`. Nothing is guessed: an item that lacks what its type needs, or has a field of the wrong type,
// is refused with a reason, and the others are taken. docs/EVENTS.md has the rules.
//
// Threads: one a reader, used again and again.
#pragma once

#include "base/error.h"
#include "ingest/event_record.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::ingest {

struct ItemReason {
  size_t index = 0;
  std::string message_id;  // when it has one
  std::string_view code;   // one word, for counters
  std::string reason;
};

class TrackingReader {
 public:
  TrackingReader();
  ~TrackingReader();
  TrackingReader(const TrackingReader&) = delete;
  TrackingReader& operator=(const TrackingReader&) = delete;

  // Reads the body up to its write key. `type`: what the address says (track, identify, ...); "batch" for
  // batches; a body with the field `batch` is one whatever the address. Errors: corrupt (no JSON object),
  // limit. `body` must stay until read() has returned.
  Status open(std::string_view body, std::string_view type);
  // Of the body; empty: it has none. Valid until the next open().
  std::string_view write_key() const;
  // All items into `out`; those that were refused too. At most limits::event_reasons_max are told.
  // `place`: differs from request to request; goes into the ids of items that have none. Errors: corrupt.
  Status read(int64_t received_at, uint64_t place, EventRecordWriter& out);
  const std::vector<ItemReason>& reasons() const;
  size_t items() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::ingest
