// tidemark up: runs the project until told to stop.
#include "base/log.h"
#include "cli/capture_role.h"
#include "cli/live_erasures.h"
#include "cli/running_project.h"
#include "cli/signals.h"
#include "cli/verb.h"
#include "experiments/experiment_files.h"
#include "profiles/profile_files.h"
#include "segments/segment_files.h"

#include <CLI/CLI.hpp>
#include <csignal>

namespace tidemark::cli {

using std::chrono::milliseconds;

namespace {

using Running = std::unique_ptr<RunningProject>;

// A start that waits for a source ends when a signal comes: SIGHUP begins it anew, with the project as its
// files are now. Null: it was told to stop.
Result<Running> or_stopped(Result<Running> started, const Invocation& invocation, const RunOptions& options) {
  while (!started && started.error().kind == ErrorKind::cancelled) {
    int signal = Signals::wait(milliseconds(0));
    if (signal == 0) break;
    if (signal != SIGHUP) return Running();
    log::info("the project is read again");
    started = RunningProject::start(TRY(invocation.load_project()), options);
  }
  return started;
}

// SIGHUP: the project's files are read again. A project with mistakes changes nothing; when only models
// changed they are deployed under way (models that are gone stay until `tidemark apply --yes`); else it is
// started in the place of the old, from the same fence, so that nothing is lost in between. When the new one
// does not start, the old one does.
Status reload(const Invocation& invocation, RunOptions options, Running& running) {
  auto project = invocation.load_project();
  if (!project) {
    log::error("not reloaded, the project as it was goes on: {}", project.error().describe());
    return {};
  }
  if (auto mistakes = segments::load_segments(project->root, false).errors; !mistakes.empty()) {
    log::error("not reloaded, the project as it was goes on:\n{}", config::render(mistakes));
    return {};
  }
  if (auto mistakes = profiles::load_profiles(project->root, false).errors; !mistakes.empty()) {
    log::error("not reloaded, the project as it was goes on:\n{}", config::render(mistakes));
    return {};
  }
  if (auto redactions = redactions_of(*project); redactions && !redactions->errors.empty()) {
    log::error("not reloaded, the project as it was goes on:\n{}", config::render(redactions->errors));
    return {};
  }
  if (auto mistakes = experiments::load_experiments(project->root, false).errors; !mistakes.empty()) {
    log::error("not reloaded, the project as it was goes on:\n{}", config::render(mistakes));
    return {};
  }
  if (running->only_models_changed()) {
    auto begun = running->deploy({.leave_dropped = true});
    if (begun)
      log::info("only models changed: they are deployed while everything goes on");
    else
      log::error("not reloaded: {}", begun.error().describe());
    return {};
  }
  config::Project before = running->project();
  log::info("reloading: the cut being applied is finished first");
  running->stop();
  running.reset();
  // One that reads a Postgres that does not answer is rather a mistake than worth the wait.
  options.wait_for_sources = false;
  auto started = RunningProject::start(std::move(*project), options);
  if (!started) {
    log::error("the changed project does not start, the one before is started again: {}",
               started.error().describe());
    options.wait_for_sources = true;
    started = RunningProject::start(std::move(before), options);
  }
  running = TRY(or_stopped(std::move(started), invocation, options));
  if (running) log::info("reloaded; page: {}", running->url());
  return {};
}

}  // namespace

Run add_up(CLI::App& command) {
  auto recopy = std::make_shared<bool>(false);
  auto once = std::make_shared<bool>(false);
  command.add_flag(
      "--once", *once,
      "run every batch source once and every stream up to where its source is now, bring models up "
      "to date, then end");
  command.add_flag("--recopy", *recopy,
                   "copy every source again, under a new epoch, and make everything anew that is made of it");
  auto role = std::make_shared<std::string>("all");
  command
      .add_option(
          "--role", *role,
          "all: everything in this process; capture: Postgres sources to Kafka; sink: the same as all, for "
          "projects whose sources are Kafka topics")
      ->check(CLI::IsMember({"all", "capture", "sink"}));
  return [recopy, once, role](const Invocation& invocation) -> Result<ExitCode> {
    Signals::block();
    if (*role == "capture") {
      if (*once) return fail(ErrorKind::usage, "--once is not for the capture role, which has no end");
      auto done = run_capture(TRY(invocation.load_project()), *recopy);
      if (!done && done.error().kind == ErrorKind::cancelled && Signals::wait(milliseconds(0)) != 0)
        return ExitCode::ok;
      TRY_VOID(std::move(done));
      return ExitCode::ok;
    }
    RunOptions options{.recopy = *recopy, .wait_for_sources = !*once, .program = invocation.program};
    auto running =
        TRY(or_stopped(RunningProject::start(TRY(invocation.load_project()), options), invocation, options));
    if (!running) {
      log::info("stopped before it had begun");
      return ExitCode::ok;
    }
    options.recopy = false;
    log::info("page: {}", running->url());
    if (*once) {
      int signal = 0;
      Status done =
          running->catch_up([&] { return signal != 0 || (signal = Signals::wait(milliseconds(0))) != 0; });
      running->stop();
      if (!done && signal == 0) return fail(std::move(done.error()));
      log::info("{}", signal == 0 ? "all is in; stopped" : "stopped before all was in");
      return signal == 0 ? ExitCode::ok : signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
    }
    while (true) {
      int signal = Signals::wait(std::chrono::milliseconds(200));
      if (signal == SIGHUP)
        TRY_VOID(reload(invocation, options, running));
      else if (signal != 0)
        break;
      if (!running) {
        log::info("stopped");
        return ExitCode::ok;
      }
      running->tidy();
      if (auto error = running->gave_up()) {
        running->stop();
        return fail(std::move(*error));
      }
    }
    log::info("stopping: the cut being applied is finished first");
    running->stop();
    log::info("stopped");
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
