#include "cli/generator_pace.h"

#include "base/clock.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t day_micros = 86'400 * second_micros;
// A transaction of live traffic is at most this long, so that its first event is not late by more.
constexpr double slice_seconds = 0.05;

using Write = std::function<Status(const Stretch&)>;

// Until the monotonic moment, in naps short enough for Ctrl-C to feel immediate.
void wait_until(int64_t monotonic_micros, const std::atomic<bool>& stop) {
  while (!stop) {
    int64_t left = monotonic_micros - system_clock().monotonic_micros();
    if (left <= 0) return;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min<int64_t>(left, 50'000)));
  }
}

Status rounds(const Pace& pace, Stretch stretch, const Write& write, int64_t end,
              const std::atomic<bool>& stop) {
  int64_t begun = system_clock().monotonic_micros();
  int64_t event_from = system_clock().wall_micros() - pace.every_seconds * second_micros;
  for (int64_t round = 0; !stop && system_clock().monotonic_micros() < end; ++round) {
    stretch.from_micros = event_from;
    stretch.until_micros = std::max(system_clock().wall_micros(), event_from + 1);
    TRY_VOID(write(stretch));
    event_from = stretch.until_micros;
    wait_until(std::min(end, begun + (round + 1) * pace.every_seconds * second_micros), stop);
  }
  return {};
}

Status steady(const Pace& pace, Stretch stretch, const Write& write, int64_t end,
              const std::atomic<bool>& stop) {
  int64_t slice = std::max<int64_t>(1, static_cast<int64_t>(pace.rate * slice_seconds));
  if (pace.transaction_rows == 0) stretch.transaction_rows = std::min(stretch.transaction_rows, slice);
  int64_t wanted = pace.rows.value_or(std::numeric_limits<int64_t>::max());
  int64_t begun = system_clock().monotonic_micros();
  int64_t event_from = system_clock().wall_micros() - 1000;
  for (int64_t done = 0; done < wanted && !stop && system_clock().monotonic_micros() < end;) {
    stretch.rows = std::min(stretch.transaction_rows, wanted - done);
    stretch.from_micros = event_from;
    stretch.until_micros = std::max(system_clock().wall_micros(), event_from + 1);
    TRY_VOID(write(stretch));
    event_from = stretch.until_micros;
    done += stretch.rows;
    auto due = static_cast<int64_t>(static_cast<double>(done) / pace.rate * 1e6);
    wait_until(std::min(end, begun + due), stop);
  }
  return {};
}

}  // namespace

Status keep_pace(const Pace& pace, const PaceDefaults& defaults, const Write& write,
                 const std::atomic<bool>& stop) {
  Stretch stretch{.updates = pace.updates.value_or(defaults.updates),
                  .deletes = pace.deletes.value_or(defaults.deletes)};
  stretch.transaction_rows = pace.transaction_rows > 0 ? pace.transaction_rows : defaults.transaction_rows;
  int64_t end = pace.duration_seconds > 0
                    ? system_clock().monotonic_micros() + pace.duration_seconds * second_micros
                    : std::numeric_limits<int64_t>::max();
  if (pace.every_seconds > 0) {
    stretch.rows = pace.rows.value_or(defaults.round_rows);
    return rounds(pace, stretch, write, end, stop);
  }
  if (pace.rate > 0) return steady(pace, stretch, write, end, stop);
  stretch.rows = pace.rows.value_or(defaults.history_rows);
  stretch.until_micros = pace.until_micros.value_or(system_clock().wall_micros());
  stretch.from_micros = stretch.until_micros - std::max<int64_t>(pace.days, 1) * day_micros;
  return write(stretch);
}

}  // namespace tidemark::cli
