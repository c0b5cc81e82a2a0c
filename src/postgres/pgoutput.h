// Reads the messages of Postgres's logical replication output plugin `pgoutput`, protocol versions 1 and 2
// (PostgreSQL documentation, "Logical Replication Message Formats"). Zero copy: a Message points into the
// bytes it was read from and into the decoder, and lives until the next decode().
//
// In version 2 a large transaction arrives in pieces between Stream Start and Stream Stop before it commits;
// inside such a piece row and schema messages carry the (sub)transaction's xid.
//
// A Relation message is not always of a published table: for a partition published under its root the server
// sends the root's and then the partition's own; rows name the root only. Ignore those of tables nobody asked
// for.
//
// The bytes come from outside: every length is checked, and anything that does not add up is
// ErrorKind::corrupt. Threads: one a decoder.
#pragma once

#include "base/error.h"
#include "postgres/lsn.h"

#include <span>
#include <string_view>
#include <vector>

namespace tidemark::postgres {

struct Field {
  char kind = 'n';  // n NULL, u unchanged TOAST value (not sent), t text, b binary
  const char* data = nullptr;
  uint32_t length = 0;
};
using TupleView = std::span<const Field>;

enum class MessageKind : uint8_t {
  begin,
  commit,
  origin,
  relation,
  type,
  insert,
  update,
  remove,  // Delete
  truncate,
  logical,  // pg_logical_emit_message
  stream_start,
  stream_stop,
  stream_commit,
  stream_abort,
};

struct RelationColumn {
  bool key = false;  // part of the replica identity
  std::string name;
  uint32_t type_oid = 0;
  int32_t type_modifier = -1;
};
struct Relation {
  uint32_t oid = 0;
  std::string schema;
  std::string name;
  char replica_identity = 'd';  // d default, f full, i index, n nothing
  std::vector<RelationColumn> columns;
};

struct Message {
  MessageKind kind = MessageKind::begin;
  uint32_t xid = 0;  // begin and stream_*: the transaction; inside a stream: the (sub)transaction; else 0
  // begin: final_lsn, commit_time. commit, stream_commit: commit_lsn, end_lsn, commit_time.
  Lsn final_lsn = 0;  // the commit record's LSN, known at Begin: equals commit_lsn
  Lsn commit_lsn = 0;
  Lsn end_lsn = 0;                 // where the transaction ends: what is acknowledged
  int64_t commit_time_micros = 0;  // since 1970-01-01 UTC
  bool first_segment = false;      // stream_start
  uint32_t subtransaction = 0;     // stream_abort; equals xid when the whole transaction is aborted
  // insert, update, remove
  uint32_t relation_oid = 0;
  char old_kind = 0;  // 'K' key columns only, 'O' the whole old row, 0 none
  TupleView old_row;
  TupleView new_row;
  // truncate
  std::vector<uint32_t> truncated;
  bool truncate_cascade = false;
  bool truncate_restart_identity = false;
  // relation; also type, with oid, schema and name only
  Relation relation;
  // logical: message_lsn, prefix, content, transactional. origin: origin_lsn in message_lsn, name in prefix.
  bool transactional = false;
  Lsn message_lsn = 0;
  std::string_view prefix;
  std::string_view content;
};

class PgoutputDecoder {
 public:
  explicit PgoutputDecoder(int protocol_version) : protocol_version_(protocol_version) {}
  // One message: the payload of one XLogData. The pointer is good until the next call. Errors: corrupt.
  Result<const Message*> decode(std::string_view payload);
  // Between Stream Start and Stream Stop.
  bool in_stream() const { return in_stream_; }

 private:
  int protocol_version_;
  bool in_stream_ = false;
  Message message_;
  std::vector<Field> old_fields_;
  std::vector<Field> new_fields_;
};

}  // namespace tidemark::postgres
