#include "ingest/kafka_reader.h"

#include "base/invariant.h"
#include "base/limits.h"
#include "base/log.h"
#include "ingest/kafka_limits.h"

namespace tidemark::ingest {

using kafka::Decoded;
using std::chrono::milliseconds;

KafkaReader::KafkaReader(KafkaReaderStart start, const KafkaTables& tables,
                         std::map<const CapturedTable*, TableCounters*> counters, StateStore& state,
                         CutHandoff& handoff, KafkaFences& fences, const ApplierCounters& applied,
                         ReaderCounters& read, const Clock& clock, const std::atomic<bool>& stop)
    : source_(start.slot.stream(start.source)),
      slot_(start.slot),
      truncates_(start.truncates),
      epoch_(start.epoch),
      format_(start.decoder.format),
      fenced_(std::move(start.fenced)),
      planned_(std::move(start.planned)),
      planned_places_(std::move(start.planned_places)),
      state_(state),
      handoff_(handoff),
      fences_(fences),
      applied_(applied),
      read_(read),
      clock_(clock),
      stop_(stop),
      places_(std::move(start.places)) {
  for (size_t index = 0; index < tables.tables.size(); ++index)
    lanes_.push_back(std::make_unique<Lane>(tables.tables[index], *counters.at(&tables.tables[index]),
                                            kafka::MessageDecoder(tables.shapes[index], start.decoder)));
  for (const auto& [topic, index] : tables.table_of) lane_of_[topic] = lanes_[index].get();
  for (const auto& topic : tables.topics)
    if (topic.partitions == 1) single_.insert(topic.topic);
  cut_number_ = fenced_.cut + 1;
  closed_places_ = places_;
  last_idle_micros_ = last_commit_micros_ = clock_.monotonic_micros();
}

void KafkaReader::set_place(const std::string& topic, int32_t partition, int64_t offset) {
  KafkaPlace& place = places_.partitions[{topic, partition}];
  place.offset = place.begun = offset;
  moved_ = true;
}

Status KafkaReader::replay(kafka::Consumer& consumer) {
  if (!planned_) return {};
  replaying_ = true;
  TRY_VOID(consumer.assign(places_.positions()));
  kafka::Consumer::Handler handler{.message = [this](const kafka::Message& message) { return take(message); },
                                   .end = [this](const kafka::Position& position) { take_end(position); }};
  while (!places_.reached(planned_places_)) {
    if (ends()) return fail(ErrorKind::cancelled, "stopped");
    TRY_VOID(consumer.poll(limits::kafka_wait, handler));
  }
  replay_truncates();
  replaying_ = false;
  places_.partitions = planned_places_.partitions;
  planned_.reset();
  return close(Plan::written);
}

Status KafkaReader::run(kafka::Consumer& consumer, const std::function<Result<bool>()>& look_around) {
  TRY_VOID(consumer.assign(places_.positions()));
  kafka::Consumer::Handler handler{.message = [this](const kafka::Message& message) -> Status {
                                     if (ends()) return fail(ErrorKind::cancelled, "stopped");
                                     TRY_VOID(take(message));
                                     return full_ ? close_if_due() : Status();
                                   },
                                   .end = [this](const kafka::Position& position) { take_end(position); }};
  while (!ends()) {
    TRY_VOID(consumer.poll(patience(), handler));
    TRY_VOID(follow_truncates());
    TRY_VOID(close_if_due());
    commit(consumer);
    if (TRY(look_around())) return {};
  }
  if (!handoff_.closed()) handoff_.wait_settled(limits::drain_deadline);
  return {};
}

Status KafkaReader::take(const kafka::Message& message) {
  auto found = places_.partitions.find({std::string(message.topic), message.partition});
  if (found == places_.partitions.end() || message.offset < found->second.offset) return {};
  KafkaPlace& place = found->second;
  if (replaying_) {
    int64_t end = planned_places_.partitions[found->first].offset;
    if (message.offset >= end) {  // compaction took what was before it
      place.offset = std::max(place.offset, end);
      return {};
    }
  }
  auto routed = lane_of_.find(message.topic);
  INVARIANT(routed != lane_of_.end());
  Lane& lane = *routed->second;
  Part& part = part_of(lane);
  const Decoded& decoded = lane.decoder.decode(message, part.rows);
  moved_ = true;
  read_.received_lsn.fetch_add(static_cast<uint64_t>(message.offset + 1 - place.offset));
  int64_t offset = message.offset;
  Status taken;
  switch (decoded.kind) {
    case Decoded::Kind::rows:
    case Decoded::Kind::remove:
      taken = take_rows(lane, message, decoded, place);
      break;
    case Decoded::Kind::truncate:
      taken = take_truncate(lane, message, decoded, place);
      break;
    case Decoded::Kind::refused:
      taken = refuse(lane, message, decoded);
      break;
    case Decoded::Kind::nothing:
      break;
  }
  place.offset = offset + 1;
  return taken;
}

// The client has nothing behind this place: what is between is of no use to anybody (markers of
// transactions, aborted or compacted messages).
void KafkaReader::take_end(const kafka::Position& position) {
  auto found = places_.partitions.find({position.topic, position.partition});
  if (found == places_.partitions.end() || position.offset <= found->second.offset) return;
  int64_t end = position.offset;
  if (replaying_) end = std::min(end, planned_places_.partitions[found->first].offset);
  if (end <= found->second.offset) return;
  read_.received_lsn.fetch_add(static_cast<uint64_t>(end - found->second.offset));
  found->second.offset = end;
  moved_ = true;
}

Part& KafkaReader::part_of(Lane& lane) {
  if (!lane.part) {
    lane.part = std::make_unique<Part>();
    lane.part->table = lane.table;
    lane.part->cut = cut_number_;
    lane.part->rows = bronze_block(*lane.table);
    lane.part_bytes = 0;
  }
  return *lane.part;
}

Status KafkaReader::take_rows(Lane& lane, const kafka::Message& message, const Decoded& decoded,
                              KafkaPlace& place) {
  Part& part = *lane.part;
  size_t columns = lane.table->source.columns.size();
  bool by_lsn = ordered_by_lsn(format_, decoded, place.marks);
  int64_t committed_at = decoded.committed_at > 0   ? decoded.committed_at
                         : message.timestamp_ms > 0 ? message.timestamp_ms * 1000
                                                    : clock_.wall_micros();
  auto take_back = [&] {
    for (size_t column = 0; column < columns; ++column)
      part.rows.columns[column].drop_last(part.rows.columns[column].rows() - part.operations.size());
  };
  // A delete that came as a row said it already.
  if (by_lsn && decoded.tombstone) {
    take_back();
    return {};
  }
  auto truncated = places_.truncated.find(lane.table->name);
  for (uint32_t row = 0; row < decoded.rows; ++row) {
    Version version =
        version_of(epoch_, decoded, by_lsn, message.offset, message.partition, row, place.marks);
    // A TRUNCATE may come through another partition, before rows that are older.
    if (truncated != places_.truncated.end() && version < truncated->second) {
      INVARIANT(decoded.rows == 1);
      take_back();
      return {};
    }
    size_t column = columns;
    bool remove = decoded.kind == Decoded::Kind::remove;
    part.rows.columns[column++].append(version);
    if (!lane.table->log) part.rows.columns[column++].append<uint8_t>(remove ? 1 : 0);
    part.rows.columns[column++].append<int64_t>(committed_at);
    part.rows.columns[column].append<uint64_t>(cut_number_);
    for (size_t unchanged : lane.decoder.unchanged())
      part.unchanged.push_back(
          {static_cast<uint32_t>(part.operations.size()), static_cast<uint32_t>(unchanged)});
    // The two halves of a key change have one place in the order.
    bool moved = !part.operations.empty() && part.operations.back() == Operation::remove &&
                 part.rows.columns[columns].get<Version>(part.operations.size() - 1) == version - 1;
    part.operations.push_back(remove                     ? Operation::remove
                              : lane.table->log || moved ? Operation::insert
                                                         : Operation::update);
  }
  if (decoded.kind != Decoded::Kind::remove)
    halves_.erase({std::string(message.topic), message.partition});
  else if (by_lsn && single_.contains(std::string(message.topic)) && message.header("__debezium.newkey"))
    halves_.emplace(message.topic, message.partition);
  size_t bytes = (message.value ? message.value->size() : 0) + (message.key ? message.key->size() : 0);
  lane.part_bytes += bytes;
  open_bytes_ += bytes;
  open_rows_ += decoded.rows;
  committed_at_ = std::max(committed_at_, committed_at);
  if (!open_transactions_.empty() && open_transactions_.back().committed_at == committed_at)
    open_transactions_.back().rows += decoded.rows;
  else
    open_transactions_.push_back({.committed_at = committed_at, .rows = decoded.rows});
  if (read_.oldest_waiting_micros == 0) read_.oldest_waiting_micros = committed_at;
  // Not while replaying: the cut's end is known.
  full_ |= !replaying_ &&
           (part.operations.size() >= limits::part_rows_max || lane.part_bytes >= limits::part_bytes_max ||
            open_rows_ >= limits::cut_rows_max || open_bytes_ >= limits::cut_bytes_max);
  return {};
}

// Everything before it is in a cut before, so that the order within the cut does not matter.
Status KafkaReader::take_truncate(Lane& lane, const kafka::Message& message, const Decoded& decoded,
                                  KafkaPlace& place) {
  bool by_lsn = ordered_by_lsn(format_, decoded, place.marks);
  if (slot_.shared() && (!by_lsn || decoded.lsn == 0))
    return fail(
        ErrorKind::unsupported,
        fmt::format("{} was emptied (TRUNCATE), and without LSNs nobody knows which rows of the other slots "
                    "are older",
                    lane.table->display()),
        "write `slots: 1` and read all again with: tidemark up --recopy; or empty tables with DELETE");
  if (open_rows_ > 0 && !replaying_) {
    TRY_VOID(close(plan_of_open_rows()));
    moved_ = true;
    return take_truncate(lane, message, decoded, place);
  }
  begin_truncate(lane, version_of(epoch_, decoded, by_lsn, message.offset, message.partition, 0, place.marks),
                 decoded.committed_at > 0 ? decoded.committed_at : clock_.wall_micros());
  place.offset = message.offset + 1;
  return replaying_ ? Status() : close(Plan::needed);
}

void KafkaReader::begin_truncate(Lane& lane, Version version, int64_t committed_at) {
  lane.part = std::make_unique<Part>();
  lane.part->table = lane.table;
  lane.part->cut = cut_number_;
  lane.part->truncate = true;
  lane.part->truncate_version = version;
  lane.part->truncate_committed_at = committed_at;
  lane.part->truncate_own_rows = slot_.shared();
  Version& known = places_.truncated[lane.table->name];
  known = std::max(known, version);
  committed_at_ = std::max(committed_at_, committed_at);
  ++open_rows_;
}

bool KafkaReader::reads(const Lane& lane, const KafkaPlaces& places) const {
  return std::any_of(places.partitions.begin(), places.partitions.end(), [&](const auto& entry) {
    auto routed = lane_of_.find(entry.first.first);
    return routed != lane_of_.end() && routed->second == &lane;
  });
}

// Those whose messages came through other slots, each in a cut of its own.
Status KafkaReader::follow_truncates() {
  if (truncates_ == nullptr || !halves_.empty()) return {};
  for (const auto& [table, truncate] : truncates_->newest())
    for (auto& lane : lanes_) {
      if (lane->table->name != table) continue;
      auto known = places_.truncated.find(table);
      if (known != places_.truncated.end() && known->second >= truncate.version) continue;
      if (!reads(*lane, places_)) continue;
      if (open_rows_ > 0) TRY_VOID(close(plan_of_open_rows()));
      begin_truncate(*lane, truncate.version, truncate.committed_at);
      TRY_VOID(close(Plan::needed));
    }
  return {};
}

// The plan knows of a TRUNCATE that no message of ours told.
void KafkaReader::replay_truncates() {
  for (const auto& [table, version] : planned_places_.truncated)
    for (auto& lane : lanes_) {
      if (lane->table->name != table || !reads(*lane, planned_places_)) continue;
      auto known = places_.truncated.find(table);
      if (known == places_.truncated.end() || known->second < version)
        begin_truncate(*lane, version, planned_->committed_at);
    }
}

Status KafkaReader::refuse(Lane& lane, const kafka::Message& message, const Decoded& decoded) {
  if (refused_.empty())  // one line a block: a million bad messages are not worth a million lines
    log::warn("source {}: the message at {}/{} offset {} goes to quarantine: {}{}", source_, message.topic,
              message.partition, message.offset, decoded.column.empty() ? "" : decoded.column + ": ",
              decoded.reason);
  ++lane.counters->quarantined;
  std::string bytes(message.value ? message.value->substr(0, limits::kafka_quarantine_bytes_max)
                                  : std::string_view());
  refused_bytes_ += bytes.size();
  // The same for the same message, another for every other of the table.
  uint64_t place = 14'695'981'039'346'656'037ULL;  // FNV-1a
  for (char byte : message.topic) place = (place ^ static_cast<unsigned char>(byte)) * 1'099'511'628'211ULL;
  place = (place << 24) | static_cast<uint32_t>(message.partition);
  refused_.push_back({.source = source_,
                      .table = lane.table->name,
                      .column = decoded.column,
                      .reason = message.value ? decoded.reason : std::string(decoded.reason) + " (no value)",
                      .bytes = std::move(bytes),
                      .lsn = static_cast<uint64_t>(message.offset),
                      .ordinal = place,
                      .topic = std::string(message.topic),
                      .partition = static_cast<uint64_t>(message.partition)});
  if (refused_.size() >= limits::quarantine_rows_max || refused_bytes_ >= limits::quarantine_bytes_max)
    return flush_refused();
  return {};
}

Status KafkaReader::flush_refused() {
  if (refused_.empty()) return {};
  TRY_VOID(state_.quarantine(refused_));
  if (refused_.size() > 1) log::warn("source {}: {} messages went to quarantine", source_, refused_.size());
  refused_.clear();
  refused_bytes_ = 0;
  // What is refused again after a restart is there already: counted, not added up.
  auto counts = TRY(state_.quarantined(source_));
  for (auto& lane : lanes_) lane->counters->quarantined = counts[lane->table->name];
  return {};
}

// A wake-up ends the wait when the applier is free.
milliseconds KafkaReader::patience() const {
  if ((open_rows_ == 0 && refused_.empty()) || !handoff_.idle()) return limits::kafka_wait;
  int64_t left_us = until_due_us();
  return milliseconds(left_us <= 0 ? 0 : left_us / 1000 + 1);
}

// Until the open cut may follow the last one.
int64_t KafkaReader::until_due_us() const {
  int64_t oldest = read_.oldest_waiting_micros;
  int64_t late = oldest > 0 ? clock_.wall_micros() - oldest : 0;
  int64_t distance = std::clamp(late / limits::kafka_cut_late_share, limits::cut_distance_min_us,
                                limits::kafka_cut_distance_max_us);
  return last_publish_micros_ + distance - clock_.monotonic_micros();
}

Status KafkaReader::close_if_due() {
  if (!halves_.empty()) return {};
  if (full_) return close(plan_of_open_rows());
  if (!handoff_.idle()) {
    handoff_.expect(open_rows_ > 0);
    return {};
  }
  int64_t now = clock_.monotonic_micros();
  if (open_rows_ > 0 || !refused_.empty()) {
    if (until_due_us() <= 0) return close(plan_of_open_rows());
    return {};
  }
  bool wanted = fences_.wanted(places_);
  if (wanted && !moved_ && !applied_.in_doubt) {
    // It is fenced already, or on its way.
    fences_.closed(places_);
    return {};
  }
  if (wanted || (moved_ && now - last_idle_micros_ >= limits::idle_fence_every_us))
    return close(Plan::unnecessary);
  return {};
}

Plan KafkaReader::plan_of_open_rows() const {
  // What several processes may do is agreed on before it is done.
  if (slot_.shared() || !refused_.empty()) return Plan::needed;
  for (const auto& lane : lanes_)
    if (lane->part && (lane->part->truncate || !lane->part->operations.empty()) &&
        (lane->part->truncate || lane->table->log || lane->table->has_changes ||
         !lane->part->unchanged.empty()))
      return Plan::needed;
  return Plan::unnecessary;
}

Status KafkaReader::close(Plan plan) {
  TRY_VOID(wait_for_applier());
  uint64_t end = places_.sum();
  // Without rows it is no cut of its own: the fence of the last one moves.
  // (One that was planned keeps its number whatever is left of it: its tokens may be used.)
  bool rows = open_rows_ > 0 || plan == Plan::written;
  CutRecord record{.source = source_,
                   .epoch = epoch_,
                   .cut = rows ? cut_number_ : cut_number_ - 1,
                   .last_lsn = rows ? std::max<uint64_t>(end, 1) : 0,
                   .part_rows_max = limits::part_rows_max,
                   .part_bytes_max = limits::part_bytes_max,
                   .committed_at = std::max(fenced_.committed_at, committed_at_),
                   .places = places_.text()};
  TRY_VOID(flush_refused());
  last_publish_micros_ = last_idle_micros_ = clock_.monotonic_micros();
  handoff_.expect(false);
  fenced_.committed_at = record.committed_at;
  auto cut = std::make_shared<Cut>(std::move(record), plan);
  handoff_.give(cut);
  for (auto& lane : lanes_) {
    if (!lane->part || (!lane->part->truncate && lane->part->operations.empty())) continue;
    auto part = std::move(lane->part);
    part->cut = cut_number_;
    while (!cut->push(part, lane->part_bytes, milliseconds(200)))
      if (ends()) return fail(ErrorKind::cancelled, "stopped");
  }
  // A part that was begun and has no rows yet belongs to the next cut.
  read_.oldest_applying_micros = read_.oldest_waiting_micros.load();
  read_.oldest_waiting_micros = 0;
  read_.cut_lsn = end;
  cut->finish(end, std::move(open_transactions_));
  fences_.closed(places_);
  closed_places_ = places_;
  if (rows) ++cut_number_;
  for (auto& lane : lanes_) {
    if (lane->part) lane->part->cut = cut_number_;
    lane->part_bytes = 0;
  }
  open_transactions_.clear();
  open_rows_ = open_bytes_ = 0;
  moved_ = full_ = false;
  return {};
}

Status KafkaReader::wait_for_applier() {
  while (!handoff_.wait_idle(milliseconds(200)))
    if (ends()) return fail(ErrorKind::cancelled, "stopped");
  return {};
}

void KafkaReader::commit(kafka::Consumer& consumer) {
  int64_t now = clock_.monotonic_micros();
  if (now - last_commit_micros_ < limits::kafka_commit_every_us || applied_.fenced_lsn < closed_places_.sum())
    return;
  last_commit_micros_ = now;
  if (read_.acknowledged_lsn == closed_places_.sum()) return;
  consumer.commit(closed_places_.positions());
  read_.acknowledged_lsn = closed_places_.sum();
}

}  // namespace tidemark::ingest
