// What one request leaves in the spool: the rows it brought, taken apart already, and what was refused of it.
// Whatever shape the request had (Segment's API, a webhook, lines of JSON), this is the form everything is in
// between "it is on disk" and "it is in a part", so reading the spool is cheap and cannot find new errors.
//
//   events   rows of the source's table of events, in the columns of event_columns()
//   lines    NDJSON for a table of the source, as it came; each line was looked at before
//
// Refused items travel along, so that they are in quarantine as surely as the others are in the table.
//
// Views point into the payload or the request; pure, not thread-safe.
#pragma once

#include "base/error.h"
#include "postgres/catalog.h"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::ingest {

// Columns of text, in the order of the table; times come after them.
enum class EventText : uint8_t {
  message_id,
  type,
  event,
  category,
  user_id,
  anonymous_id,
  group_id,
  previous_id,
  properties,
  traits,
  context,
  integrations,
  other,
  channel,
  library,
  count_,
};
constexpr size_t event_texts = static_cast<size_t>(EventText::count_);

struct EventRow {
  std::array<std::string_view, event_texts> texts;
  int64_t timestamp = 0;  // microseconds, as all of these
  std::optional<int64_t> original_timestamp;
  std::optional<int64_t> sent_at;

  std::string_view& operator[](EventText column) { return texts[static_cast<size_t>(column)]; }
  std::string_view operator[](EventText column) const { return texts[static_cast<size_t>(column)]; }
};

// The table of events of a source, as the data plane sees it: keyed by message_id, of which the first counts.
postgres::SourceTable event_table(const std::string& name);

struct RefusedItem {
  std::string_view reason;
  std::string_view bytes;
};

// What is counted and not kept: who asks not to be known (true: leave it out). Each may be empty.
struct IntakeFilter {
  std::function<bool(const EventRow&)> event;
  std::function<bool(std::string_view table, std::string_view line)> line;
};

// Makes a payload. `table`: of lines; empty for events. `filter` must outlive it; null: everything is kept.
class EventRecordWriter {
 public:
  EventRecordWriter(int64_t received_at, std::string_view write_key, std::string_view table = {},
                    const IntakeFilter* filter = nullptr);

  void add(const EventRow& row);
  void add_line(std::string_view line);
  void refuse(std::string_view reason, std::string_view bytes);
  size_t rows() const { return rows_ + line_rows_; }
  size_t refused() const { return refused_; }
  size_t left_out() const { return left_out_; }
  std::string finish();

 private:
  const IntakeFilter* filter_;
  const std::string table_;
  std::string head_;
  std::string body_;
  std::string refusals_;
  std::string lines_;
  uint32_t rows_ = 0;
  uint32_t line_rows_ = 0;
  uint32_t refused_ = 0;
  size_t left_out_ = 0;
};

struct EventRecord {
  int64_t received_at = 0;
  std::string_view write_key;
  std::string_view table;
  std::string_view lines;
  uint32_t rows = 0;
  std::vector<RefusedItem> refused;
};

// `take` gets each row, in order. Errors: corrupt, when it is no record (of this version).
Result<EventRecord> read_event_record(std::string_view payload,
                                      const std::function<void(const EventRecord&, const EventRow&)>& take);

}  // namespace tidemark::ingest
