// tidemark generate cdp
#include "cli/cdp_generator.h"
#include "cli/generate_course.h"
#include "cli/running_instance.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr const char* url_variable = "CDP_DATABASE_URL";
constexpr const char* key_variable = "CDP_WRITE_KEY";

struct Choice : GenerateOptions {
  Pace plan;
  std::string events, write_key;
};

// The project that runs, and its first key, unless the command line says otherwise.
Status open_door(CdpGenerator& generator, const Choice& choice, const Invocation& invocation) {
  std::string url = choice.events;
  Secret key(choice.write_key);
  if (const char* value = std::getenv(key_variable); key.empty() && value != nullptr) key = Secret(value);
  if (auto directory = invocation.project_directory(); directory) {
    if (url.empty()) url = TRY(running_url(*directory));
    config::Project project = TRY(invocation.load_project());
    if (key.empty() && !project.event_sources.empty())
      key = project.event_sources.front().write_keys.front().key;
  }
  if (url.empty() || key.empty())
    return fail(
        ErrorKind::usage, url.empty() ? "no project to send events to" : "no write key for the events",
        fmt::format(
            "run it inside a project that runs, or give --events http://127.0.0.1:8088 and --write-key or {}",
            key_variable));
  generator.send_to(url, key);
  return {};
}

Status work(CdpGenerator& generator, const Choice& choice, const Invocation& invocation,
            const std::atomic<bool>& stop) {
  if (choice.verb == "reset") {
    TRY_VOID(check_reset(choice, "all four tables (events stay)"));
    return generator.delete_everything();
  }
  TRY_VOID(open_door(generator, choice, invocation));
  return generate_cdp(generator, choice.plan, stop);
}

void print_counts(const CdpCounts& counts, double seconds, bool json) {
  if (json)
    fmt::print(
        "{{\"events\":{},\"customers\":{},\"orders\":{},\"updates\":{},\"deletes\":{},\"commits\":{},"
        "\"seconds\":{:."
        "3f}}}\n",
        counts.events, counts.customers, counts.orders, counts.updates, counts.deletes, counts.commits,
        seconds);
  else
    fmt::print(stderr, "{} events sent; {} customers, {} orders, {} updates, {} deletes in {} commits\n",
               counts.events, counts.customers, counts.orders, counts.updates, counts.deletes,
               counts.commits);
}

constexpr GenerateCourse<CdpGenerator, Choice, CdpCounts> course = {
    .variable = url_variable,
    .rows = "events",
    .counted = &CdpCounts::events,
    .expected = [](const Choice& choice) { return expected_rows(choice, choice.plan, cdp_pace); },
    .work = work,
    .print = print_counts};

}  // namespace

Run add_generate_cdp(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  add_generate_options(command, *choice, choice->plan, cdp_pace, url_variable, "events", "20000; 2000");
  command.add_option("--events", choice->events,
                     "the running project's page (default: that of the project here)");
  command.add_option("--write-key", choice->write_key,
                     fmt::format("of its events source (default: {}, or the project's first)", key_variable));
  command.add_option("--transaction-rows", choice->plan.transaction_rows, "events a commit (1000)")
      ->check(CLI::Range(1, 1'000'000));
  add_generate_reset(command, *choice);
  return [choice](const Invocation& invocation) { return run_course(*choice, invocation, course); };
}

}  // namespace tidemark::cli
