#include "cli/generate_adtech.h"

#include "base/clock.h"

#include <algorithm>

namespace tidemark::cli {

Status generate_adtech(AdtechGenerator& generator, const AdtechPlan& plan, const std::atomic<bool>& stop) {
  if (!generator.has_campaigns()) {
    int64_t now = plan.until_micros.value_or(system_clock().wall_micros());
    TRY_VOID(generator.add_advertisers(plan.advertisers, now));
    TRY_VOID(generator.add_campaigns_everywhere(plan.campaigns, now));
  }
  return keep_pace(
      plan, adtech_pace,
      [&](const Stretch& stretch) {
        return generator.add_traffic({.impressions = stretch.rows,
                                      .from_micros = stretch.from_micros,
                                      .until_micros = stretch.until_micros,
                                      .click_rate = plan.click_rate,
                                      .updates = stretch.updates,
                                      .deletes = stretch.deletes,
                                      .transaction_rows = stretch.transaction_rows});
      },
      stop);
}

Status generate_adtech_batch(AdtechGenerator& generator, const AdtechBatch& batch) {
  constexpr int64_t day_micros = 86'400'000'000;
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
