// tidemark generate finance
#include "base/clock.h"
#include "cli/generate_course.h"
#include "cli/generate_finance.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr const char* url_variable = "FINANCE_DATABASE_URL";

struct Choice : GenerateOptions {
  FinancePlan plan;
};

void print_totals(const FinanceTotals& totals, bool json) {
  fmt::print(
      fmt::runtime(
          json ? "{{\"transactions\":{},\"accounts\":{},\"merchants\":{},\"rates\":{},\"addresses\":{}}}\n"
               : "transactions\t{}\naccounts\t{}\nmerchants\t{}\nrates\t{}\naddresses\t{}\n"),
      totals.transactions, totals.accounts, totals.merchants, totals.rates, totals.addresses);
}

void print_counts(const FinanceCounts& counts, double seconds, bool json) {
  if (json)
    fmt::print(
        "{{\"transactions\":{},\"references\":{},\"updates\":{},\"deletes\":{},\"commits\":{},\"seconds\":{:."
        "3f}}}\n",
        counts.transactions, counts.references, counts.updates, counts.deletes, counts.commits, seconds);
  else
    fmt::print(stderr, "{} payments, {} updates, {} deletes in {} commits, {} rows/s\n",
               with_commas(static_cast<uint64_t>(counts.transactions)),
               with_commas(static_cast<uint64_t>(counts.updates)),
               with_commas(static_cast<uint64_t>(counts.deletes)),
               with_commas(static_cast<uint64_t>(counts.commits)),
               short_number(static_cast<double>(counts.rows()) / std::max(seconds, 1e-6)));
}

Status run_choice(FinanceGenerator& generator, const Choice& choice, const Invocation& invocation,
                  const std::atomic<bool>& stop) {
  if (choice.verb == "world")
    return generator.add_world(choice.plan.size,
                               choice.plan.until_micros.value_or(system_clock().wall_micros()));
  if (choice.verb == "stats") {
    print_totals(TRY(generator.totals()), invocation.json);
    return {};
  }
  if (choice.verb == "reset") {
    TRY_VOID(check_reset(choice, "all five tables"));
    return generator.delete_everything();
  }
  return generate_finance(generator, choice.plan, stop);
}

constexpr GenerateCourse<FinanceGenerator, Choice, FinanceCounts> course = {
    .variable = url_variable,
    .rows = "payments",
    .counted = &FinanceCounts::transactions,
    .expected = [](const Choice& choice) { return expected_rows(choice, choice.plan, finance_pace); },
    .work = run_choice,
    .print = print_counts};

void add_size_options(CLI::App& command, FinanceSize& size) {
  command.add_option("--accounts", size.accounts, "accounts of a new world (12345)")
      ->check(CLI::Range(1, 10'000'000));
  command.add_option("--merchants", size.merchants, "merchants (56)")->check(CLI::Range(1, 1'000'000));
  command.add_option("--addresses", size.addresses, "IP addresses (5678)")->check(CLI::Range(1, 10'000'000));
  command.add_option("--rate-days", size.rate_days, "days of exchange rates (365)")
      ->check(CLI::Range(1, 36'500));
}

}  // namespace

Run add_generate_finance(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  add_generate_options(command, *choice, choice->plan, finance_pace, url_variable, "payments",
                       "250000; 123456");
  add_size_options(command, choice->plan.size);
  command.add_option("--transaction-rows", choice->plan.transaction_rows, "payments a commit (5000)")
      ->check(CLI::Range(1, 1'000'000));
  command.add_flag_callback(
      "--seed-rate", [options = choice.get()] { options->every = fmt::format("{}s", finance_round_seconds); },
      "the rate of the original: 123456 payments every 24 s");
  add_generate_verb(command, *choice, "world", "accounts, merchants, addresses and exchange rates alone");
  add_generate_housekeeping(command, *choice);
  return [choice](const Invocation& invocation) { return run_course(*choice, invocation, course); };
}

}  // namespace tidemark::cli
