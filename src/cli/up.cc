// tidemark up: runs the project until told to stop.
#include "base/log.h"
#include "cli/running_project.h"
#include "cli/verb.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_up(CLI::App& command) {
  auto recopy = std::make_shared<bool>(false);
  command.add_flag(
      "--recopy", *recopy,
      "copy every source again, under a new epoch: after a lost slot, a failover or a changed table");
  return [recopy](const Invocation& invocation) -> Result<ExitCode> {
    Signals::block();
    config::Project project = TRY(invocation.load_project());
    auto running =
        TRY(RunningProject::start(std::move(project), {.recopy = *recopy, .program = invocation.program}));
    log::info("page: {}", running->url());
    while (true) {
      if (int signal = Signals::wait(std::chrono::milliseconds(200)); signal != 0) break;
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
