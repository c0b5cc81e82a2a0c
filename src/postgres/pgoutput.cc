#include "postgres/pgoutput.h"

#include "base/limits.h"
#include "postgres/big_endian.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

// Reads forward through a payload. After a read over the end it is broken and returns zeros; callers check
// broken() once, before they use what they read for anything but bounded loops.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : position_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  bool broken() const { return broken_; }
  bool at_end() const { return position_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - position_); }

  char byte() { return need(1) ? *position_++ : '\0'; }
  uint16_t u16() { return need(2) ? read_u16(advance(2)) : 0; }
  uint32_t u32() { return need(4) ? read_u32(advance(4)) : 0; }
  uint64_t u64() { return need(8) ? read_u64(advance(8)) : 0; }
  std::string_view text() {
    const void* zero = std::memchr(position_, 0, left());
    if (zero == nullptr) {
      broken_ = true;
      position_ = end_;
      return {};
    }
    auto* start = advance(static_cast<size_t>(static_cast<const char*>(zero) - position_) + 1);
    return {start, static_cast<size_t>(static_cast<const char*>(zero) - start)};
  }
  std::string_view bytes(size_t count) {
    if (!need(count)) return {};
    return {advance(count), count};
  }

  bool tuple(std::vector<Field>& fields) {
    size_t count = u16();
    if (broken_ || count > limits::postgres_columns_max) return false;
    fields.resize(count);
    for (Field& field : fields) {
      if (left() < 1) return false;
      field.kind = *position_++;
      field.data = nullptr;
      field.length = 0;
      if (field.kind == 'n' || field.kind == 'u') continue;
      if ((field.kind != 't' && field.kind != 'b') || left() < 4) return false;
      field.length = read_u32(position_);
      position_ += 4;
      if (field.length > left()) return false;
      field.data = position_;
      position_ += field.length;
    }
    return true;
  }

 private:
  bool need(size_t count) {
    if (left() >= count) return true;
    broken_ = true;
    position_ = end_;
    return false;
  }
  const char* advance(size_t count) {
    const char* start = position_;
    position_ += count;
    return start;
  }

  const char* position_;
  const char* end_;
  bool broken_ = false;
};

int64_t unix_micros(uint64_t postgres_micros) {
  return static_cast<int64_t>(postgres_micros + static_cast<uint64_t>(postgres_epoch_micros));
}

tl::unexpected<Error> corrupt(char type, std::string_view payload, const char* what) {
  return fail(
      ErrorKind::corrupt,
      fmt::format("a message of type '{}' ({} bytes) in the change stream {}",
                  type >= ' ' && type <= '~' ? type : '?', payload.size(), what),
      "the stream is restarted from the last acknowledged position; if it happens again, the server or the "
      "network changes bytes");
}

}  // namespace

