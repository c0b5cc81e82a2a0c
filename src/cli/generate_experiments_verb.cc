// tidemark generate experiments
#include "cli/experiments_generator.h"
#include "cli/generate_course.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr const char* url_variable = "EXPERIMENTS_DATABASE_URL";

struct Choice : GenerateOptions {
  Pace plan;
};

Status work(ExperimentsGenerator& generator, const Choice& choice, const Invocation&,
            const std::atomic<bool>& stop) {
  if (choice.verb != "reset") return generate_experiments(generator, choice.plan, stop);
  TRY_VOID(check_reset(choice, "all seven tables"));
  return generator.delete_everything();
}

void print_counts(const ExperimentsCounts& counts, double seconds, bool json) {
  if (json)
    fmt::print(
        "{{\"events\":{},\"users\":{},\"updates\":{},\"deletes\":{},\"commits\":{},\"seconds\":{:.3f}}}\n",
        counts.events, counts.users, counts.updates, counts.deletes, counts.commits, seconds);
  else
    fmt::print(stderr, "{} events of {} users, {} updates, {} deletes in {} commits\n", counts.events,
               counts.users, counts.updates, counts.deletes, counts.commits);
}

constexpr GenerateCourse<ExperimentsGenerator, Choice, ExperimentsCounts> course = {
    .variable = url_variable,
    .rows = "events",
    .counted = &ExperimentsCounts::events,
    .expected = [](const Choice& choice) { return expected_rows(choice, choice.plan, experiments_pace); },
    .work = work,
    .print = print_counts};

}  // namespace

Run add_generate_experiments(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  add_generate_options(command, *choice, choice->plan, experiments_pace, url_variable, "events",
                       "250000; 10000");
  add_generate_reset(command, *choice);
  return [choice](const Invocation& invocation) { return run_course(*choice, invocation, course); };
}

}  // namespace tidemark::cli
