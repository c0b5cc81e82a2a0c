#include "ingest/event_reader.h"

#include "base/invariant.h"
#include "base/limits.h"
#include "base/log.h"
#include "ingest/posted_rows.h"
#include "ingest/spool_limits.h"

namespace tidemark::ingest {

using std::chrono::milliseconds;

struct EventReader::Lane {
  const CapturedTable* table = nullptr;
  TableCounters* counters = nullptr;
  std::optional<kafka::MessageDecoder> decoder;  // of lines
  std::unique_ptr<Part> part;
  size_t part_bytes = 0;
};

EventReader::~EventReader() = default;

EventReader::EventReader(EventReaderStart start, const std::vector<CapturedTable>& tables,
                         const std::vector<kafka::TableShape>& shapes,
                         std::map<const CapturedTable*, TableCounters*> counters, Spool& spool,
                         StateStore& state, CutHandoff& handoff, const ApplierCounters& applied,
                         ReaderCounters& read, const Clock& clock, const std::atomic<uint64_t>& wanted_fence,
                         const std::atomic<bool>& stop)
    : source_(std::move(start.source)),
      epoch_(start.epoch),
      fenced_(std::move(start.fenced)),
      planned_(std::move(start.planned)),
      spool_(spool),
      records_(spool, fenced_.end_lsn),
      state_(state),
      handoff_(handoff),
      applied_(applied),
      read_(read),
      clock_(clock),
      wanted_fence_(wanted_fence),
      stop_(stop) {
  for (size_t index = 0; index < tables.size(); ++index) {
    auto lane = std::make_unique<Lane>();
    lane->table = &tables[index];
    lane->counters = counters.at(&tables[index]);
    if (index > 0) lane->decoder.emplace(line_decoder(shapes[index]));
    lanes_.push_back(std::move(lane));
  }
  cut_number_ = fenced_.cut + 1;
  closed_at_ = fenced_.end_lsn;
  last_idle_micros_ = clock_.monotonic_micros();
}

Status EventReader::run() {
  TRY_VOID(replay());
  while (!ends()) {
    while (!full_ && !ends()) {
      auto item = TRY(records_.next());
      if (!item) break;
      TRY_VOID(take(*item));
      // At low load at once; else whatever comes while the applier is busy.
      if (handoff_.idle() && open_bytes_ >= limits::spool_read_bytes) break;
    }
    read_.server_lsn = spool_.end();
    TRY_VOID(close_if_due());
    spool_.release(applied_.fenced_lsn);
    if (!full_ && records_.position() >= spool_.end())
      spool_.wait(records_.position(), patience());
    else if (!handoff_.idle())
      handoff_.wait_idle(limits::spool_wait);
  }
  if (!handoff_.closed()) handoff_.wait_settled(limits::drain_deadline);
  spool_.release(applied_.fenced_lsn);
  return {};
}

Status EventReader::replay() {
  if (!planned_) return {};
  replaying_ = true;
  while (records_.position() < planned_->last_lsn) {
    if (ends()) return fail(ErrorKind::cancelled, "stopped");
    auto item = TRY(records_.next());
    if (!item)
      return fail(ErrorKind::corrupt,
                  fmt::format("the spool ends at {}, and a cut up to {} was begun", records_.position(),
                              planned_->last_lsn),
                  "the spool's files were changed; put them back as they were");
    TRY_VOID(take(*item));
  }
  replaying_ = false;
  planned_.reset();
  return close(Plan::written);
}

Status EventReader::take(const SpoolReader::Item& item) {
  read_.received_lsn = item.end;
  if (!item.damaged) {
    auto taken = take_record(item);
    if (taken || taken.error().kind != ErrorKind::corrupt) return taken;
  }
  log::error("source {}: {} bytes of the spool at {} are damaged and go to quarantine", source_,
             item.end - item.begin, item.begin);
  return refuse(*lanes_.front(), "", fmt::format("{} bytes of the spool are damaged", item.end - item.begin),
                item.bytes, item.begin, 0);
}

Status EventReader::take_record(const SpoolReader::Item& item) {
  Lane& events = *lanes_.front();
  uint64_t row_number = 0;
  // A record that turns out to be broken is taken back.
  size_t before = events.part ? events.part->operations.size() : 0;
  auto record = read_event_record(item.bytes, [&](const EventRecord& head, const EventRow& row) {
    take_event(events, head, row, make_version(epoch_, item.begin + 1, 2 * row_number + 1));
    ++row_number;
  });
  if (!record) {
    if (events.part) {
      size_t extra = events.part->operations.size() - before;
      for (auto& column : events.part->rows.columns) column.drop_last(extra);
      events.part->operations.resize(before);
    }
    return fail(std::move(record.error()));
  }
  Lane* lane = &events;
  if (!record->table.empty()) {
    auto found = std::find_if(lanes_.begin(), lanes_.end(),
                              [&](const auto& one) { return one->table->name == record->table; });
    if (found == lanes_.end() || !(*found)->decoder) {
      // The table was taken out of the project since.
      return refuse(events, "", fmt::format("the source has no table {} any more", record->table),
                    record->lines, item.begin, 0);
    }
    lane = found->get();
  }
  added(*lane, record->received_at, record->rows, item.bytes.size());
  if (!record->lines.empty()) TRY_VOID(take_lines(*lane, *record, item.begin));
  for (const auto& refused : record->refused)
    TRY_VOID(refuse(*lane, "", refused.reason, refused.bytes, item.begin, ++row_number));
  return {};
}

Part& EventReader::part_of(Lane& lane) {
  if (!lane.part) {
    lane.part = std::make_unique<Part>();
    lane.part->table = lane.table;
    lane.part->cut = cut_number_;
    lane.part->rows = bronze_block(*lane.table);
    lane.part_bytes = 0;
  }
  return *lane.part;
}

void EventReader::take_event(Lane& lane, const EventRecord& record, const EventRow& row, Version version) {
  Part& part = part_of(lane);
  auto column = part.rows.columns.begin();
  for (std::string_view text : row.texts) (column++)->append_text(text);
  (column++)->append_text(record.write_key);
  auto put_time = [&](const std::optional<int64_t>& time) {
    if (time)
      column->append<int64_t>(*time);
    else
      column->append_null();
    ++column;
  };
  put_time(row.timestamp);
  put_time(record.received_at);
  put_time(row.sent_at);
  put_time(row.original_timestamp);
  (column++)->append(version);
  if (!lane.table->log) (column++)->append<uint8_t>(0);
  (column++)->append<int64_t>(record.received_at);
  (column++)->append<uint64_t>(cut_number_);
  INVARIANT(column == part.rows.columns.end());
  part.operations.push_back(Operation::insert);
}

// They were looked at when they came; what is refused now does not fit the table any more.
Status EventReader::take_lines(Lane& lane, const EventRecord& record, uint64_t position) {
  Part& part = part_of(lane);
  size_t columns = lane.table->source.columns.size();
  uint64_t rows = 0;
  Status taken;
  each_line(record.lines, [&](size_t number, std::string_view line) {
    if (!taken) return;
    const auto& decoded = lane.decoder->decode({.value = line}, part.rows);
    if (decoded.kind != kafka::Decoded::Kind::rows) {
      taken = refuse(lane, decoded.column, decoded.reason, line, position, number + 1);
      return;
    }
    size_t column = columns;
    part.rows.columns[column++].append(make_version(epoch_, position + 1, 2 * number + 1));
    if (!lane.table->log) part.rows.columns[column++].append<uint8_t>(0);
    part.rows.columns[column++].append<int64_t>(record.received_at);
    part.rows.columns[column].append<uint64_t>(cut_number_);
    part.operations.push_back(lane.table->log ? Operation::insert : Operation::update);
    ++rows;
  });
  added(lane, record.received_at, rows, record.lines.size());
  return taken;
}

void EventReader::added(Lane& lane, int64_t committed_at, uint64_t rows, size_t bytes) {
  lane.part_bytes += bytes;
  open_bytes_ += bytes;
  open_rows_ += rows;
  committed_at_ = std::max(committed_at_, committed_at);
  if (rows > 0) open_transactions_.push_back({.committed_at = committed_at, .rows = rows});
  if (rows > 0 && read_.oldest_waiting_micros == 0) read_.oldest_waiting_micros = committed_at;
  // Not while replaying: the cut's end is known.
  size_t part_rows = lane.part ? lane.part->operations.size() : 0;
  full_ |= !replaying_ && (part_rows >= limits::part_rows_max || lane.part_bytes >= limits::part_bytes_max ||
                           open_rows_ >= limits::cut_rows_max || open_bytes_ >= limits::cut_bytes_max);
}

Status EventReader::refuse(Lane& lane, std::string_view column, std::string_view reason,
                           std::string_view bytes, uint64_t position, uint64_t ordinal) {
  if (refused_.empty())  // one line a block: a million bad events are not worth a million lines
    log::warn("source {}: what was sent for {} goes to quarantine: {}", source_, lane.table->display(),
              reason);
  ++lane.counters->quarantined;
  refused_bytes_ += bytes.size();
  refused_.push_back({.source = source_,
                      .table = lane.table->name,
                      .column = std::string(column),
                      .reason = std::string(reason),
                      .bytes = std::string(bytes),
                      .lsn = position,
                      .ordinal = ordinal});
  if (refused_.size() >= limits::quarantine_rows_max || refused_bytes_ >= limits::quarantine_bytes_max)
    return flush_refused();
  return {};
}

Status EventReader::flush_refused() {
  if (refused_.empty()) return {};
  TRY_VOID(state_.quarantine(refused_));
  refused_.clear();
  refused_bytes_ = 0;
  // What is refused again after a restart is there already: counted, not added up.
  auto counts = TRY(state_.quarantined(source_));
  for (auto& lane : lanes_) lane->counters->quarantined = counts[lane->table->name];
  return {};
}

milliseconds EventReader::patience() const {
  if ((open_rows_ == 0 && refused_.empty()) || !handoff_.idle()) return limits::spool_wait;
  int64_t left_us = last_publish_micros_ + limits::cut_distance_min_us - clock_.monotonic_micros();
  return milliseconds(left_us <= 0 ? 0 : left_us / 1000 + 1);
}

Status EventReader::close_if_due() {
  if (full_) return close(plan_of_open_rows());
  if (!handoff_.idle()) {
    handoff_.expect(open_rows_ > 0);
    return {};
  }
  int64_t now = clock_.monotonic_micros();
  if (open_rows_ > 0 || !refused_.empty()) {
    if (now - last_publish_micros_ >= limits::cut_distance_min_us) return close(plan_of_open_rows());
    return {};
  }
  uint64_t position = records_.position();
  bool wanted = wanted_fence_ > applied_.fenced_lsn && position >= wanted_fence_;
  bool asked_anew = wanted && (position > closed_at_ || applied_.in_doubt);
  // After a kill that left nothing to read: nothing is under way, and a fence says so.
  bool doubted = applied_.in_doubt && !std::exchange(settled_, true);
  if (asked_anew || doubted ||
      (position > closed_at_ && now - last_idle_micros_ >= limits::idle_fence_every_us))
    return close(Plan::unnecessary);
  return {};
}

Plan EventReader::plan_of_open_rows() const {
  if (!refused_.empty()) return Plan::needed;
  for (const auto& lane : lanes_)
    if (lane->part && !lane->part->operations.empty() &&
        (lane->table->has_changes || (lane->table->log && !lane->table->keeps_first)))
      return Plan::needed;
  return Plan::unnecessary;
}

Status EventReader::close(Plan plan) {
  while (!handoff_.wait_idle(milliseconds(200)))
    if (ends()) return fail(ErrorKind::cancelled, "stopped");
  uint64_t end = records_.position();
  // Without rows it is no cut of its own: the fence of the last one moves.
  // (One that was planned keeps its number whatever is left of it: its tokens may be used.)
  bool rows = open_rows_ > 0 || plan == Plan::written;
  CutRecord record{.source = source_,
                   .epoch = epoch_,
                   .cut = rows ? cut_number_ : cut_number_ - 1,
                   .last_lsn = rows ? std::max<uint64_t>(end, 1) : 0,
                   .part_rows_max = limits::part_rows_max,
                   .part_bytes_max = limits::part_bytes_max,
                   .committed_at = std::max(fenced_.committed_at, committed_at_)};
  TRY_VOID(flush_refused());
  last_publish_micros_ = last_idle_micros_ = clock_.monotonic_micros();
  handoff_.expect(false);
  fenced_.committed_at = record.committed_at;
  auto cut = std::make_shared<Cut>(std::move(record), plan);
  handoff_.give(cut);
  for (auto& lane : lanes_) {
    if (!lane->part || lane->part->operations.empty()) continue;
    auto part = std::move(lane->part);
    part->cut = cut_number_;
    while (!cut->push(part, lane->part_bytes, milliseconds(200)))
      if (ends()) return fail(ErrorKind::cancelled, "stopped");
  }
  read_.oldest_applying_micros = read_.oldest_waiting_micros.load();
  read_.oldest_waiting_micros = 0;
  read_.cut_lsn = end;
  cut->finish(end, std::move(open_transactions_));
  if (rows) ++cut_number_;
  for (auto& lane : lanes_) {
    if (lane->part) lane->part->cut = cut_number_;
    lane->part_bytes = 0;
  }
  closed_at_ = end;
  open_transactions_.clear();
  open_rows_ = open_bytes_ = 0;
  full_ = false;
  return {};
}

}  // namespace tidemark::ingest