Result<const Message*> PgoutputDecoder::decode(std::string_view payload) {
  Cursor cursor(payload);
  char type = cursor.byte();
  Message& message = message_;
  message.xid = 0;
  auto prefixed_xid = [&] {
    if (in_stream_) message.xid = cursor.u32();
  };
  bool whole = true;
  switch (type) {
    case 'I':
      message.kind = MessageKind::insert;
      prefixed_xid();
      message.relation_oid = cursor.u32();
      message.old_kind = 0;
      message.old_row = {};
      whole = cursor.byte() == 'N' && cursor.tuple(new_fields_);
      message.new_row = new_fields_;
      break;
    case 'U': {
      message.kind = MessageKind::update;
      prefixed_xid();
      message.relation_oid = cursor.u32();
      message.old_kind = 0;
      message.old_row = {};
      char part = cursor.byte();
      if (part == 'K' || part == 'O') {
        message.old_kind = part;
        whole = cursor.tuple(old_fields_);
        message.old_row = old_fields_;
        part = cursor.byte();
      }
      whole = whole && part == 'N' && cursor.tuple(new_fields_);
      message.new_row = new_fields_;
      break;
    }
    case 'D':
      message.kind = MessageKind::remove;
      prefixed_xid();
      message.relation_oid = cursor.u32();
      message.old_kind = cursor.byte();
      whole = (message.old_kind == 'K' || message.old_kind == 'O') && cursor.tuple(old_fields_);
      message.old_row = old_fields_;
      message.new_row = {};
      break;
    case 'B':
      message.kind = MessageKind::begin;
      message.final_lsn = message.commit_lsn = cursor.u64();
      message.commit_time_micros = unix_micros(cursor.u64());
      message.xid = cursor.u32();
      break;
    case 'C':
      message.kind = MessageKind::commit;
      cursor.byte();  // flags, unused
      message.commit_lsn = message.final_lsn = cursor.u64();
      message.end_lsn = cursor.u64();
      message.commit_time_micros = unix_micros(cursor.u64());
      break;
    case 'O':
      message.kind = MessageKind::origin;
      message.message_lsn = cursor.u64();
      message.prefix = cursor.text();
      break;
    case 'R': {
      message.kind = MessageKind::relation;
      prefixed_xid();
      Relation& relation = message.relation;
      relation.oid = cursor.u32();
      relation.schema = cursor.text();
      if (relation.schema.empty()) relation.schema = "pg_catalog";  // how pgoutput shortens it
      relation.name = cursor.text();
      relation.replica_identity = cursor.byte();
      size_t count = cursor.u16();
      // Each column takes at least 10 bytes: a count that cannot fit is refused before it is believed.
      if (count > limits::postgres_columns_max || count * 10 > cursor.left()) {
        whole = false;
        break;
      }
      relation.columns.resize(count);
      for (RelationColumn& column : relation.columns) {
        column.key = (cursor.byte() & 1) != 0;
        column.name = cursor.text();
        column.type_oid = cursor.u32();
        column.type_modifier = static_cast<int32_t>(cursor.u32());
      }
      break;
    }
    case 'Y':
      message.kind = MessageKind::type;
      prefixed_xid();
      message.relation.oid = cursor.u32();
      message.relation.schema = cursor.text();
      message.relation.name = cursor.text();
      message.relation.columns.clear();
      break;
    case 'T': {
      message.kind = MessageKind::truncate;
      prefixed_xid();
      size_t count = cursor.u32();
      auto options = static_cast<unsigned char>(cursor.byte());
      message.truncate_cascade = (options & 1) != 0;
      message.truncate_restart_identity = (options & 2) != 0;
      if (count > cursor.left() / 4) {
        whole = false;
        break;
      }
      message.truncated.resize(count);
      for (uint32_t& oid : message.truncated) oid = cursor.u32();
      break;
    }
    case 'M': {
      message.kind = MessageKind::logical;
      prefixed_xid();
      message.transactional = (cursor.byte() & 1) != 0;
      message.message_lsn = cursor.u64();
      message.prefix = cursor.text();
      size_t length = cursor.u32();
      message.content = cursor.bytes(length);
      break;
    }
    case 'S':
      if (protocol_version_ < 2 || in_stream_) return corrupt(type, payload, "is out of place");
      message.kind = MessageKind::stream_start;
      message.xid = cursor.u32();
      message.first_segment = cursor.byte() == 1;
      break;
    case 'E':
      if (!in_stream_) return corrupt(type, payload, "is out of place");
      message.kind = MessageKind::stream_stop;
      break;
    case 'c':
      if (protocol_version_ < 2 || in_stream_) return corrupt(type, payload, "is out of place");
      message.kind = MessageKind::stream_commit;
      message.xid = cursor.u32();
      cursor.byte();  // flags, unused
      message.commit_lsn = message.final_lsn = cursor.u64();
      message.end_lsn = cursor.u64();
      message.commit_time_micros = unix_micros(cursor.u64());
      break;
    case 'A':
      if (protocol_version_ < 2 || in_stream_) return corrupt(type, payload, "is out of place");
      message.kind = MessageKind::stream_abort;
      message.xid = cursor.u32();
      message.subtransaction = cursor.u32();
      break;
    default:
      return corrupt(type, payload, "is of no known type");
  }
  if (!whole || cursor.broken()) return corrupt(type, payload, "has a length that does not add up");
  if (!cursor.at_end()) return corrupt(type, payload, "has bytes left over");
  if (message.kind == MessageKind::stream_start) in_stream_ = true;
  if (message.kind == MessageKind::stream_stop) in_stream_ = false;
  return &message;
}

}  // namespace tidemark::postgres
