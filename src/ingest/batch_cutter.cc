#include "ingest/batch_cutter.h"

#include "base/invariant.h"
#include "base/version.h"
#include "ingest/batch_limits.h"

namespace tidemark::ingest {
namespace {

constexpr std::chrono::milliseconds poll{100};

}  // namespace

void BatchCutter::add(std::unique_ptr<Part> part) {
  const CapturedTable& table = *part->table;
  size_t rows = part->operations.size();
  INVARIANT(part->rows.columns.size() == table.source.columns.size());
  Block whole = bronze_block(table);
  for (size_t column = part->rows.columns.size(); column < whole.columns.size(); ++column)
    part->rows.add(whole.names[column], whole.columns[column].type());
  Column& versions = *part->rows.find(bookkeeping::version);
  Column* deleted = part->rows.find(bookkeeping::deleted);
  for (Operation operation : part->operations) {
    bool removed = operation == Operation::remove;
    versions.append(make_version(options_.epoch, options_.next_cut, 2 * ordinal_++ + (removed ? 0 : 1)));
    if (deleted != nullptr) deleted->append<uint8_t>(removed ? 1 : 0);
  }
  part->rows.find(bookkeeping::committed_at)->fill<int64_t>(taken_micros_, rows);
  part->rows.find(bookkeeping::cut)->fill<uint64_t>(options_.next_cut, rows);
  part->cut = options_.next_cut;
  part->number = numbers_[table.name]++;
  rows_ += rows;
  bytes_ += part->bytes();
  gathered_.insert(table.name);
  parts_.push_back(std::move(part));
}

bool BatchCutter::full() const {
  return rows_ + limits::batch_page_rows_max >= limits::batch_cut_rows_max ||
         2 * bytes_ >= limits::batch_cut_bytes_max;
}

Status BatchCutter::settle() {
  while (!handoff_.wait_settled(poll))
    if (stop_ || handoff_.closed()) return fail(ErrorKind::cancelled, "stopped");
  under_way_.clear();
  if (std::exchange(saved_, false)) store_.fenced();
  return {};
}

Status BatchCutter::close() {
  TRY_VOID(settle());
  bool again = std::any_of(parts_.begin(), parts_.end(),
                           [](const auto& part) { return part->table->has_changes || part->table->log; });
  if (again) {
    TRY_VOID(store_.stage(options_.source, options_.epoch, options_.next_cut, parts_));
    staged_ = true;
  }
  TRY_VOID(store_.save(options_.source, options_.epoch, options_.next_cut, progress_));
  saved_ = true;
  CutRecord record{.source = options_.source,
                   .epoch = options_.epoch,
                   .cut = options_.next_cut,
                   .last_lsn = options_.next_cut,
                   .end_lsn = progress_.run,
                   .rows = 0,
                   .committed_at = 0};
  under_way_ = std::exchange(gathered_, {});
  ++options_.next_cut;
  ordinal_ = rows_ = bytes_ = 0;
  numbers_.clear();
  return give(record, again ? Plan::needed : Plan::unnecessary, std::exchange(parts_, {}));
}

Status BatchCutter::replay(const CutRecord& planned, std::vector<std::unique_ptr<Part>> parts) {
  CutRecord record = planned;
  record.rows = 0;
  record.committed_at = 0;
  TRY_VOID(give(record, Plan::written, std::move(parts)));
  return settle();
}

Status BatchCutter::give(const CutRecord& record, Plan plan, std::vector<std::unique_ptr<Part>> parts) {
  auto cut = std::make_shared<Cut>(record, plan);
  handoff_.give(cut);
  uint64_t rows = 0;
  int64_t committed_at = taken_micros_;
  for (auto& part : parts) {
    rows += part->operations.size();
    committed_at = part->rows.find(bookkeeping::committed_at)->get<int64_t>(0);
    size_t bytes = part->bytes();
    while (!cut->push(part, bytes, poll))
      if (stop_ || handoff_.closed()) return fail(ErrorKind::cancelled, "stopped");
  }
  cut->finish(record.end_lsn, {{.committed_at = committed_at, .rows = rows}});
  return {};
}

}  // namespace tidemark::ingest
