#include "ingest/cut.h"

#include "base/invariant.h"
#include "base/limits.h"

namespace tidemark::ingest {

bool Cut::push(std::unique_ptr<Part>& part, size_t bytes, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  // An empty queue takes a part of any size, else a part larger than the bound would wait for ever.
  bool room = changed_.wait_for(lock, timeout, [&] {
    return aborted_ || parts_.empty() || bytes_ + bytes <= limits::cut_queue_bytes_max;
  });
  if (!room) return false;
  if (!aborted_) {
    part->queued_bytes = bytes;
    parts_.push_back(std::move(part));
    bytes_ += bytes;
    changed_.notify_all();
  }
  part.reset();
  return true;
}

void Cut::finish(postgres::Lsn end_lsn, std::vector<CommittedTransaction> transactions, std::string places) {
  std::lock_guard lock(mutex_);
  record_.end_lsn = end_lsn;
  if (!places.empty()) record_.places = std::move(places);
  for (const auto& transaction : transactions) {
    record_.rows += transaction.rows;
    record_.committed_at = std::max(record_.committed_at, transaction.committed_at);
  }
  transactions_ = std::move(transactions);
  finished_ = true;
  changed_.notify_all();
}

std::unique_ptr<Part> Cut::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return aborted_ || finished_ || !parts_.empty(); });
  if (aborted_ || parts_.empty()) return nullptr;
  auto part = std::move(parts_.front());
  parts_.pop_front();
  changed_.notify_all();
  return part;
}

void Cut::sent(const Part& part) {
  std::lock_guard lock(mutex_);
  bytes_ -= part.queued_bytes;
  changed_.notify_all();
}

CutRecord Cut::record() const {
  std::lock_guard lock(mutex_);
  return record_;
}

void Cut::abort() {
  std::lock_guard lock(mutex_);
  aborted_ = true;
  changed_.notify_all();
}

bool Cut::aborted() const {
  std::lock_guard lock(mutex_);
  return aborted_;
}

bool CutHandoff::idle() const {
  std::lock_guard lock(mutex_);
  return cut_ == nullptr;
}

void CutHandoff::give(std::shared_ptr<Cut> cut) {
  std::lock_guard lock(mutex_);
  INVARIANT(cut_ == nullptr);
  if (closed_) return cut->abort();
  cut_ = std::move(cut);
  taken_ = false;
  changed_.notify_all();
}

bool CutHandoff::wait_idle(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return closed_ || cut_ == nullptr; });
  return !closed_ && cut_ == nullptr;
}

bool CutHandoff::wait_settled(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return closed_ || (cut_ == nullptr && settled_); });
  return !closed_ && cut_ == nullptr && settled_;
}

std::shared_ptr<Cut> CutHandoff::take(std::optional<std::chrono::microseconds> timeout) {
  std::unique_lock lock(mutex_);
  auto ready = [&] { return closed_ || (cut_ != nullptr && !taken_); };
  if (!timeout)
    changed_.wait(lock, ready);
  else if (!ready() && (!expected_ || !changed_.wait_for(lock, *timeout, ready)))
    return nullptr;
  if (closed_) return nullptr;
  taken_ = true;
  return cut_;
}

void CutHandoff::done() {
  {
    std::lock_guard lock(mutex_);
    cut_ = nullptr;
    settled_ = false;
    changed_.notify_all();
  }
  on_idle_();
}

void CutHandoff::settled() {
  std::lock_guard lock(mutex_);
  settled_ = true;
  changed_.notify_all();
}

void CutHandoff::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  if (cut_) cut_->abort();
  changed_.notify_all();
}

bool CutHandoff::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace tidemark::ingest
