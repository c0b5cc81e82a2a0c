// tidemark generate: one sub-verb for each pack, in a file of its own.
#include "cli/generate_options.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_generate(CLI::App& command) {
  command.require_subcommand(1);
  auto chosen = std::make_shared<Run>();
  auto add = [&](const char* name, const char* summary, Run (*declare)(CLI::App&)) {
    CLI::App* pack = command.add_subcommand(name, summary);
    Run run = declare(*pack);
    pack->callback([chosen, run] { *chosen = run; });
  };
  add("adtech", "campaigns, impressions, clicks: see sub-verbs", add_generate_adtech);
  add("finance", "accounts, merchants, payments, exchange rates: see sub-verbs", add_generate_finance);
  add("experiments", "users, assignments, exposures, conversions with known effects",
      add_generate_experiments);
  add("cdp", "customers and orders, and the events of what people do", add_generate_cdp);
  add("commerce", "what GA4, Klaviyo and Shopify say of two shops, as an extraction tool lands it",
      add_generate_commerce);
  return [chosen](const Invocation& invocation) { return (*chosen)(invocation); };
}

}  // namespace tidemark::cli
