// tidemark generate experiments
#include "base/clock.h"
#include "cli/experiments_generator.h"
#include "cli/generate_options.h"
#include "cli/progress.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr const char* url_variable = "EXPERIMENTS_DATABASE_URL";

struct Choice : GenerateOptions {
  ExperimentsPlan plan;
};

Result<ExitCode> generate(Choice choice, const Invocation& invocation) {
  TRY_VOID(read_pace(choice, choice.plan));
  choice.plan.updates = choice.updates;
  choice.plan.deletes = choice.deletes;
  std::string url = TRY(generate_url(choice, invocation, url_variable));
  const std::atomic<bool>& stop = stop_on_signals();
  ExperimentsGenerator generator = TRY(
      ExperimentsGenerator::open({.url = url, .application_name = "tidemark generate"}, choice.seed, stop));
  if (choice.verb == "reset") {
    if (!choice.yes) return fail(ErrorKind::usage, "reset deletes all rows of all seven tables", "add --yes");
    TRY_VOID(generator.delete_everything());
    return ExitCode::ok;
  }
  Progress progress("generating", "events",
                    choice.plan.continuous()
                        ? 0
                        : static_cast<uint64_t>(choice.plan.rows.value_or(experiments_pace.history_rows)),
                    Progress::mode_for(invocation.json));
  generator.on_progress = [&progress](const ExperimentsCounts& counts) {
    progress.set(static_cast<uint64_t>(counts.events));
  };
  int64_t begun = system_clock().monotonic_micros();
  TRY_VOID(generate_experiments(generator, choice.plan, stop));
  progress.finish();
  double seconds = static_cast<double>(system_clock().monotonic_micros() - begun) / 1e6;
  const ExperimentsCounts& counts = generator.counts();
  if (invocation.json)
    fmt::print(
        "{{\"events\":{},\"users\":{},\"updates\":{},\"deletes\":{},\"commits\":{},\"seconds\":{:.3f}}}\n",
        counts.events, counts.users, counts.updates, counts.deletes, counts.commits, seconds);
  else
    fmt::print(stderr, "{} events of {} users, {} updates, {} deletes in {} commits\n", counts.events,
               counts.users, counts.updates, counts.deletes, counts.commits);
  return generate_exit_code(choice.plan);
}

}  // namespace

Run add_generate_experiments(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  choice->updates = choice->plan.updates;
  choice->deletes = choice->plan.deletes;
  add_generate_options(command, *choice, choice->plan, url_variable, "events", "250000; 10000");
  CLI::App* reset = add_generate_verb(command, *choice, "reset", "deletes all rows");
  reset->add_flag("--yes", choice->yes, "really");
  return [choice](const Invocation& invocation) { return generate(*choice, invocation); };
}

}  // namespace tidemark::cli
