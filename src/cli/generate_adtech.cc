#include "cli/generate_adtech.h"

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
constexpr int64_t default_round_rows = 1'000;
constexpr int64_t default_transaction_rows = 2'000;

// Until the monotonic moment, in naps short enough for Ctrl-C to feel immediate.
void wait_until(int64_t monotonic_micros, const std::atomic<bool>& stop) {
  while (!stop) {
    int64_t left = monotonic_micros - system_clock().monotonic_micros();
    if (left <= 0) return;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min<int64_t>(left, 50'000)));
  }
}

AdtechTraffic traffic_of(const AdtechPlan& plan) {
  return {.click_rate = plan.click_rate,
          .updates = plan.updates,
          .deletes = plan.deletes,
          .transaction_rows = plan.transaction_rows > 0 ? plan.transaction_rows : default_transaction_rows};
}

Status history(AdtechGenerator& generator, const AdtechPlan& plan, int64_t now) {
  AdtechTraffic traffic = traffic_of(plan);
  traffic.impressions = plan.rows.value_or(adtech_history_rows);
  traffic.until_micros = now;
  traffic.from_micros = now - std::max<int64_t>(plan.days, 1) * day_micros;
  return generator.add_traffic(traffic);
}

Status rounds(AdtechGenerator& generator, const AdtechPlan& plan, int64_t end,
              const std::atomic<bool>& stop) {
  AdtechTraffic traffic = traffic_of(plan);
  traffic.impressions = plan.rows.value_or(default_round_rows);
  int64_t begun = system_clock().monotonic_micros();
  int64_t event_from = system_clock().wall_micros() - plan.every_seconds * second_micros;
  for (int64_t round = 0; !stop && system_clock().monotonic_micros() < end; ++round) {
    traffic.from_micros = event_from;
    traffic.until_micros = std::max(system_clock().wall_micros(), event_from + 1);
    TRY_VOID(generator.add_traffic(traffic));
    event_from = traffic.until_micros;
    wait_until(std::min(end, begun + (round + 1) * plan.every_seconds * second_micros), stop);
  }
  return {};
}

Status steady(AdtechGenerator& generator, const AdtechPlan& plan, int64_t end,
              const std::atomic<bool>& stop) {
  AdtechTraffic traffic = traffic_of(plan);
  int64_t slice = std::max<int64_t>(1, static_cast<int64_t>(plan.rate * slice_seconds));
  if (plan.transaction_rows == 0) traffic.transaction_rows = std::min(default_transaction_rows, slice);
  int64_t wanted = plan.rows.value_or(std::numeric_limits<int64_t>::max());
  int64_t begun = system_clock().monotonic_micros();
  int64_t event_from = system_clock().wall_micros() - 1000;
  for (int64_t done = 0; done < wanted && !stop && system_clock().monotonic_micros() < end;) {
    traffic.impressions = std::min(traffic.transaction_rows, wanted - done);
    traffic.from_micros = event_from;
    traffic.until_micros = std::max(system_clock().wall_micros(), event_from + 1);
    TRY_VOID(generator.add_traffic(traffic));
    event_from = traffic.until_micros;
    done += traffic.impressions;
    auto due = static_cast<int64_t>(static_cast<double>(done) / plan.rate * 1e6);
    wait_until(std::min(end, begun + due), stop);
  }
  return {};
}

}  // namespace

Status generate_adtech(AdtechGenerator& generator, const AdtechPlan& plan, const std::atomic<bool>& stop) {
  int64_t now = plan.until_micros.value_or(system_clock().wall_micros());
  if (!generator.has_campaigns()) {
    TRY_VOID(generator.add_advertisers(plan.advertisers, now));
    TRY_VOID(generator.add_campaigns_everywhere(plan.campaigns, now));
  }
  int64_t end = plan.duration_seconds > 0
                    ? system_clock().monotonic_micros() + plan.duration_seconds * second_micros
                    : std::numeric_limits<int64_t>::max();
  if (plan.every_seconds > 0) return rounds(generator, plan, end, stop);
  if (plan.rate > 0) return steady(generator, plan, end, stop);
  return history(generator, plan, now);
}

Status generate_adtech_batch(AdtechGenerator& generator, const AdtechBatch& batch) {
  int64_t now = system_clock().wall_micros();
  TRY_VOID(generator.add_advertisers(batch.advertisers, now));
  TRY_VOID(generator.add_campaigns_everywhere(batch.campaigns, now));
  return generator.add_traffic({.impressions = batch.advertisers * batch.campaigns * batch.impressions,
                                .from_micros = now - std::max<int64_t>(batch.days, 1) * day_micros,
                                .until_micros = now,
                                .click_rate = batch.click_rate,
                                .updates = 0,
                                .deletes = 0});
}

}  // namespace tidemark::cli
