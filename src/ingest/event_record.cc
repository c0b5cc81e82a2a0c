#include "ingest/event_record.h"

#include <cstring>

namespace tidemark::ingest {
namespace {

constexpr char version = 1;
constexpr int64_t no_time = INT64_MIN;

void put_number(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}
void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out.append(text);
}
void put_time(std::string& out, std::optional<int64_t> time) {
  int64_t value = time.value_or(no_time);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class Bytes {
 public:
  explicit Bytes(std::string_view left) : left_(left) {}

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) return broken();
      auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return broken();
  }
  std::string_view text() {
    uint64_t length = number();
    if (length > left_.size()) {
      broken();
      return {};
    }
    std::string_view taken = left_.substr(0, length);
    left_.remove_prefix(length);
    return taken;
  }
  std::optional<int64_t> time() {
    int64_t value = no_time;
    if (left_.size() < sizeof value) {
      broken();
      return std::nullopt;
    }
    std::memcpy(&value, left_.data(), sizeof value);
    left_.remove_prefix(sizeof value);
    return value == no_time ? std::nullopt : std::optional(value);
  }
  bool good() const { return good_; }
  bool at_end() const { return left_.empty(); }

 private:
  uint64_t broken() {
    good_ = false;
    left_ = {};
    return 0;
  }
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

postgres::SourceTable event_table(const std::string& name) {
  postgres::SourceTable table{.schema = "public", .name = name};
  auto add = [&](const char* column, ColumnType type) {
    postgres::SourceColumn entry;
    entry.name = column;
    entry.not_null = !type.nullable;
    entry.target = std::move(type);
    table.columns.push_back(std::move(entry));
  };
  ColumnType text = ColumnType::of(TypeKind::string);
  ColumnType word = text;  // few different values
  word.low_cardinality = true;
  ColumnType time = ColumnType::datetime64(6, "UTC");
  add("message_id", text);
  add("type", word);
  add("event", word);
  add("category", word);
  for (const char* column : {"user_id", "anonymous_id", "group_id", "previous_id", "properties", "traits",
                             "context", "integrations", "other"})
    add(column, text);
  add("channel", word);
  add("library", word);
  add("write_key", word);
  add("timestamp", time);
  add("received_at", time);
  add("sent_at", time.as_nullable());
  add("original_timestamp", time.as_nullable());
  table.columns.front().key_position = 0;
  table.key = {0};
  return table;
}

EventRecordWriter::EventRecordWriter(int64_t received_at, std::string_view write_key, std::string_view table,
                                     const IntakeFilter* filter)
    : filter_(filter), table_(table) {
  head_.push_back(version);
  put_time(head_, received_at);
  put_text(head_, write_key);
  put_text(head_, table);
}

void EventRecordWriter::add(const EventRow& row) {
  if (filter_ != nullptr && filter_->event && filter_->event(row)) {
    ++left_out_;
    return;
  }
  for (std::string_view text : row.texts) put_text(body_, text);
  put_time(body_, row.timestamp);
  put_time(body_, row.sent_at);
  put_time(body_, row.original_timestamp);
  ++rows_;
}

void EventRecordWriter::add_line(std::string_view line) {
  if (filter_ != nullptr && filter_->line && filter_->line(table_, line)) {
    ++left_out_;
    return;
  }
  lines_ += line;
  lines_ += '\n';
  ++line_rows_;
}

void EventRecordWriter::refuse(std::string_view reason, std::string_view bytes) {
  put_text(refusals_, reason);
  put_text(refusals_, bytes);
  ++refused_;
}

std::string EventRecordWriter::finish() {
  std::string out = std::move(head_);
  out.reserve(out.size() + body_.size() + refusals_.size() + lines_.size() + 32);
  put_text(out, lines_);
  put_number(out, rows_);
  out += body_;
  put_number(out, refused_);
  out += refusals_;
  return out;
}

Result<EventRecord> read_event_record(std::string_view payload,
                                      const std::function<void(const EventRecord&, const EventRow&)>& take) {
  auto corrupt = [] { return fail(ErrorKind::corrupt, "the record is not one this version writes"); };
  if (payload.empty() || payload.front() != version) return corrupt();
  Bytes bytes(payload.substr(1));
  EventRecord record;
  record.received_at = bytes.time().value_or(0);
  record.write_key = bytes.text();
  record.table = bytes.text();
  record.lines = bytes.text();
  uint64_t rows = bytes.number();
  for (uint64_t index = 0; index < rows && bytes.good(); ++index) {
    EventRow row;
    for (auto& text : row.texts) text = bytes.text();
    row.timestamp = bytes.time().value_or(0);
    row.sent_at = bytes.time();
    row.original_timestamp = bytes.time();
    if (!bytes.good()) break;
    take(record, row);
    ++record.rows;
  }
  uint64_t refused = bytes.number();
  for (uint64_t index = 0; index < refused && bytes.good(); ++index) {
    RefusedItem item{.reason = bytes.text()};
    item.bytes = bytes.text();
    record.refused.push_back(item);
  }
  if (!bytes.good() || !bytes.at_end()) return corrupt();
  return record;
}

}  // namespace tidemark::ingest
