// tidemark deadletter list|retry|drop: notifications that were given up, through the process that runs the
// project; and rows in quarantine: listed from the warehouse, retried by bringing their table back by parity.
#include "cli/api_request.h"
#include "cli/notification_verbs.h"
#include "cli/output.h"
#include "cli/quarantine.h"
#include "cli/table.h"
#include "cli/table_repair.h"
#include "cli/warehouse_access.h"
#include "notify/notification.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string destination;
  uint64_t seq = 0;
  uint64_t most = 100;
  bool all = false;
};

std::string text_of(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

// Rows that did not fit, as the warehouse has them; none when nothing was ever set aside.
Result<json::array> quarantined(const Invocation& invocation, uint64_t most) {
  config::Project project = TRY(invocation.load_project());
  WarehouseAccess warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  return quarantined_rows(client, most);
}

Result<ExitCode> list_quarantined(const Options& options, const Invocation& invocation) {
  json::array rows = TRY(quarantined(invocation, options.most));
  Table table({{"table"}, {"at"}, {"column"}, {"reason"}});
  for (const auto& entry : rows) {
    const auto& row = entry.as_object();
    table.add({text_of(row, "source") + "." + text_of(row, "table"),
               notify::iso_time(row.at("at_ms").to_number<int64_t>()), text_of(row, "column"),
               text_of(row, "reason")});
  }
  print_out(invocation.json ? json::serialize(json::object{{"quarantined", rows}}) + "\n"
                            : table.render(table_style()));
  return ExitCode::ok;
}

Result<ExitCode> list(const Options& options, const Invocation& invocation) {
  json::object answer = TRY(ask_api(TRY(invocation.project_directory()),
                                    fmt::format("/api/deadletters?destination={}&limit={}",
                                                percent_encode(options.destination), options.most)));
  Table table({{"destination"},
               {"seq", Align::right},
               {"type"},
               {"subject"},
               {"entity"},
               {"tries", Align::right},
               {"at"},
               {"answer"}});
  for (const auto& entry : answer.at("deadletters").as_array()) {
    const auto& letter = entry.as_object();
    std::string status = text_of(letter, "status");
    table.add({text_of(letter, "destination"), text_of(letter, "seq"), text_of(letter, "type"),
               text_of(letter, "subject"), text_of(letter, "entity"), text_of(letter, "attempts"),
               notify::iso_time(letter.at("at_ms").to_number<int64_t>()),
               (status == "0" ? "" : status + " ") + text_of(letter, "answer")});
  }
  print_out(invocation.json ? json::serialize(answer) + "\n" : table.render(table_style()));
  return ExitCode::ok;
}

Result<ExitCode> act(const char* action, const char* done, const char* said, const Options& options,
                     const Invocation& invocation) {
  if (options.all == (options.seq != 0))
    return fail(ErrorKind::usage, "which ones?", "name one by its seq, or say --all");
  std::string which = options.all ? "" : fmt::format("?seq={}", options.seq);
  json::object answer = TRY(
      tell_api(TRY(invocation.project_directory()),
               fmt::format("/api/deadletters/{}/{}{}", percent_encode(options.destination), action, which)));
  uint64_t count = answer.at(done).to_number<uint64_t>();
  if (count == 0 && !options.all)
    return fail(ErrorKind::refused, fmt::format("{} has no dead letter {}", options.destination, options.seq),
                "tidemark deadletter list");
  print_out(invocation.json
                ? json::serialize(answer) + "\n"
                : fmt::format("{}: {} {}\n", options.destination, counted(count, "notification"), said));
  return ExitCode::ok;
}

Status check_whole_table(const Options& options) {
  if (options.seq == 0) return {};
  return fail(ErrorKind::usage, "rows in quarantine are retried and dropped by the table",
              "leave the number out");
}

// What fits now comes in, and the others are set aside anew.
Result<ExitCode> retry_quarantined(const Options& options, const Invocation& invocation) {
  TRY_VOID(check_whole_table(options));
  return resync_tables(invocation, {options.destination});
}

Result<ExitCode> drop_quarantined(const Options& options, const Invocation& invocation) {
  TRY_VOID(check_whole_table(options));
  json::object answer =
      TRY(tell_api(TRY(invocation.project_directory()),
                   fmt::format("/api/tables/{}/quarantine/drop", percent_encode(options.destination))));
  print_out(invocation.json ? json::serialize(answer) + "\n"
                            : fmt::format("{}: {} dropped\n", options.destination,
                                          counted(answer.at("dropped").to_number<uint64_t>(), "row")));
  return ExitCode::ok;
}

}  // namespace

Run add_deadletter(CLI::App& command) {
  auto options = std::make_shared<Options>();
  auto quarantine = std::make_shared<bool>(false);
  command.require_subcommand(1);
  auto* listing = command.add_subcommand("list", "the newest first");
  listing->add_option("destination", options->destination, "of this one; default: all");
  listing->add_option("--limit", options->most, "so many (default 100)")->check(CLI::Range(1, 1000));
  listing->add_flag("--quarantined", *quarantine, "rows of sources that did not fit, instead");
  auto named = [&](const char* name, const char* summary) {
    auto* verb = command.add_subcommand(name, summary);
    verb->add_option("destination", options->destination, "its name; with --quarantined, of the table")
        ->required();
    verb->add_option("seq", options->seq, "the notification");
    verb->add_flag("--quarantined", *quarantine, "rows of a streamed table that did not fit, instead");
    verb->add_flag("--all", options->all, "all dead letters of the destination");
    return verb;
  };
  auto* retrying = named("retry", "send again, with the id it had");
  named("drop", "nobody wants it any more");
  return [=](const Invocation& invocation) -> Result<ExitCode> {
    if (listing->parsed())
      return *quarantine ? list_quarantined(*options, invocation) : list(*options, invocation);
    if (*quarantine && retrying->parsed()) return retry_quarantined(*options, invocation);
    if (*quarantine) return drop_quarantined(*options, invocation);
    if (retrying->parsed()) return act("retry", "retried", "sent again", *options, invocation);
    return act("drop", "dropped", "dropped", *options, invocation);
  };
}

}  // namespace tidemark::cli
