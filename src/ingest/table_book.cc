#include "ingest/table_book.h"

namespace tidemark::ingest {

Status TableBook::load(uint16_t epoch) {
  auto records = TRY(records_.load(source_, epoch));
  std::lock_guard lock(mutex_);
  known_ = std::move(records);
  return {};
}

bool TableBook::empty() const {
  std::lock_guard lock(mutex_);
  return known_.empty();
}

std::optional<TableRecord> TableBook::find(uint32_t oid) const {
  std::lock_guard lock(mutex_);
  auto found = known_.find(oid);
  return found == known_.end() ? std::nullopt : std::optional(found->second);
}

const TableShape* TableBook::shape(uint32_t oid) const {
  std::lock_guard lock(mutex_);
  auto found = known_.find(oid);
  return found == known_.end() ? nullptr : &found->second.shape;
}

std::optional<TablePhase> TableBook::phase(uint32_t oid) const {
  std::lock_guard lock(mutex_);
  auto found = known_.find(oid);
  return found == known_.end() ? std::nullopt : std::optional(found->second.phase);
}

Status TableBook::save(TableRecord record) {
  return save(std::vector<TableRecord>{std::move(record)});
}

Status TableBook::save(std::vector<TableRecord> records) {
  TRY_VOID(records_.save(source_, records));
  std::lock_guard lock(mutex_);
  for (auto& record : records) {
    uint32_t oid = record.oid;
    known_.insert_or_assign(oid, std::move(record));
  }
  return {};
}

void TableBook::note(uint32_t oid, std::string note) {
  std::lock_guard lock(mutex_);
  notes_[oid] = std::move(note);
}

void TableBook::describe(uint32_t oid, TableStatus& status) const {
  std::lock_guard lock(mutex_);
  if (auto note = notes_.find(oid); note != notes_.end()) status.note = note->second;
  auto found = known_.find(oid);
  if (found == known_.end() || found->second.phase == TablePhase::live) return;
  bool dropped = found->second.phase == TablePhase::dropped;
  status.state = dropped ? "dropped" : found->second.error.empty() ? "copying" : "failed";
  status.error = found->second.error;
}

std::vector<TableRecord> TableBook::dropped() const {
  std::lock_guard lock(mutex_);
  std::vector<TableRecord> records;
  for (const auto& [oid, record] : known_)
    if (record.phase == TablePhase::dropped) records.push_back(record);
  return records;
}

}  // namespace tidemark::ingest
