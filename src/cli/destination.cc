// tidemark destination list|test|resume|replay: where notifications go, through the process that runs the
// project.
#include "cli/api_request.h"
#include "cli/notification_verbs.h"
#include "cli/output.h"
#include "cli/table.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string name;
  uint64_t from = 0, to = UINT64_MAX;
};

std::string text_of(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

void print(const Invocation& invocation, const json::object& answer, const std::string& text) {
  print_out(invocation.json ? json::serialize(answer) + "\n" : text);
}

Result<ExitCode> list(const Invocation& invocation) {
  json::object answer = TRY(ask_api(TRY(invocation.project_directory()), "/api/destinations"));
  Table table({{"destination"},
               {"kind"},
               {"state"},
               {"pending", Align::right},
               {"dead", Align::right},
               {"delivered", Align::right},
               {"where"}});
  std::string reasons;
  for (const auto& entry : answer.at("destinations").as_array()) {
    const auto& facts = entry.as_object();
    table.add({text_of(facts, "destination"), text_of(facts, "kind"), text_of(facts, "state"),
               text_of(facts, "pending"), text_of(facts, "dead"), text_of(facts, "delivered"),
               text_of(facts, "where")});
    if (std::string reason = text_of(facts, "reason"); !reason.empty())
      reasons += fmt::format("  {}: {}\n", text_of(facts, "destination"), reason);
    if (const auto* error = facts.if_contains("last_error"))
      reasons += fmt::format("  {}, last error: {}\n", text_of(facts, "destination"),
                             text_of(error->as_object(), "message"));
  }
  print(invocation, answer, table.render(table_style()) + reasons);
  return ExitCode::ok;
}

Result<ExitCode> test(const Options& options, const Invocation& invocation) {
  json::object answer = TRY(tell_api(TRY(invocation.project_directory()),
                                     fmt::format("/api/destinations/{}/test", percent_encode(options.name))));
  std::string result = text_of(answer, "result");
  print(invocation, answer,
        fmt::format("{}: {}{}{}\n", options.name, result,
                    text_of(answer, "status") == "0" ? "" : ", status " + text_of(answer, "status"),
                    text_of(answer, "answer").empty() ? "" : ": " + text_of(answer, "answer")));
  return result == "delivered" ? ExitCode::ok : ExitCode::failed;
}

Result<ExitCode> resume(const Options& options, const Invocation& invocation) {
  json::object answer =
      TRY(tell_api(TRY(invocation.project_directory()),
                   fmt::format("/api/destinations/{}/resume", percent_encode(options.name))));
  print(invocation, answer, options.name + ": resumed, what waits is tried now\n");
  return ExitCode::ok;
}

Result<ExitCode> replay(const Options& options, const Invocation& invocation) {
  json::object answer = TRY(tell_api(TRY(invocation.project_directory()),
                                     fmt::format("/api/destinations/{}/replay?from={}&to={}",
                                                 percent_encode(options.name), options.from, options.to)));
  print(invocation, answer,
        fmt::format("{}: {} are sent again\n", options.name,
                    counted(answer.at("replayed").to_number<uint64_t>(), "notification")));
  return ExitCode::ok;
}

}  // namespace

Run add_destination(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.require_subcommand(1);
  auto* listing = command.add_subcommand("list", "all of them, with what waits and what is dead");
  auto named = [&](const char* name, const char* summary) {
    auto* verb = command.add_subcommand(name, summary);
    verb->add_option("destination", options->name, "its name")->required();
    return verb;
  };
  auto* testing = named("test", "send a notification of type tidemark.test now; exit 1 when it fails");
  auto* resuming = named("resume", "end being disabled, and try what waits now");
  auto* replaying = named("replay", "send settled notifications again, with the ids they had");
  replaying->add_option("--from", options->from, "the first seq")->required();
  replaying->add_option("--to", options->to, "the last seq; default: all behind the first");
  return [=](const Invocation& invocation) -> Result<ExitCode> {
    if (listing->parsed()) return list(invocation);
    if (testing->parsed()) return test(*options, invocation);
    if (resuming->parsed()) return resume(*options, invocation);
    return replay(*options, invocation);
  };
}

}  // namespace tidemark::cli
