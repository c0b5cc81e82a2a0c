// Messages of one topic into the columns of a Block: columns 0 .. n-1 are the table's, in its order; what the
// caller adds after them is the caller's to fill. No I/O.
//
// A message goes in whole or not at all: when it cannot be taken the block is as it was, and the answer says
// why; the caller puts the message into quarantine. Nothing is guessed: a field that is not a column, a value
// that does not fit, a column without a value are refusals.
//
// Order. A row's place in the order of changes comes from the LSN that Debezium sends with it, never from a
// clock; without one from the offset. The caller makes versions of them (ingest/kafka_order.h).
//
// Threads: one a decoder. Memory: the largest message, some fixed overhead.
#pragma once

#include "base/column.h"
#include "kafka/column_plan.h"
#include "kafka/message.h"

#include <memory>
#include <optional>

namespace tidemark::kafka {

enum class Format : uint8_t {
  debezium,  // the envelope, with or without schema
  flat,      // Debezium's rows as ExtractNewRecordState leaves them
  outbox,    // Debezium's outbox event router
  json,      // one object a message
  ndjson,    // objects, one a line
  lines,     // the value as it is
};
const char* name(Format format);

struct DecoderOptions {
  Format format = Format::debezium;
  // Fields that are not columns: refused, or passed over when the project says so.
  bool ignore_unknown_fields = false;
  // Debezium's unavailable.value.placeholder.
  std::string placeholder = "__debezium_unavailable_value";
};

struct Decoded {
  enum class Kind : uint8_t {
    rows,      // appended: `rows` of them
    remove,    // appended: one row, only the key columns have values
    truncate,  // all rows go
    nothing,   // heartbeat, transaction marker, logical message, the tombstone that follows a delete
    refused,
  };
  Kind kind = Kind::nothing;
  uint32_t rows = 0;
  // LSN of the change, 0: none was sent. Rows of a snapshot have the snapshot's.
  uint64_t lsn = 0;
  bool snapshot = false;      // a row of an initial or blocking snapshot
  bool incremental = false;   // a row of an incremental snapshot: as of its place in the topic
  bool tombstone = false;     // `remove` by a message without a value
  bool says_deleted = false;  // flat: deletes come as rows (__deleted), so tombstones only repeat them
  int64_t committed_at = 0;   // microseconds; 0: not sent
  const char* reason = "";    // refused: why
  std::string column;         // refused: which column, where it is about one
};

class MessageDecoder {
 public:
  MessageDecoder(TableShape shape, DecoderOptions options);
  ~MessageDecoder();
  MessageDecoder(MessageDecoder&&) noexcept;

  const TableShape& shape() const;
  // Columns of the last row or rows whose value the producer left out because it did not change
  // (placeholders): the row has a default there. Column numbers, one row's only (Debezium sends one).
  const std::vector<size_t>& unchanged() const;

  // `out` has at least the table's columns, all of equal length. The answer is valid until the next call.
  const Decoded& decode(const Message& message, Block& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::kafka
