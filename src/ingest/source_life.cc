#include "ingest/source_life.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/applier.h"
#include "ingest/stream_reader.h"

namespace tidemark::ingest {

using std::chrono::milliseconds;

namespace {

// Trying again cannot help until somebody acts.
bool final(const Error& error) {
  return error.kind == ErrorKind::refused || error.kind == ErrorKind::config ||
         error.kind == ErrorKind::unsupported || error.kind == ErrorKind::usage;
}

}  // namespace

std::function<void(const CutEvent&)> counting(Positions positions,
                                              std::function<void(const CutEvent&)> on_cut) {
  if (!on_cut) return on_cut;
  return [positions, on_cut = std::move(on_cut)](const CutEvent& cut) {
    CutEvent event = cut;
    event.positions = positions;
    on_cut(event);
  };
}

SourceLife::~SourceLife() {
  stop();
}

void SourceLife::start(Steps steps) {
  steps_ = std::move(steps);
  thread_ = std::thread([this] { run(); });
}

void SourceLife::stop() {
  if (!stopping_.exchange(true)) {
    {
      std::lock_guard lock(mutex_);
      wake_.notify_all();
    }
    if (steps_.wake) steps_.wake();
  }
  if (thread_.joinable()) thread_.join();
}

bool SourceLife::pause(milliseconds duration) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, duration, [&] { return stopping_.load(); });
  return !stopping_;
}

void SourceLife::run() {
  milliseconds backoff = limits::source_backoff_min;
  while (!stopping_) {
    int64_t started = clock_.monotonic_micros();
    Status ended = steps_.live();
    if (stopping_) break;
    if (ended) continue;
    Error& error = ended.error();
    bool hopeless = hopeless_ || final(error) || (steps_.hopeless && steps_.hopeless(error));
    set_state(hopeless ? "failed" : "waiting", error.message);
    log::error("source {}: {}", source_, error.describe());
    if (hopeless_ || (hopeless && !steps_.proven())) {
      std::lock_guard lock(mutex_);
      gave_up_ = std::move(error).in("source " + source_);
      return;
    }
    if (clock_.monotonic_micros() - started > limits::source_healthy_us) backoff = limits::source_backoff_min;
    if (!pause(hopeless ? limits::source_backoff_max : backoff)) break;
    backoff = std::min(backoff * 2, limits::source_backoff_max);
  }
  set_state("stopped");
}

void SourceLife::set_state(std::string state, std::string error) {
  std::lock_guard lock(mutex_);
  // A try after a failure ends in an instant when nothing has changed: until it has come further, it waits,
  // and why.
  if (state == "starting" && (state_ == "waiting" || state_ == "failed")) return;
  state_ = std::move(state);
  error_ = std::move(error);
}

std::string SourceLife::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

std::optional<Error> SourceLife::gave_up() const {
  std::lock_guard lock(mutex_);
  return gave_up_;
}

// Over the time since the last sample, at least a second: asked often, it does not jump.
double SourceLife::rate(uint64_t rows) const {
  int64_t now = clock_.monotonic_micros();
  if (sampled_at_ == 0 || now - sampled_at_ > limits::rate_sample_us) {
    if (sampled_at_ != 0)
      rate_ = static_cast<double>(rows - std::min(rows, sampled_rows_)) * 1e6 /
              static_cast<double>(now - sampled_at_);
    sampled_at_ = now;
    sampled_rows_ = rows;
  }
  return rate_;
}

void SourceLife::describe(SourceStatus& status, const ApplierCounters& applied, uint64_t rows) const {
  std::lock_guard lock(mutex_);
  status.source = source_;
  status.state = state_;
  status.error = error_;
  status.last_cut = applied.cut;
  status.as_of_micros = applied.as_of_micros;
  status.transactions = applied.transactions;
  status.queryable_p50_us = applied.queryable_us.quantile(0.5);
  status.queryable_p99_us = applied.queryable_us.quantile(0.99);
  status.queryable_max_us = applied.queryable_us.quantile(1);
  status.rows_per_second = rate(rows);
}

void SourceLife::describe_ladder(SourceStatus& status, const ApplierCounters& applied,
                                 const ReaderCounters& read, uint64_t fenced) const {
  status.ladder = {.server = std::max(read.server_lsn.load(), read.received_lsn.load()),
                   .received = read.received_lsn,
                   .cut = read.cut_lsn,
                   .queryable = applied.queryable_lsn,
                   .fenced = fenced,
                   .acknowledged = read.acknowledged_lsn};
  status.streamed_transactions = read.streamed_transactions;
  status.streamed_bytes = read.streamed_bytes;
  status.lag_bytes =
      status.ladder.server > status.ladder.fenced ? status.ladder.server - status.ladder.fenced : 0;
  int64_t waiting = status.ladder.cut > status.ladder.queryable ? read.oldest_applying_micros.load()
                                                                : read.oldest_waiting_micros.load();
  status.lag_ms = waiting > 0 ? std::max<int64_t>(0, (clock_.wall_micros() - waiting) / 1000) : 0;
}

}  // namespace tidemark::ingest
