// What `tidemark generate adtech` and its sub-verbs do, without a command line: `demo` calls the same.
#pragma once

#include "base/error.h"
#include "cli/adtech_generator.h"
#include "cli/generator_pace.h"

#include <cstdint>

namespace tidemark::cli {

constexpr PaceDefaults adtech_pace = {.history_rows = 100'000,
                                      .round_rows = 1'000,
                                      .transaction_rows = 2'000,
                                      .updates = 0.01,
                                      .deletes = 0.005};

struct AdtechPlan : Pace {  // rows are impressions
  double click_rate = 0.03;
  int64_t advertisers = 12;  // made when there is no campaign yet
  int64_t campaigns = 5;     // each
};

Status generate_adtech(AdtechGenerator& generator, const AdtechPlan& plan, const std::atomic<bool>& stop);

// The seed's seeder: advertisers, campaigns for each, impressions for each campaign on average, clicks.
struct AdtechBatch {
  int64_t advertisers = 2;
  int64_t campaigns = 3;      // for each advertiser
  int64_t impressions = 100;  // for each campaign, on average: some are far more popular than others
  double click_rate = 0.1;
  int64_t days = 7;
};

Status generate_adtech_batch(AdtechGenerator& generator, const AdtechBatch& batch);

}  // namespace tidemark::cli
