#include "base/limits.h"
#include "base/log.h"
#include "cli/output.h"
#include "cli/verb.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

namespace tidemark::cli {
namespace {

// --help begins with the example: most people need no more than that line.
class HelpFormatter : public CLI::Formatter {
 public:
  void remember(const CLI::App* app, std::string example) { examples_[app] = std::move(example); }

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string text = Formatter::make_help(app, std::move(name), mode);
    auto example = examples_.find(app);
    if (mode != CLI::AppFormatMode::Normal || example == examples_.end()) return text;
    return "Example:\n  " + example->second + "\n\n" + text;
  }

 private:
  std::map<const CLI::App*, std::string> examples_;
};

struct Common {
  Invocation invocation;
  std::string log_level = "info";
  std::string log_format = "text";
};

void add_common_options(CLI::App& app, Common& common) {
  app.add_option("-p,--project", common.invocation.project,
                 "the project's directory (default: the nearest one upwards with a tidemark.yaml)")
      ->type_name("DIR");
  app.add_flag("--json", common.invocation.json, "data as JSON, errors as JSON, no progress");
  app.add_option("--log-level", common.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->type_name("LEVEL");
  app.add_option("--log-format", common.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT");
}

void configure_log(const Common& common) {
  log::Options options;
  options.json = common.log_format == "json";
  options.level = common.log_level == "debug"   ? log::Level::debug
                  : common.log_level == "warn"  ? log::Level::warn
                  : common.log_level == "error" ? log::Level::error
                                                : log::Level::info;
  log::configure(options);
}

// Every word the command line could have meant where `word` stands: subcommands and options of the chosen
// verb.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* subcommand : app.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(subcommand->get_name());
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  return words;
}

const CLI::App* chosen(const CLI::App& app) {
  const CLI::App* current = &app;
  while (true) {
    auto below = current->get_subcommands();
    if (below.empty()) return current;
    current = below.front();
  }
}

Error usage_error(const CLI::App& app, const CLI::ParseError& problem,
                  const std::vector<std::string>& arguments) {
  const CLI::App* verb = chosen(app);
  std::string help = verb == &app ? "tidemark --help" : fmt::format("tidemark {} --help", verb->get_name());
  std::vector<std::string> words = known_words(*verb);
  std::vector<std::string> rest = app.remaining(true);
  if (rest.empty() && verb == &app && !arguments.empty()) rest = arguments;
  int code = problem.get_exit_code();
  // an option is the likelier mistake: what follows it would have been its value
  std::stable_partition(rest.begin(), rest.end(),
                        [](const std::string& word) { return word.starts_with('-'); });
  if (code == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
      code == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    for (const std::string& word : rest) {
      std::string plain = word.substr(0, word.find('='));
      if (std::find(words.begin(), words.end(), plain) != words.end()) continue;
      const char* what = plain.starts_with('-') ? "option" : verb == &app ? "verb" : "argument";
      return Error(ErrorKind::usage,
                   fmt::format("unknown {} `{}`{}", what, plain, config::did_you_mean(plain, words)),
                   fmt::format("See `{}`.", help));
    }
  }
  if (verb == &app && arguments.empty())
    return Error(ErrorKind::usage, "a verb is missing",
                 "See `tidemark --help`; to try it out: tidemark demo");
  return Error(ErrorKind::usage, problem.what(), fmt::format("See `{}`.", help));
}

std::filesystem::path own_path(const char* argument) {
  std::error_code failure;
  auto path = std::filesystem::read_symlink("/proc/self/exe", failure);
  return failure ? std::filesystem::absolute(argument, failure) : path;
}

}  // namespace

int run_program(int argc, char** argv, const std::vector<Verb>& verbs) {
  // A reader that goes away (`tidemark sql ... | head`) is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Tidemark: a Postgres database as a live analytics warehouse, every number provably right",
               "tidemark");
  auto formatter = std::make_shared<HelpFormatter>();
  app.formatter(formatter);
  formatter->remember(&app, "tidemark new adtech my-project");
  formatter->column_width(34);
  app.require_subcommand(1);
  app.get_formatter()->label("SUBCOMMAND", "VERB");
  app.footer(
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 plan has changes, 4 verify failed, 69 a dependency is down,\n"
      "78 bad config. `tidemark VERB --help` shows a verb's options, after an example.");
  Common common;
  common.invocation.program = own_path(argv[0]);
  std::vector<std::pair<CLI::App*, Run>> runs;
  for (const Verb& verb : verbs) {
    CLI::App* command = app.add_subcommand(verb.name, verb.summary);
    formatter->remember(command, verb.example);
    command->group("Verbs");
    command->footer(
        "Exit codes: 0 ok, 1 failed, 2 usage, 3 plan has changes, 4 verify failed, 69 a dependency is down,\n"
        "78 bad config.");
    Run run = verb.add(*command);
    add_common_options(*command, common);
    // options every verb has may also stand after a subcommand: `tidemark generate adtech stats --json`
    for (CLI::App* below : command->get_subcommands([](const CLI::App*) { return true; }))
      below->fallthrough();
    runs.emplace_back(command, std::move(run));
  }
  bool json_asked = false;
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  for (const std::string& argument : arguments) json_asked |= argument == "--json";
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print_out(app.help());
    return static_cast<int>(ExitCode::ok);
  } catch (const CLI::CallForAllHelp&) {
    print_out(app.help("", CLI::AppFormatMode::All));
    return static_cast<int>(ExitCode::ok);
  } catch (const CLI::ParseError& problem) {
    print_error(usage_error(app, problem, arguments), json_asked);
    return static_cast<int>(ExitCode::usage);
  }
  configure_log(common);
  for (auto& [command, run] : runs) {
    if (!command->parsed()) continue;
    Result<ExitCode> outcome = run(common.invocation);
    if (outcome) return static_cast<int>(*outcome);
    print_error(outcome.error(), common.invocation.json);
    return static_cast<int>(exit_code(outcome.error().kind));
  }
  return static_cast<int>(ExitCode::usage);
}

Result<std::filesystem::path> Invocation::project_directory() const {
  std::error_code failure;
  if (!project.empty()) {
    auto given = std::filesystem::absolute(project, failure).lexically_normal();
    if (!given.has_filename()) given = given.parent_path();
    return given;
  }
  auto start = std::filesystem::current_path(failure);
  for (auto directory = start;; directory = directory.parent_path()) {
    if (std::filesystem::exists(directory / "tidemark.yaml", failure)) return directory;
    if (directory == directory.parent_path()) break;
  }
  return fail(ErrorKind::config,
              fmt::format("there is no project in {} or above: tidemark.yaml is missing", start.string()),
              "Make one with `tidemark new adtech my-project`, or name one with --project DIR.");
}

Result<config::Project> Invocation::load_project() const {
  config::LoadedProject loaded = config::load_project(TRY(project_directory()));
  if (!json)
    for (const config::Diagnostic& warning : loaded.warnings) print_err("warning: " + warning.render());
  if (loaded.ok()) return std::move(loaded.project);
  return fail(ErrorKind::config, fmt::format("the project has {}\n\n{}",
                                             counted(loaded.errors.size(), "error"), render(loaded.errors)));
}

}  // namespace tidemark::cli
