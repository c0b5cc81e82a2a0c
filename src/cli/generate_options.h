// What `tidemark generate <pack>` has in common for all packs: the database to write to, the pace, the end by
// Ctrl-C. A pack's verb file declares its own options and sub-verbs and calls these.
#pragma once

#include "base/error.h"
#include "base/exit_code.h"
#include "cli/generator_pace.h"
#include "cli/verb.h"

#include <atomic>
#include <cstdint>
#include <string>

namespace tidemark::cli {

// As given on the command line.
struct GenerateOptions {
  std::string url;
  uint64_t seed = 1;
  int64_t rows = -1;
  std::string every, duration, until;
  std::string verb;  // empty: traffic
  bool yes = false;  // reset
};

// `rows` is what the pack calls its rows, `rows_note` the defaults.
void add_generate_options(CLI::App& pack, GenerateOptions& options, Pace& pace, const PaceDefaults& defaults,
                          const std::string& variable, const std::string& rows, const std::string& rows_note);
CLI::App* add_generate_verb(CLI::App& pack, GenerateOptions& options, const char* name, const char* summary);
void add_generate_reset(CLI::App& pack, GenerateOptions& options);
// stats, reset
void add_generate_housekeeping(CLI::App& pack, GenerateOptions& options);

// Texts to values. Errors: usage.
Status read_pace(const GenerateOptions& options, Pace& pace);
// --url, the project's first source, or the environment variable. Errors: usage, when there is none.
Result<std::string> generate_url(const GenerateOptions& options, const Invocation& invocation,
                                 const char* variable);

// How many rows a run of traffic writes; 0 when nobody knows, or another verb is asked for.
uint64_t expected_rows(const GenerateOptions& options, const Pace& pace, const PaceDefaults& defaults);
// Errors: usage, when --yes is missing. `tables`: "all five tables".
Status check_reset(const GenerateOptions& options, const std::string& tables);

// Ctrl-C and SIGTERM set it; the second Ctrl-C ends the process.
const std::atomic<bool>& stop_on_signals();
// Ctrl-C is how a continuous run ends; a run with an end that is cut short says so.
ExitCode generate_exit_code(const Pace& pace);

// One per pack.
Run add_generate_adtech(CLI::App& command);
Run add_generate_finance(CLI::App& command);
Run add_generate_experiments(CLI::App& command);
Run add_generate_cdp(CLI::App& command);
Run add_generate_commerce(CLI::App& command);

}  // namespace tidemark::cli
