// Transactions that the server sends while they still run (protocol version 2, "streaming"): held until their
// commit, and then handed on as protocol version 1 would have sent them, byte by byte: begin, the rows that
// were not rolled back, commit. Whoever reads them cannot tell the difference, and must not: whether a
// transaction is streamed depends on what else the server decodes at that moment, so after a restart the same
// one may come the other way, and parts and tokens have to be the same.
//
//   Held           in memory up to Options::memory_bytes_max together, then the largest goes to a file
//                  (held_messages.h). Read while it runs, handed on at its commit, dropped when it aborts.
//   Subtransaction its rows carry its own xid. One that aborts (ROLLBACK TO) is remembered, and its rows are
//                  left out at the commit; the server names every nested one by itself.
//                  One thing cannot be told: a transactional logical message has the xid of the whole
//                  transaction, so one that was rolled back to a savepoint is handed on.
//   Relation       the server tells a table's shape once a streamed transaction, and takes it as known to
//                  everybody when that commits. So a shape is handed on right before the first row that needs
//                  it: one told inside a savepoint that was rolled back with its ALTER is never seen, and
//                  what is in force afterwards is what arrived last.
//
// A kill loses nothing: the server keeps the log of a transaction that runs, however far it is acknowledged,
// and sends it again from its beginning.
//
// Threads: one. Failure: corrupt (out of order); limit with out_of_room(): read the stream without streaming
// then, which needs no room here. After an error: clear().
#pragma once

#include "postgres/held_messages.h"
#include "postgres/pgoutput.h"
#include "postgres/streamed_limits.h"

#include <map>
#include <set>
#include <unordered_map>

namespace tidemark::postgres {

class StreamedTransactions {
 public:
  struct Options {
    std::filesystem::path directory;  // for what does not fit into memory; made when needed
    size_t memory_bytes_max = limits::streamed_memory_bytes_max;
    uint64_t disk_bytes_max = limits::streamed_disk_bytes_max;
  };
  // A message as of protocol version 1; message and payload live until it returns.
  using Deliver = std::function<Status(Lsn, const Message&, std::string_view payload)>;

  explicit StreamedTransactions(Options options) : options_(std::move(options)) {}

  // Nothing is to be done for it here: the caller may handle it at once.
  bool passes(const Message& message) const {
    return current_ == nullptr && unsettled_.empty() && message.kind < MessageKind::stream_start &&
           message.kind != MessageKind::relation;
  }
  // A message as the server sent it, decoded with protocol version 2 (or 1): holds it, hands it on, or, at
  // the commit of a streamed transaction, hands on all of that.
  Status take(Lsn lsn, const Message& message, std::string_view payload, const Deliver& deliver);
  // A new stream begins.
  void clear();

  // The last error of take() was that there is no room; nothing was handed on in part.
  bool out_of_room() const { return out_of_room_; }
  size_t transactions() const { return held_.size(); }
  size_t memory_bytes() const;
  uint64_t disk_bytes() const;

 private:
  // Xids that were rolled back. Savepoints of one loop have neighbouring ones.
  class Aborted {
   public:
    void add(uint32_t xid);
    void sort();
    bool contains(uint32_t xid) const;  // after sort()

   private:
    std::vector<std::pair<uint32_t, uint32_t>> ranges_;  // both ends included
  };
  struct Transaction {
    explicit Transaction(const std::filesystem::path& directory) : messages(directory) {}
    HeldMessages messages;
    Aborted aborted;
  };
  // A table's shape: when it arrived, and the message.
  struct Shape {
    uint64_t arrival = 0;
    std::shared_ptr<const std::string> payload;
    bool same(const Shape& other) const {
      return payload == other.payload || (payload && other.payload && *payload == *other.payload);
    }
  };
  using Shapes = std::unordered_map<uint32_t, Shape>;

  Status begin(const Message& message);
  Status hold(Lsn lsn, const Message& message, std::string_view payload);
  Status keep_in_bounds();
  Status check_disk();
  Status commit(Lsn lsn, const Message& message, const Deliver& deliver);
  Status hand_on_shape(Lsn lsn, uint32_t oid, const Shapes* told, const Deliver& deliver);
  void settle(Shapes told);

  Options options_;
  bool out_of_room_ = false;
  std::map<uint32_t, Transaction> held_;  // by xid
  Transaction* current_ = nullptr;        // between Stream Start and Stream Stop
  uint64_t arrivals_ = 0;
  Shapes in_force_;               // what the server takes as known, by relation
  Shapes given_;                  // what was handed on last
  std::set<uint32_t> unsettled_;  // relations of which these differ
  PgoutputDecoder shape_decoder_{1};
};

}  // namespace tidemark::postgres
