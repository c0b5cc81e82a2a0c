#include "ingest/topic_copy.h"

#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "ingest/capture_limits.h"
#include "kafka/encoded_text.h"
#include "postgres/copy_reader.h"

#include <fmt/format.h>

namespace tidemark::ingest {
namespace {

// Rows go out as they come; only the last one of a chunk is kept, for its key.
constexpr size_t rows_at_a_time = 1'000;

class TableCopy {
 public:
  TableCopy(const TopicCopy& copy, const CapturedTable& table, PublishedPosition& position)
      : copy_(copy),
        table_(table),
        position_(position),
        encoder_(*copy.encoders.at(&table)),
        decoder_(table.source) {
    decoder_.add_columns(block_);
  }

  Result<uint64_t> run(postgres::Connection& connection) {
    bool in_chunks = encoder_.keyed();
    uint64_t rows = 0;
    while (true) {
      TRY_VOID(copy_.producer.begin());
      uint64_t chunk = TRY(read(connection, statement(in_chunks)));
      rows += chunk;
      bool last = !in_chunks || chunk < limits::copy_chunk_rows;
      if (last) {
        position_.copied_tables.insert(encoder_.collection());
        position_.copying.clear();
        position_.copied_to.clear();
      } else {
        position_.copying = encoder_.collection();
        position_.copied_to = last_key_;
      }
      TRY_VOID(send_position(copy_, position_));
      TRY_VOID(copy_.producer.commit());
      copy_.counters.at(&table_)->copied += chunk;
      if (last) return rows;
    }
  }

  static Status send_position(const TopicCopy& copy, const PublishedPosition& position) {
    return copy.producer.send({.topic = position_topic(copy.prefix, position.source),
                               .partition = 0,
                               .key = position.source,
                               .value = position.to_json()});
  }

 private:
  std::string literal(size_t column, const std::string& text) const {
    if (table_.source.columns[column].wire != postgres::WireType::bytea) return postgres::quote_literal(text);
    std::string hex = "\\x";
    kafka::encode_hex(text, hex);
    return postgres::quote_literal(hex);
  }

  std::string statement(bool in_chunks) const {
    if (!in_chunks) return postgres::copy_statement(table_.source);
    std::string columns;
    std::string values;
    bool resumes = position_.copying == encoder_.collection();
    for (size_t index = 0; index < table_.source.key.size(); ++index) {
      size_t column = table_.source.key[index];
      const char* comma = index > 0 ? ", " : "";
      columns += comma + postgres::quote_identifier(table_.source.columns[column].name);
      // With its type: a bare literal beside others in a row takes it from the column, but text types differ.
      if (resumes)
        values += fmt::format("{}{}::{}", comma, literal(column, position_.copied_to.at(index)),
                              table_.source.columns[column].type_name);
    }
    std::string condition = resumes ? fmt::format("({}) > ({})", columns, values) : "true";
    return postgres::copy_statement(
        table_.source, fmt::format("{} ORDER BY {} LIMIT {}", condition, columns, limits::copy_chunk_rows));
  }

  Result<uint64_t> read(postgres::Connection& connection, const std::string& sql) {
    postgres::CopyBinaryReader reader;
    uint64_t sent = 0;
    auto send_rows = [&]() -> Status {
      for (size_t row = 0; row < block_.rows(); ++row) TRY_VOID(send(row));
      if (block_.rows() > 0) keep_key(block_.rows() - 1);
      sent += block_.rows();
      block_.clear();
      return {};
    };
    TRY(connection.copy_out(sql, [&](std::string_view piece) -> Status {
      if (copy_.stop) return fail(ErrorKind::cancelled, "stopped");
      TRY(reader.feed(piece.data(), piece.size(), decoder_, block_));
      return block_.rows() >= rows_at_a_time ? send_rows() : Status();
    }));
    if (!reader.finished()) return fail(ErrorKind::corrupt, "COPY ended without its trailer");
    TRY_VOID(send_rows());
    return sent;
  }

  void keep_key(size_t row) {
    last_key_.clear();
    for (size_t column : table_.source.key) last_key_.emplace_back(block_.columns[column].text(row));
  }

  Status send(size_t row) {
    value_.clear();
    key_.clear();
    std::optional<std::string_view> key;
    if (encoder_.keyed()) {
      encoder_.key(block_, row, key_);
      key = key_;
    }
    int64_t now = system_clock().wall_micros();
    encoder_.envelope('r', {}, {.block = &block_, .row = row},
                      {.snapshot = true, .lsn = position_.slot_lsn, .committed_at = copied_at_, .now = now},
                      value_);
    return copy_.producer.send({.topic = encoder_.topic(), .key = key, .value = value_});
  }

  const TopicCopy& copy_;
  const CapturedTable& table_;
  PublishedPosition& position_;
  const kafka::DebeziumEncoder& encoder_;
  postgres::TableDecoder decoder_;
  Block block_;
  std::vector<std::string> last_key_;
  std::string key_, value_;
  int64_t copied_at_ = system_clock().wall_micros();
};

}  // namespace

Result<uint64_t> copy_to_topics(const TopicCopy& copy, const std::vector<CapturedTable>& tables,
                                postgres::Connection& connection, PublishedPosition& position) {
  uint64_t rows = 0;
  for (const auto& table : tables) {
    if (position.copied_tables.contains(copy.encoders.at(&table)->collection())) continue;
    rows +=
        TRY_IN(TableCopy(copy, table, position).run(connection), "initial copy of " + table.source.display());
  }
  TRY_VOID(copy.producer.begin());
  position.copied = true;
  position.copied_tables.clear();
  position.end_lsn = position.slot_lsn;
  position.committed_at = system_clock().wall_micros();
  TRY_VOID(TableCopy::send_position(copy, position));
  TRY_VOID(copy.producer.commit());
  return rows;
}

}  // namespace tidemark::ingest
