#include "ingest/stream_reader.h"

#include "base/invariant.h"
#include "base/limits.h"
#include "base/log.h"

namespace tidemark::ingest {

using postgres::Message;
using postgres::MessageKind;
using postgres::RowImage;
using std::chrono::milliseconds;

RowQuarantine quarantine_of(StateStore& state) {
  return {.put = [&state](const std::vector<QuarantinedRow>& rows) { return state.quarantine(rows); },
          .counts = [&state](const std::string& source) { return state.quarantined(source); }};
}

StreamReader::StreamReader(ReaderStart start, const std::vector<CapturedTable>& tables,
                           std::map<const CapturedTable*, TableCounters*> table_counters,
                           RowQuarantine quarantine, CutHandoff& handoff, const ApplierCounters& applied,
                           ReaderCounters& counters, const Clock& clock, const std::atomic<bool>& stop)
    : streamed_(std::move(start.streamed)),
      source_(start.source),
      epoch_(start.epoch),
      fenced_(std::move(start.fenced)),
      replay_(std::move(start.planned)),
      quarantine_(std::move(quarantine)),
      for_topics_(start.for_topics),
      late_from_(start.late_lsn != 0 && start.late_lsn < fenced_.end_lsn ? start.late_lsn : 0),
      only_replay_(start.only_replay),
      on_unknown_form_(std::move(start.on_unknown_form)),
      handoff_(handoff),
      applied_(applied),
      counters_(counters),
      clock_(clock),
      stop_(stop) {
  for (const auto& table : tables) {
    auto lane = start.lanes.find(&table);
    LaneStart how = lane == start.lanes.end() ? LaneStart() : lane->second;
    if (how.follows)
      lanes_[table.source.oid] = std::make_unique<Lane>(table, *table_counters.at(&table), how);
  }
  cut_number_ = fenced_.cut + 1;
  part_rows_max_ = replay_ ? replay_->part_rows_max : limits::part_rows_max;
  part_bytes_max_ = replay_ ? replay_->part_bytes_max : limits::part_bytes_max;
  last_idle_fence_micros_ = clock_.monotonic_micros();
}

postgres::SourceTable StreamReader::key_only(postgres::SourceTable table) {
  for (auto& column : table.columns) column.in_replica_identity = column.key_position >= 0;
  return table;
}

Status StreamReader::handle(const Message& message, std::string_view payload) {
  switch (message.kind) {
    case MessageKind::begin:
      return begin(message);
    case MessageKind::commit:
      return commit(message);
    case MessageKind::relation:
      return relation(message.relation);
    case MessageKind::insert:
    case MessageKind::update:
    case MessageKind::remove:
      return skipping_ ? Status() : row(message, payload);
    case MessageKind::truncate:
      return skipping_ ? Status() : truncate(message);
    case MessageKind::logical:
      // A transactional message is somebody asking for a fence at this place (verify does).
      if (message.transactional && !skipping_) wants_fence_ = true;
      return {};
    default:
      return {};
  }
}

Status StreamReader::begin(const Message& message) {
  in_transaction_ = true;
  final_lsn_ = message.final_lsn;
  committed_at_ = message.commit_time_micros;
  transaction_ = message.xid;
  change_ = 0;
  transaction_rows_ = 0;
  skipping_ = final_lsn_ < (late_from_ != 0 ? late_from_ : fenced_.end_lsn);
  late_ = final_lsn_ < fenced_.end_lsn;
  // A replayed cut ends with its last transaction; if that one is not sent again the cut ends before the
  // next.
  if (!skipping_ && replay_ && final_lsn_ > replay_->last_lsn) {
    open_end_lsn_ = std::max(open_end_lsn_, replay_->last_lsn + 1);
    TRY_VOID(close());
  }
  if (!skipping_ && counters_.oldest_waiting_micros == 0) counters_.oldest_waiting_micros = committed_at_;
  return {};
}

Status StreamReader::commit(const Message& message) {
  in_transaction_ = false;
  previous_lsn_ = message.commit_lsn;
  if (skipping_) {
    skipping_ = false;
    return {};
  }
  open_end_lsn_ = message.end_lsn;
  if (transaction_rows_ == 0 && !wants_fence_ && !has_open_rows() && !published_) {
    // Nothing of it is ours (older servers send such transactions, and all its rows may be in quarantine): it
    // waits for nobody, and a source that sends only such still moves its fence.
    counters_.oldest_waiting_micros = 0;
    return idle_fence();
  }
  open_last_lsn_ = message.commit_lsn;
  open_transactions_.push_back({.committed_at = message.commit_time_micros,
                                .rows = transaction_rows_,
                                .id = transaction_,
                                .commit_lsn = message.commit_lsn});
  if (!published_) handoff_.expect(true);
  return close_if_due();
}

Status StreamReader::relation(const postgres::Relation& relation) {
  auto found = lanes_.find(relation.oid);
  if (found == lanes_.end()) return {};
  if (found->second->start.shape != nullptr) return bind_form(*found->second, relation);
  auto difference = found->second->decoder.bind(relation);
  found->second->key_decoder.bind(relation);
  if (difference.same()) return {};
  std::string what;
  for (const auto& name : difference.added)
    what += fmt::format("{}column {} was added", what.empty() ? "" : ", ", name);
  for (const auto& name : difference.missing)
    what += fmt::format("{}column {} is gone", what.empty() ? "" : ", ", name);
  for (const auto& name : difference.changed)
    what += fmt::format("{}column {} changed its type", what.empty() ? "" : ", ", name);
  if (difference.renamed)
    what += fmt::format("{}it is now called {}.{}", what.empty() ? "" : ", ", relation.schema, relation.name);
  return fail(ErrorKind::unsupported,
              fmt::format("table {} changed: {}", found->second->table->source.display(), what),
              "copy the source again under the new shape with: tidemark up --recopy");
}

Status StreamReader::bind_form(Lane& lane, const postgres::Relation& relation) {
  const TableForm* form = lane.start.shape->find(relation);
  if (form == nullptr) {
    lane.unknown_form = relation;  // of before its copy, perhaps: then no row of it is taken
    return {};
  }
  lane.unknown_form.reset();
  const auto& columns = lane.table->source.columns;
  std::vector<int> fields(columns.size(), -1);
  for (size_t column = 0; column < columns.size(); ++column) {
    for (size_t field = 0; field < form->size(); ++field)
      if ((*form)[field].number == columns[column].attribute_number) fields[column] = static_cast<int>(field);
    if (fields[column] >= 0) continue;
    if (auto value = value_before(*lane.start.shape, columns[column]))
      lane.decoder.set_value_unsent(column, std::move(*value));
  }
  lane.key_decoder.bind(fields, form->size());
  lane.decoder.bind(std::move(fields), form->size());
  return {};
}

Status StreamReader::end_at_unknown_form(const Lane& lane) const {
  on_unknown_form_(*lane.table, *lane.unknown_form);
  return fail(ErrorKind::cancelled, fmt::format("table {} changed", lane.table->source.display()));
}

StreamReader::Lane* StreamReader::taking_lane(uint32_t oid) {
  auto found = lanes_.find(oid);
  if (found == lanes_.end()) return nullptr;
  const LaneStart& start = found->second->start;
  bool takes = (start.late || !late_) && final_lsn_ >= start.from;
  return takes ? found->second.get() : nullptr;
}

Version StreamReader::version(bool new_side) const {
  return make_version(epoch_, final_lsn_, 2 * change_ + (new_side ? 1 : 0));
}

Part& StreamReader::part_of(Lane& lane) {
  if (!lane.part) {
    lane.part = std::make_unique<Part>();
    lane.part->table = lane.table;
    lane.part->cut = cut_number_;
    lane.part->number = lane.next_number++;
    lane.part->rows = bronze_block(*lane.table);
    lane.part_bytes = 0;
  }
  return *lane.part;
}

// Of the row, or the TRUNCATE, that comes next in the part.
void StreamReader::note_transaction(Part& part) {
  if (!for_topics_) return;
  if (part.transactions.empty() || part.transactions.back().id != transaction_)
    part.transactions.push_back({.row = static_cast<uint32_t>(part.operations.size()),
                                 .id = transaction_,
                                 .previous_lsn = previous_lsn_});
  part.places.push_back({.lsn = change_lsn_, .order = transaction_rows_ + 1});
}

Status StreamReader::finish_row(Lane& lane, Operation operation, Version version, size_t payload_bytes) {
  Part& part = *lane.part;
  size_t column = lane.table->source.columns.size();
  part.rows.columns[column++].append(version);
  if (!lane.table->log) part.rows.columns[column++].append<uint8_t>(operation == Operation::remove ? 1 : 0);
  part.rows.columns[column++].append<int64_t>(committed_at_);
  part.rows.columns[column].append<uint64_t>(cut_number_);
  note_transaction(part);
  part.operations.push_back(operation);
  if (!part.old_row_of.empty() && part.old_row_of.size() < part.operations.size())
    part.old_row_of.push_back(-1);
  ++open_rows_;
  ++transaction_rows_;
  lane.part_bytes += payload_bytes;
  open_bytes_ += payload_bytes;
  if (part.operations.size() >= part_rows_max_ || lane.part_bytes >= part_bytes_max_)
    return complete_part(lane);
  return {};
}

void StreamReader::note_unchanged(Lane& lane, Part& part) {
  for (size_t column : lane.decoder.unchanged())
    part.unchanged.push_back(
        {.row = static_cast<uint32_t>(part.operations.size()), .column = static_cast<uint32_t>(column)});
}

Status StreamReader::row(const Message& message, std::string_view payload) {
  ++change_;  // also when nobody takes it: a row has its version whatever else is followed
  Lane* taking = taking_lane(message.relation_oid);
  if (taking == nullptr) return {};
  Lane& lane = *taking;
  if (lane.unknown_form) return end_at_unknown_form(lane);
  if (!published_ && open_bytes_ > limits::cut_bytes_max) TRY_VOID(seal_large_transaction());
  if (lane.table->log && message.kind != MessageKind::insert)
    return refuse_row(lane, "",
                      message.kind == MessageKind::update ? "an update of an append-only table"
                                                          : "a delete of an append-only table",
                      payload);
  if (message.kind == MessageKind::insert || (message.kind == MessageKind::update && message.old_kind == 0)) {
    Part& part = part_of(lane);
    if (!lane.decoder.append(message.new_row, RowImage::full, part.rows))
      return refuse_undecodable(lane, lane.decoder, payload);
    note_unchanged(lane, part);
    return finish_row(lane, message.kind == MessageKind::insert ? Operation::insert : Operation::update,
                      version(true), payload.size());
  }
  if (message.kind == MessageKind::update) return update_with_old(lane, message, payload);
  return remove(lane, message, payload);
}

// A tombstone needs the key and nothing else: an old row that does not fit (it is in quarantine) must not
// keep an even older one alive.
Status StreamReader::remove(Lane& lane, const Message& message, std::string_view payload) {
  Part& part = part_of(lane);
  if (!lane.key_decoder.append(message.old_row, RowImage::key, part.rows))
    return refuse_undecodable(lane, lane.key_decoder, payload);
  if ((for_topics_ || lane.table->source.key_deferrable) && message.old_kind == 'O') {
    if (part.old_rows.columns.empty()) lane.decoder.add_columns(part.old_rows);
    auto row = static_cast<int32_t>(part.old_rows.rows());
    if (lane.decoder.append(message.old_row, RowImage::full, part.old_rows)) {
      part.old_row_of.resize(part.operations.size(), -1);
      part.old_row_of.push_back(row);
    }
  }
  return finish_row(lane, Operation::remove, version(false), payload.size());
}

// The stream sent an old image: the identity is FULL, or the key changed. Keys that differ make two rows: the
// old key's tombstone and the new row.
Status StreamReader::update_with_old(Lane& lane, const Message& message, std::string_view payload) {
  bool whole = message.old_kind == 'O';
  if (lane.scratch_old.columns.empty()) {
    lane.decoder.add_columns(lane.scratch_old);
    lane.decoder.add_columns(lane.scratch_new);
  }
  lane.scratch_old.clear();
  lane.scratch_new.clear();
  // An old row that does not fit never came in: the warehouse has the one before it, which is read back.
  if (whole) whole = lane.decoder.append(message.old_row, RowImage::full, lane.scratch_old);
  if (!whole && !lane.key_decoder.append(message.old_row, RowImage::key, lane.scratch_old))
    return refuse_undecodable(lane, lane.key_decoder, payload);
  if (!lane.decoder.append(message.new_row, RowImage::full, lane.scratch_new, message.old_row))
    return refuse_undecodable(lane, lane.decoder, payload);
  std::string old_key;
  std::string new_key;
  for (size_t column : lane.table->source.key) {
    lane.scratch_old.columns[column].encode(0, old_key);
    lane.scratch_new.columns[column].encode(0, new_key);
  }
  auto copy = [&](const Block& from) {
    Part& part = part_of(lane);
    for (size_t column = 0; column < from.columns.size(); ++column)
      part.rows.columns[column].append_from(from.columns[column], 0);
    return &part;
  };
  auto keep_old_image = [&](Part& part) {
    if (!whole) return;
    if (part.old_rows.columns.empty()) lane.decoder.add_columns(part.old_rows);
    part.old_row_of.resize(part.operations.size(), -1);
    part.old_row_of.push_back(static_cast<int32_t>(part.old_rows.rows()));
    for (size_t column = 0; column < lane.scratch_old.columns.size(); ++column)
      part.old_rows.columns[column].append_from(lane.scratch_old.columns[column], 0);
  };
  std::vector<size_t> unchanged = lane.decoder.unchanged();
  bool moved = old_key != new_key;
  if (moved) {
    // Both rows must be in one part: the new row may take large values from the old one.
    if (part_of(lane).operations.size() + 2 > part_rows_max_) TRY_VOID(complete_part(lane));
    Part* part = copy(lane.scratch_old);
    keep_old_image(*part);
    TRY_VOID(finish_row(lane, Operation::remove, version(false), 0));
  }
  Part* part = copy(lane.scratch_new);
  for (size_t column : unchanged)
    part->unchanged.push_back(
        {.row = static_cast<uint32_t>(part->operations.size()), .column = static_cast<uint32_t>(column)});
  if (!moved) keep_old_image(*part);
  return finish_row(lane, moved ? Operation::insert : Operation::update, version(true), payload.size());
}

Status StreamReader::refuse_undecodable(Lane& lane, const postgres::TableDecoder& decoder,
                                        std::string_view payload) {
  const auto& columns = lane.table->source.columns;
  size_t column = decoder.error().column;  // past the end: it is about the row
  return refuse_row(lane, column < columns.size() ? columns[column].name : "", decoder.error_text(), payload);
}

// By the block, not by the row: a million bad rows must not be a million INSERTs.
Status StreamReader::flush_refused() {
  if (refused_.empty()) return {};
  TRY_VOID(quarantine_.put(refused_));
  if (refused_.size() > 1) log::warn("source {}: {} rows went to quarantine", source_, refused_.size());
  refused_.clear();
  refused_bytes_ = 0;
  if (!replay_) return {};
  // What a replay refuses is there already: counted, not added up.
  auto counts = TRY(quarantine_.counts(source_));
  for (auto& [oid, lane] : lanes_) lane->counters->quarantined = counts[lane->table->name];
  return {};
}

Status StreamReader::refuse_row(Lane& lane, const std::string& column, const std::string& reason,
                                std::string_view payload) {
  if (refused_.empty())  // one line a block: a million bad rows are not worth a million lines
    log::warn("{}: a row at {} goes to quarantine: {}", lane.table->display(),
              postgres::format_lsn(final_lsn_), reason);
  ++lane.counters->quarantined;
  QuarantinedRow row{.source = source_,
                     .table = lane.table->name,
                     .column = column,
                     .reason = reason,
                     .bytes = std::string(payload),
                     .lsn = final_lsn_,
                     .ordinal = change_};
  refused_bytes_ += payload.size() + reason.size();
  refused_.push_back(std::move(row));
  if (refused_.size() >= limits::quarantine_rows_max || refused_bytes_ >= limits::quarantine_bytes_max)
    return flush_refused();
  return {};
}

Status StreamReader::truncate(const Message& message) {
  ++change_;
  for (uint32_t oid : message.truncated) {
    Lane* taking = taking_lane(oid);
    if (taking == nullptr) continue;
    Lane& lane = *taking;
    TRY_VOID(complete_part(lane));
    auto part = std::make_unique<Part>();
    part->table = lane.table;
    part->cut = cut_number_;
    part->number = lane.next_number++;
    part->truncate = true;
    part->truncate_version = version(true);
    part->truncate_committed_at = committed_at_;
    note_transaction(*part);
    ++open_rows_;
    ++transaction_rows_;
    TRY_VOID(emit(std::move(part), 0));
  }
  return {};
}

Status StreamReader::complete_part(Lane& lane) {
  if (!lane.part) return {};
  auto part = std::move(lane.part);
  return part->operations.empty() ? Status() : emit(std::move(part), lane.part_bytes);
}

Status StreamReader::emit(std::unique_ptr<Part> part, size_t bytes) {
  if (!published_) {
    pending_.emplace_back(std::move(part), bytes);
    return {};
  }
  while (!published_->push(part, bytes, milliseconds(200))) {
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    TRY_VOID(keep_in_touch());
  }
  return {};
}

Status StreamReader::close_if_due() {
  if (in_transaction_ || (!has_open_rows() && !wants_fence_ && !published_)) return {};
  if (published_) {  // its end is fixed
    if (open_last_lsn_ < published_->record().last_lsn) return {};
    return close();
  }
  // Catching up, freshness is no matter of milliseconds, and larger cuts cost less.
  bool worth_it = stream_ != nullptr ? until_due_ms() == 0 : open_rows_ >= limits::backlog_cut_rows_min;
  if (worth_it && handoff_.idle()) return close();
  if (open_rows_ >= limits::cut_rows_max || open_bytes_ >= limits::cut_bytes_max) return close();
  return {};
}

// How long the stream may be waited for: until the next cut is due, when one waits and the applier is free.
int64_t StreamReader::until_due_ms() const {
  if (in_transaction_ || (!has_open_rows() && !wants_fence_) || !handoff_.idle())
    return limits::stream_wait_ms;
  int64_t left_us = last_publish_micros_ + limits::cut_distance_min_us - clock_.monotonic_micros();
  return left_us <= 0 ? 0 : left_us / 1000 + 1;
}

// Of whole transactions that are all here.
Plan StreamReader::plan_of_open_rows() const {
  auto recognised_by_token = [](const Part& part) {
    return part.table->log || part.table->has_changes || !part.unchanged.empty();
  };
  if (!refused_.empty()) return Plan::needed;
  for (const auto& [part, bytes] : pending_)
    if (recognised_by_token(*part)) return Plan::needed;
  for (const auto& [oid, lane] : lanes_)
    if (lane->part && !lane->part->operations.empty() && recognised_by_token(*lane->part))
      return Plan::needed;
  return Plan::unnecessary;
}

Status StreamReader::publish(postgres::Lsn last_lsn, Plan plan) {
  TRY_VOID(wait_for_applier());
  // Without rows it is no cut of its own: the fence of the last one moves.
  CutRecord record{.source = source_,
                   .epoch = epoch_,
                   .cut = last_lsn == 0 ? cut_number_ - 1 : cut_number_,
                   .last_lsn = last_lsn,
                   .part_rows_max = part_rows_max_,
                   .part_bytes_max = part_bytes_max_,
                   .committed_at = fenced_.committed_at};
  last_publish_micros_ = clock_.monotonic_micros();
  handoff_.expect(false);
  published_ = std::make_shared<Cut>(std::move(record), plan);
  handoff_.give(published_);
  auto parts = std::move(pending_);
  pending_.clear();
  for (auto& [part, bytes] : parts) TRY_VOID(emit(std::move(part), bytes));
  return {};
}

Status StreamReader::seal_large_transaction() {
  return publish(final_lsn_, Plan::needed);
}

Status StreamReader::close() {
  if (!published_) TRY_VOID(publish(has_open_rows() ? open_last_lsn_ : 0, plan_of_open_rows()));
  for (auto& [oid, lane] : lanes_) {
    TRY_VOID(complete_part(*lane));
    lane->next_number = 0;
  }
  counters_.oldest_applying_micros = counters_.oldest_waiting_micros.load();
  std::string places;
  if (late_from_ != 0) {
    late_from_ = open_end_lsn_ < fenced_.end_lsn ? open_end_lsn_ : 0;
    if (late_from_ != 0) places = fmt::format("{}{}", late_prefix, late_from_);
  }
  // What follows is compared with this cut from now on; late tables alone move no fence.
  fenced_.end_lsn = late_from_ != 0 ? fenced_.end_lsn : open_end_lsn_;
  counters_.cut_lsn = fenced_.end_lsn;
  TRY_VOID(flush_refused());
  published_->finish(fenced_.end_lsn, std::move(open_transactions_), std::move(places));
  fenced_.committed_at = published_->record().committed_at;
  if (published_->record().last_lsn != 0) ++cut_number_;
  published_.reset();
  replay_.reset();
  part_rows_max_ = limits::part_rows_max;
  part_bytes_max_ = limits::part_bytes_max;
  open_transactions_.clear();
  open_rows_ = open_bytes_ = 0;
  wants_fence_ = false;
  counters_.oldest_waiting_micros = in_transaction_ ? committed_at_ : 0;
  return {};
}

Status StreamReader::wait_for_applier() {
  while (!handoff_.wait_idle(milliseconds(200))) {
    if (stop_ || handoff_.closed()) return fail(ErrorKind::cancelled, "stopped");
    TRY_VOID(keep_in_touch());
  }
  return {};
}

// Tells the server what it may forget, and that we live.
Status StreamReader::keep_in_touch() {
  if (stream_ == nullptr) return {};
  int64_t now = clock_.monotonic_micros();
  uint64_t fenced = std::max<uint64_t>(applied_.forgettable_lsn(), stream_->acknowledged());
  bool news = fenced > stream_->acknowledged();
  if (!news && now - last_status_micros_ < limits::source_status_every_us) return {};
  if (news && now - last_status_micros_ < limits::source_acknowledge_every_us) return {};
  TRY_VOID(stream_->acknowledge(fenced));
  counters_.acknowledged_lsn = fenced;
  last_status_micros_ = now;
  return {};
}

// An idle source's log grows by other databases' writes and by checkpoints: the fence follows, so that the
// slot can.
Status StreamReader::idle_fence() {
  int64_t now = clock_.monotonic_micros();
  if (in_transaction_ || has_open_rows() || published_ || !handoff_.idle()) return {};
  postgres::Lsn position = std::max(stream_ != nullptr ? stream_->idle_position() : 0, open_end_lsn_);
  if (position <= applied_.fenced_lsn) return {};
  // Postgres does not end before it has heard that all it sent is safe: it asks, and it must not wait.
  bool asked = stream_ != nullptr && stream_->take_reply_wanted();
  if (!asked && now - last_idle_fence_micros_ < limits::idle_fence_every_us) return {};
  last_idle_fence_micros_ = now;
  open_end_lsn_ = position;
  return close();
}

}  // namespace tidemark::ingest
