#include "cli/generate_options.h"

#include "config/yaml_reader.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;

std::atomic<bool> stop_requested{false};
std::atomic<int> stop_signal{0};

void on_signal(int signal) {
  stop_signal = signal;
  stop_requested = true;
}

Result<int64_t> seconds_of(const std::string& option, const std::string& text) {
  if (text.empty()) return 0;
  std::optional<int64_t> seconds = config::parse_duration_seconds(text);
  if (!seconds || *seconds <= 0)
    return fail(ErrorKind::usage, fmt::format("{} {}: not a duration", option, text),
                "write for example 30s, 5m or 2h");
  return *seconds;
}

Result<std::optional<int64_t>> moment_of(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  std::tm parts = {};
  const char* rest = strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parts);
  if (rest == nullptr || *rest != '\0')
    return fail(ErrorKind::usage, fmt::format("--until {}: not a UTC time", text),
                "write \"2026-01-31 12:00:00\"");
  return std::optional<int64_t>(static_cast<int64_t>(timegm(&parts)) * second_micros);
}

}  // namespace

void add_generate_options(CLI::App& pack, GenerateOptions& options, Pace& pace, const PaceDefaults& defaults,
                          const std::string& variable, const std::string& rows,
                          const std::string& rows_note) {
  pack.fallthrough();
  pack.require_subcommand(0, 1);
  pack.add_option("--url", options.url,
                  "Postgres to write to; default: the project's first source, " + variable);
  pack.add_option("--seed", options.seed, "the same seed on an empty database gives the same rows (1)");
  pack.add_option("--rows", options.rows, fmt::format("{}; with --every in each round ({})", rows, rows_note))
      ->check(CLI::NonNegativeNumber);
  pack.add_option("--rate", pace.rate, rows + " a second; 0: as fast as possible (0)")
      ->check(CLI::NonNegativeNumber);
  pack.add_option("--every", options.every, "a round each 1s, 5m, ...: runs until Ctrl-C or --duration");
  pack.add_option("--duration", options.duration, "ends a continuous run");
  pack.add_option("--updates", pace.updates,
                  fmt::format("changed rows, as a share of new ones ({})", defaults.updates))
      ->check(CLI::Range(0.0, 10.0));
  pack.add_option("--deletes", pace.deletes, fmt::format("deleted rows, likewise ({})", defaults.deletes))
      ->check(CLI::Range(0.0, 10.0));
  pack.add_option("--days", pace.days, "days of history that a run without --rate and --every fills (30)")
      ->check(CLI::Range(1, 3650));
  pack.add_option("--until", options.until,
                  "end of that history, UTC, instead of now: \"2026-01-31 12:00:00\"");
}

CLI::App* add_generate_verb(CLI::App& pack, GenerateOptions& options, const char* name, const char* summary) {
  CLI::App* verb = pack.add_subcommand(name, summary);
  verb->fallthrough();
  verb->callback([&options, name] { options.verb = name; });
  return verb;
}

void add_generate_reset(CLI::App& pack, GenerateOptions& options) {
  CLI::App* reset = add_generate_verb(pack, options, "reset", "deletes all rows");
  reset->add_flag("--yes", options.yes, "really");
}

void add_generate_housekeeping(CLI::App& pack, GenerateOptions& options) {
  add_generate_verb(pack, options, "stats", "how many rows there are");
  add_generate_reset(pack, options);
}

uint64_t expected_rows(const GenerateOptions& options, const Pace& pace, const PaceDefaults& defaults) {
  if (!options.verb.empty() || pace.continuous()) return 0;
  return static_cast<uint64_t>(pace.rows.value_or(defaults.history_rows));
}

Status check_reset(const GenerateOptions& options, const std::string& tables) {
  if (options.yes) return {};
  return fail(ErrorKind::usage, fmt::format("reset deletes all rows of {}", tables), "add --yes");
}

Status read_pace(const GenerateOptions& options, Pace& pace) {
  pace.every_seconds = TRY(seconds_of("--every", options.every));
  pace.duration_seconds = TRY(seconds_of("--duration", options.duration));
  pace.until_micros = TRY(moment_of(options.until));
  if (options.rows >= 0) pace.rows = options.rows;
  return {};
}

Result<std::string> generate_url(const GenerateOptions& options, const Invocation& invocation,
                                 const char* variable) {
  if (!options.url.empty()) return options.url;
  if (Result<std::filesystem::path> directory = invocation.project_directory(); directory) {
    config::Project project = TRY(invocation.load_project());
    if (!project.sources.empty()) return project.sources.front().url.reveal();
  }
  if (const char* url = std::getenv(variable); url != nullptr && *url != '\0') return std::string(url);
  return fail(ErrorKind::usage, "no database to write to",
              fmt::format("give --url postgresql://..., set {}, or run inside a project", variable));
}

const std::atomic<bool>& stop_on_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second Ctrl-C ends the process
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return stop_requested;
}

ExitCode generate_exit_code(const Pace& pace) {
  if (!stop_requested || pace.continuous()) return ExitCode::ok;
  return stop_signal == SIGTERM ? ExitCode::terminated : ExitCode::interrupted;
}

}  // namespace tidemark::cli
