// What `tidemark generate finance` does, without a command line: `demo` calls the same.
#pragma once

#include "base/error.h"
#include "cli/finance_generator.h"
#include "cli/generator_pace.h"

#include <cstdint>

namespace tidemark::cli {

// A round is what the seed writes every 24 seconds.
constexpr PaceDefaults finance_pace = {.history_rows = 250'000,
                                       .round_rows = 123'456,
                                       .transaction_rows = 5'000,
                                       .updates = 0.055,
                                       .deletes = 0.001};
constexpr int64_t finance_round_seconds = 24;

struct FinancePlan : Pace {  // rows are raw_transactions
  FinanceSize size;
};

// Makes the world first, when it is not there yet.
Status generate_finance(FinanceGenerator& generator, const FinancePlan& plan, const std::atomic<bool>& stop);

}  // namespace tidemark::cli
