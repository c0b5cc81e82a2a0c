// tidemark alerts: what is watched and how it stands, through the process that runs the project.
#include "cli/api_request.h"
#include "cli/notification_verbs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "notify/notification.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

std::string value_at(const json::object& object) {
  const auto* value = object.if_contains("value");
  if (value == nullptr || value->is_null()) return "";
  bool percent = object.contains("percent") && object.at("percent").as_bool();
  return fmt::format("{:.6g}{}", value->to_number<double>(), percent ? " %" : "");
}

std::string time_at(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  int64_t milliseconds = value == nullptr || value->is_null() ? 0 : value->to_number<int64_t>();
  return milliseconds == 0 ? "" : notify::iso_time(milliseconds);
}

Result<ExitCode> list(const Invocation& invocation) {
  json::object answer = TRY(ask_api(TRY(invocation.project_directory()), "/api/alerts"));
  if (invocation.json) {
    print_out(json::serialize(answer) + "\n");
    return ExitCode::ok;
  }
  Table table(
      {{"alert"}, {"severity"}, {"state"}, {"since"}, {"value", Align::right}, {"fires when"}, {"notifies"}});
  std::string notes;
  for (const auto& entry : answer.at("alerts").as_array()) {
    const auto& one = entry.as_object();
    std::string notified;
    for (const auto& name : one.at("notify").as_array())
      notified += (notified.empty() ? "" : ", ") + std::string(name.as_string());
    table.add({text_at(one, "alert"), text_at(one, "severity"), text_at(one, "state"),
               time_at(one, "since_ms"), value_at(one), text_at(one, "condition"), notified});
    for (const char* key : {"error", "waits"})
      if (std::string text = text_at(one, key); !text.empty())
        notes += fmt::format("  {}: {}\n", text_at(one, "alert"), text);
  }
  print_out(table.render(table_style()) + notes);
  return ExitCode::ok;
}

Result<ExitCode> history(const std::string& name, const Invocation& invocation) {
  json::object answer = TRY(ask_api(TRY(invocation.project_directory()),
                                    fmt::format("/api/alerts/{}/history", percent_encode(name))));
  if (invocation.json) {
    print_out(json::serialize(answer) + "\n");
    return ExitCode::ok;
  }
  Table table({{"at"}, {"state"}, {"value", Align::right}, {"told"}, {"seq", Align::right}});
  for (const auto& entry : answer.at("changes").as_array()) {
    const auto& one = entry.as_object();
    bool told = one.at("seq").to_number<uint64_t>() > 0 && !text_at(one, "type").empty();
    table.add({time_at(one, "at_ms"), text_at(one, "state"), value_at(one), text_at(one, "type"),
               told ? text_at(one, "seq") : ""});
  }
  print_out(table.render(table_style()));
  return ExitCode::ok;
}

}  // namespace

Run add_alerts(CLI::App& command) {
  auto name = std::make_shared<std::string>();
  command.require_subcommand(1);
  auto* listing = command.add_subcommand("list", "all of them, with state and value");
  auto* past = command.add_subcommand("history", "what became of one: when it fired, what was told");
  past->add_option("alert", *name, "its name")->required();
  return [=](const Invocation& invocation) -> Result<ExitCode> {
    if (listing->parsed()) return list(invocation);
    return history(*name, invocation);
  };
}

}  // namespace tidemark::cli
