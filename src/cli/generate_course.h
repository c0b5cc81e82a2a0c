// The course of `tidemark generate <pack>`, the same for all packs: the database, the generator on it, what
// was asked for with the progress shown, the counts, the exit code. A pack's verb file says what differs.
#pragma once

#include "base/clock.h"
#include "cli/generate_options.h"
#include "cli/progress.h"

#include <utility>

namespace tidemark::cli {

// Choice: GenerateOptions with `plan`, a Pace. Counts: what the generator counts.
template <class Generator, class Choice, class Counts>
struct GenerateCourse {
  const char* variable;  // of the environment, with the database's URL
  const char* rows;      // what the counted rows are called
  int64_t Counts::*counted;
  uint64_t (*expected)(const Choice&);  // 0: nobody knows
  Status (*work)(Generator&, const Choice&, const Invocation&, const std::atomic<bool>& stop);
  void (*print)(const Counts&, double seconds, bool json);
};

template <class Generator, class Choice, class Counts>
Result<ExitCode> run_course(Choice choice, const Invocation& invocation,
                            const GenerateCourse<Generator, Choice, Counts>& course) {
  TRY_VOID(read_pace(choice, choice.plan));
  std::string url = TRY(generate_url(choice, invocation, course.variable));
  const std::atomic<bool>& stop = stop_on_signals();
  Generator generator =
      TRY(Generator::open({.url = url, .application_name = "tidemark generate"}, choice.seed, stop));
  Progress progress("generating", course.rows, course.expected(choice), Progress::mode_for(invocation.json));
  generator.on_progress = [&](const Counts& counts) {
    progress.set(static_cast<uint64_t>(counts.*course.counted));
  };
  int64_t begun = system_clock().monotonic_micros();
  TRY_VOID(course.work(generator, choice, invocation, stop));
  progress.finish();
  double seconds = static_cast<double>(system_clock().monotonic_micros() - begun) / 1e6;
  if (choice.verb != "stats") course.print(generator.counts(), seconds, invocation.json);
  return generate_exit_code(choice.plan);
}

}  // namespace tidemark::cli
