// What `tidemark generate adtech` and its sub-verbs do, without a command line: `demo` calls the same.
//
// Continuous modes (rate or every) put events at the moment they are written; the others spread them over the
// last `days` along the day curve. Every call ends early, cleanly and with ok when `stop` becomes true.
#pragma once

#include "base/error.h"
#include "cli/adtech_generator.h"

#include <cstdint>
#include <optional>

namespace tidemark::cli {

constexpr int64_t adtech_history_rows = 100'000;  // without --rows

struct AdtechPlan {
  std::optional<int64_t> rows;   // impressions: in total, with `every` in each round
  double rate = 0;               // impressions a second; 0: as fast as Postgres takes them
  int64_t every_seconds = 0;     // a round each; 0: one round
  int64_t duration_seconds = 0;  // ends continuous modes; 0: until told
  double click_rate = 0.03;
  double updates = 0.01;
  double deletes = 0.005;
  int64_t days = 30;
  int64_t transaction_rows = 0;  // impressions a transaction; 0: 2,000, less when that is longer than 50 ms
  std::optional<int64_t> until_micros;  // the end of history instead of now: the same data again
  int64_t advertisers = 12;             // made when there is no campaign yet
  int64_t campaigns = 5;                // each

  bool continuous() const { return every_seconds > 0 || (rate > 0 && !rows); }
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
