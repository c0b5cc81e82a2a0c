#include "cli/generate_finance.h"

#include "base/clock.h"

namespace tidemark::cli {

Status generate_finance(FinanceGenerator& generator, const FinancePlan& plan, const std::atomic<bool>& stop) {
  if (!generator.has_world())
    TRY_VOID(generator.add_world(plan.size, plan.until_micros.value_or(system_clock().wall_micros())));
  return keep_pace(
      plan, finance_pace, [&](const Stretch& stretch) { return generator.add_traffic(stretch); }, stop);
}

}  // namespace tidemark::cli
