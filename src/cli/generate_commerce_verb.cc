// tidemark generate commerce
#include "cli/commerce_generator.h"
#include "cli/generate_course.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr const char* url_variable = "COMMERCE_DATABASE_URL";

struct Choice : GenerateOptions {
  Pace plan;
};

Status work(CommerceGenerator& generator, const Choice& choice, const Invocation&,
            const std::atomic<bool>& stop) {
  if (choice.verb != "reset") return generate_commerce(generator, choice.plan, stop);
  TRY_VOID(check_reset(choice, "all landing tables"));
  return generator.delete_everything();
}

void print_counts(const CommerceCounts& counts, double seconds, bool json) {
  if (json)
    fmt::print(
        "{{\"rows\":{},\"orders\":{},\"refunds\":{},\"updates\":{},\"deletes\":{},\"commits\":{},\"seconds\":"
        "{:.3f}}}\n",
        counts.rows, counts.orders, counts.refunds, counts.updates, counts.deletes, counts.commits, seconds);
  else
    fmt::print(
        stderr,
        "{} rows landed with {} orders and {} refunds, {} of them sent again, {} deletes in {} commits\n",
        counts.rows, counts.orders, counts.refunds, counts.updates, counts.deletes, counts.commits);
}

constexpr GenerateCourse<CommerceGenerator, Choice, CommerceCounts> course = {
    .variable = url_variable,
    .rows = "rows",
    .counted = &CommerceCounts::rows,
    .expected = [](const Choice& choice) { return expected_rows(choice, choice.plan, commerce_pace); },
    .work = work,
    .print = print_counts};

}  // namespace

Run add_generate_commerce(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  add_generate_options(command, *choice, choice->plan, commerce_pace, url_variable, "rows", "100000; 5000");
  command.add_option("--transaction-rows", choice->plan.transaction_rows, "rows a commit (1000)")
      ->check(CLI::Range(1, 1'000'000));
  add_generate_reset(command, *choice);
  return [choice](const Invocation& invocation) { return run_course(*choice, invocation, course); };
}

}  // namespace tidemark::cli
