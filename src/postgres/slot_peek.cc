#include "postgres/slot_peek.h"

#include "postgres/big_endian.h"

namespace tidemark::postgres {
namespace {

constexpr size_t copy_header_bytes = 19;  // signature, flags, length of the extension

// COPY BINARY of (lsn, data), cut anywhere.
class PeekReader {
 public:
  explicit PeekReader(const std::function<Status(Lsn, std::string_view)>& on_message)
      : on_message_(on_message) {}

  Status feed(std::string_view piece) {
    if (!pending_.empty()) {
      pending_.append(piece);
      piece = pending_;
    }
    size_t used = 0;
    TRY_VOID(consume(piece, used));
    // `piece` may look into pending_.
    std::string rest(piece.substr(used));
    pending_ = std::move(rest);
    return {};
  }
  bool finished() const { return finished_; }
  uint64_t messages() const { return messages_; }

 private:
  Status consume(std::string_view bytes, size_t& used) {
    if (!header_read_) {
      if (bytes.size() < copy_header_bytes) return {};
      used = copy_header_bytes;
      header_read_ = true;
    }
    while (bytes.size() - used >= 2) {
      const char* at = bytes.data() + used;
      auto fields = static_cast<int16_t>(read_u16(at));
      if (fields == -1) {
        finished_ = true;
        used += 2;
        return {};
      }
      constexpr size_t fixed = 2 + 4 + 8 + 4;
      if (bytes.size() - used < fixed) return {};
      uint32_t length = read_u32(at + 14);
      if (fields != 2 || read_u32(at + 2) != 8)
        return fail(ErrorKind::corrupt, "the peek of a slot has an unknown shape");
      if (bytes.size() - used - fixed < length) return {};
      TRY_VOID(on_message_(read_u64(at + 6), {at + fixed, length}));
      ++messages_;
      used += fixed + length;
    }
    return {};
  }

  const std::function<Status(Lsn, std::string_view)>& on_message_;
  std::string pending_;
  bool header_read_ = false;
  bool finished_ = false;
  uint64_t messages_ = 0;
};

}  // namespace

Result<uint64_t> peek_slot(Connection& connection, const PeekOptions& options,
                           const std::function<Status(Lsn, std::string_view)>& on_message) {
  std::string sql = fmt::format(
      "COPY (SELECT lsn, data FROM pg_logical_slot_peek_binary_changes({}, {}, {}, 'proto_version', '1', "
      "'publication_names', "
      "{}, 'binary', '{}', 'messages', 'true')) TO STDOUT (FORMAT binary)",
      quote_literal(options.slot), options.until == 0 ? "NULL" : quote_literal(format_lsn(options.until)),
      options.changes_max == 0 ? "NULL" : std::to_string(options.changes_max),
      quote_literal(quote_identifier(options.publication)), options.binary);
  PeekReader reader(on_message);
  TRY(connection.copy_out(sql, [&](std::string_view piece) { return reader.feed(piece); }));
  if (!reader.finished()) return fail(ErrorKind::corrupt, "the peek of a slot ended without its trailer");
  return reader.messages();
}

Status advance_slot(Connection& connection, const std::string& slot, Lsn to) {
  return connection.execute(fmt::format("SELECT pg_replication_slot_advance({}, {})", quote_literal(slot),
                                        quote_literal(format_lsn(to))));
}

}  // namespace tidemark::postgres
