#include "ingest/inbox_reader.h"

#include "base/limits.h"
#include "ingest/inbox_limits.h"

namespace tidemark::ingest {
namespace {

using std::chrono::milliseconds;

// Of the 47 bits above the side (base/version.h): rows of one version are told apart by block and place.
constexpr int place_bits = 20;
// Bytes are not counted after every row.
constexpr size_t rows_a_weighing = 256;
constexpr uint64_t place_max = (uint64_t{1} << place_bits) - 1;

Version version_of(uint16_t epoch, bool by_version, const Inbox::Row& row) {
  uint64_t side = row.gone ? 0 : 1;
  // Only blocks of one life of the inbox are compared; another one has another epoch.
  if (!by_version) return make_version(epoch, row.block, 2 * row.offset + side);
  // The version column goes before everything, also before the epoch.
  return make_version(1, row.order, 2 * ((row.block << place_bits) | std::min(row.offset, place_max)) + side);
}

}  // namespace

InboxReader::InboxReader(Start start, const CapturedTable& table, bool by_version, Inbox& inbox,
                         CutHandoff& handoff, const ApplierCounters& applied, ReaderCounters& read,
                         const Clock& clock, const std::atomic<uint64_t>& wanted_fence,
                         const std::atomic<bool>& stop, Wakes wakes)
    : start_(std::move(start)),
      table_(table),
      by_version_(by_version),
      inbox_(inbox),
      handoff_(handoff),
      applied_(applied),
      read_(read),
      clock_(clock),
      wanted_fence_(wanted_fence),
      stop_(stop),
      wakes_(std::move(wakes)),
      position_(start_.fenced.end_lsn),
      cut_number_(start_.fenced.cut + 1),
      committed_at_(start_.fenced.committed_at) {}

Status InboxReader::run() {
  if (start_.planned) TRY_VOID(close(start_.planned->last_lsn, true, Plan::written));
  while (!ends()) {
    auto waiting = TRY(inbox_.look(position_, applied_.fenced_lsn));
    read_.server_lsn = std::max(waiting.newest, position_);
    if (handoff_.idle() || !waiting.pieces.empty()) TRY_VOID(take(waiting));
    int64_t now = clock_.monotonic_micros();
    if (!waiting.done.empty() && now - dropped_at_ >= limits::inbox_empty_every_us) {
      dropped_at_ = now;
      // A part may have been merged meanwhile: the next look finds what became of it.
      if (auto dropped = inbox_.drop(waiting.done); !dropped && dropped.error().kind != ErrorKind::refused)
        return dropped;
    }
    if (waiting.pieces.empty()) {
      if (applied_.fenced_lsn >= position_ && !applied_.in_doubt) TRY_VOID(wakes_.at_rest());
      if (!wakes_.pause(limits::inbox_look_every)) break;
    }
  }
  if (!handoff_.closed()) handoff_.wait_settled(limits::drain_deadline);
  return {};
}

Status InboxReader::take(const Inbox::Waiting& waiting) {
  uint64_t last = position_, rows = 0;
  for (const auto& piece : waiting.pieces) {
    if (rows > 0 && rows + piece.rows > limits::cut_rows_max) break;
    last = piece.last;
    rows += piece.rows;
  }
  Plan plan = table_.has_changes || table_.log ? Plan::needed : Plan::unnecessary;
  if (rows > 0) return close(last, true, plan);
  bool wanted = wanted_fence_ > applied_.fenced_lsn && position_ >= wanted_fence_;
  // After a kill: nothing was under way, and a fence says so.
  bool doubted = applied_.in_doubt && handoff_.idle() && !std::exchange(settled_, true);
  if (wanted || doubted) return close(position_, false, Plan::unnecessary);
  return {};
}

Status InboxReader::close(uint64_t last, bool rows, Plan plan) {
  while (!handoff_.wait_idle(milliseconds(200)))
    if (ends()) return fail(ErrorKind::cancelled, "stopped");
  auto cut = std::make_shared<Cut>(CutRecord{.source = start_.source,
                                             .epoch = start_.epoch,
                                             .cut = rows ? cut_number_ : cut_number_ - 1,
                                             .last_lsn = rows ? last : 0,
                                             .part_rows_max = limits::part_rows_max,
                                             .part_bytes_max = limits::part_bytes_max,
                                             .committed_at = committed_at_},
                                   plan);
  handoff_.give(cut);
  part_number_ = 0;
  if (rows) {
    Status sent = send_rows(*cut, last);
    if (!sent) {
      cut->abort();
      return sent;
    }
  }
  read_.oldest_applying_micros = read_.oldest_waiting_micros.load();
  read_.oldest_waiting_micros = 0;
  position_ = last;
  read_.received_lsn = read_.cut_lsn = position_;
  cut->finish(position_, std::exchange(transactions_, {}));
  if (rows) ++cut_number_;
  return {};
}

std::unique_ptr<Part> InboxReader::new_part() {
  auto part = std::make_unique<Part>();
  part->table = &table_;
  part->cut = cut_number_;
  part->number = part_number_++;
  part->rows = bronze_block(table_);
  return part;
}

Status InboxReader::push(Cut& cut, std::unique_ptr<Part> part) {
  size_t bytes = part->bytes();
  while (!cut.push(part, bytes, milliseconds(200)))
    if (ends()) return fail(ErrorKind::cancelled, "stopped");
  return {};
}

// Parts end where their rows say, so that a replay makes the same ones.
Status InboxReader::send_rows(Cut& cut, uint64_t last) {
  std::unique_ptr<Part> part;
  size_t columns = table_.source.columns.size();
  uint64_t block_number = 0;
  TRY_VOID(
      inbox_.read(position_, last, [&](const Block& block, size_t row, const Inbox::Row& place) -> Status {
        if (ends()) return fail(ErrorKind::cancelled, "stopped");
        if (!part) part = new_part();
        for (size_t column = 0; column < columns; ++column)
          part->rows.columns[column].append_from(block.columns[column], row);
        size_t column = columns;
        part->rows.columns[column++].append(version_of(start_.epoch, by_version_, place));
        if (!table_.log) part->rows.columns[column++].append<uint8_t>(place.gone ? 1 : 0);
        part->rows.columns[column++].append<int64_t>(place.at);
        part->rows.columns[column].append<uint64_t>(cut_number_);
        part->operations.push_back(table_.log   ? Operation::insert
                                   : place.gone ? Operation::remove
                                                : Operation::update);
        committed_at_ = std::max(committed_at_, place.at);
        if (read_.oldest_waiting_micros == 0) read_.oldest_waiting_micros = place.at;
        if (place.block != std::exchange(block_number, place.block) || transactions_.empty())
          transactions_.push_back({.committed_at = place.at});
        ++transactions_.back().rows;
        size_t rows = part->operations.size();
        bool heavy = rows % rows_a_weighing == 0 && part->bytes() >= limits::part_bytes_max;
        if (rows < limits::part_rows_max && !heavy) return {};
        return push(cut, std::move(part));
      }));
  if (part) TRY_VOID(push(cut, std::move(part)));
  return {};
}

}  // namespace tidemark::ingest
