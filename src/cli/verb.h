// A verb of the program: one file src/cli/<verb>.cc with one function, one line in main.cc.
//
//   // status.cc
//   #include <CLI/CLI.hpp>
//   Run add_status(CLI::App& command) {
//     auto watch = std::make_shared<bool>(false);
//     command.add_flag("--watch", *watch, "print again after every cut");
//     return [watch](const Invocation& invocation) -> Result<ExitCode> {
//       config::Project project = TRY(invocation.load_project());
//       ...
//       return ExitCode::ok;
//     };
//   }
//   // main.cc
//   {"status", "what runs, how far behind, since when", "tidemark status --json", add_status},
//
// add_<verb> declares options and positionals on `command` and returns what to do when the verb was chosen.
// Options that every verb has (--project, --json, --log-level, --log-format) are declared by run_program and
// arrive in the Invocation. An error that comes back is printed there too, once, and decides the exit status
// (base/exit_code.h). Verbs print data to stdout and everything else to stderr.
#pragma once

#include "base/error.h"
#include "base/exit_code.h"
#include "config/project.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tidemark::cli {

struct Invocation {
  std::string project;            // --project; empty: the nearest directory upwards with a tidemark.yaml
  bool json = false;              // --json: data as JSON on stdout, errors as JSON on stderr, no progress
  std::filesystem::path program;  // of this process, absolute: tidemark-clickhouse lies beside it

  // The project's directory. Errors: config, when there is none.
  Result<std::filesystem::path> project_directory() const;
  // Loads the project, prints its warnings, and fails with all of its errors. Errors: config.
  Result<config::Project> load_project() const;
};

using Run = std::function<Result<ExitCode>(const Invocation&)>;

struct Verb {
  const char* name;     // two words for a verb below another: not supported, use subcommands of `command`
  const char* summary;  // one line, no full stop
  const char* example;  // first line of --help
  Run (*add)(CLI::App& command);
};

// Reads the command line, runs the verb, prints its error, returns the exit status of the process.
int run_program(int argc, char** argv, const std::vector<Verb>& verbs);

// One per file of this folder; main.cc lists them.
Run add_new(CLI::App& command);
Run add_check(CLI::App& command);
Run add_plan(CLI::App& command);
Run add_apply(CLI::App& command);
Run add_backfill(CLI::App& command);
Run add_rollback(CLI::App& command);
Run add_generate(CLI::App& command);
Run add_sql(CLI::App& command);
Run add_stats(CLI::App& command);
Run add_up(CLI::App& command);
Run add_demo(CLI::App& command);
Run add_status(CLI::App& command);
Run add_verify(CLI::App& command);
Run add_resync(CLI::App& command);
Run add_audit(CLI::App& command);
Run add_explain(CLI::App& command);
Run add_refresh(CLI::App& command);
Run add_segment(CLI::App& command);
Run add_experiment(CLI::App& command);
Run add_doctor(CLI::App& command);
Run add_version(CLI::App& command);

}  // namespace tidemark::cli
