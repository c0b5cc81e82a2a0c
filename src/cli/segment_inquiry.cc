#include "cli/segment_inquiry.h"

#include "base/clock.h"
#include "cli/api_request.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/table.h"
#include "cli/warehouse_access.h"
#include "segments/inquiry.h"
#include "segments/property_reader.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

struct Asked {
  std::string name, entity, at, file;
  bool csv = false;
  size_t limit = 1'000;
};

std::string text_of(const json::value& value) {
  if (value.is_null()) return "";
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

// A file is a sheet of rows, and so is a terminal.
void print_rows(const json::array& rows, const std::vector<std::string>& columns, bool csv) {
  if (csv) {
    std::string text = fmt::format("{}\n", fmt::join(columns, ","));
    for (const auto& row : rows) {
      std::string line;
      for (const auto& column : columns) {
        std::string field = text_of(row.as_object().at(column));
        if (field.find_first_of(",\"\r\n") != std::string::npos) {
          std::string quoted;
          for (char character : field) quoted += character == '"' ? "\"\"" : std::string(1, character);
          field = "\"" + quoted + "\"";
        }
        line += (line.empty() ? "" : ",") + field;
      }
      text += line + "\n";
    }
    print_out(text);
    return;
  }
  std::vector<Table::ColumnHead> headings;
  for (const auto& column : columns) headings.push_back({column});
  Table table(headings);
  for (const auto& row : rows) {
    Table::Row cells;
    for (const auto& column : columns) cells.push_back(text_of(row.as_object().at(column)));
    table.add(cells);
  }
  print_out(table.render(table_style()));
}

Result<ExitCode> explain(const Invocation& invocation, const Asked& asked) {
  config::Project project = TRY(invocation.load_project());
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  auto files = TRY(project_segments(client, project));
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  const auto* definition = files.find(asked.name);
  if (definition == nullptr)
    return fail(ErrorKind::config,
                fmt::format("there is no segment `{}`{}", asked.name,
                            config::did_you_mean(asked.name, files.names())),
                "`tidemark segment list` names them.");
  auto options = segments::compile_options(files, TRY(event_tables(client, project)), "UTC");
  auto answer =
      TRY(segments::explain(client, *definition, options, asked.entity, system_clock().wall_micros()));
  if (invocation.json) {
    print_out(json::serialize(answer) + "\n");
    return ExitCode::ok;
  }
  if (!answer.at("there").as_bool()) {
    print_out(fmt::format("{} has no entity {}\n", definition->entity, asked.entity));
    return ExitCode::ok;
  }
  print_out(fmt::format("{} is {}a member of {}\n", asked.entity, answer.at("member").as_bool() ? "" : "not ",
                        asked.name));
  if (!answer.at("next_change_at").is_null())
    print_out(
        fmt::format("by the clock alone that may change at {}\n", text_of(answer.at("next_change_at"))));
  print_out(fmt::format("kept current {}\n", text_of(answer.at("kept_current"))));
  Table table({{"holds"}, {"condition"}, {"value"}, {"may change at"}});
  for (const auto& leaf : answer.at("leaves").as_array()) {
    const auto& object = leaf.as_object();
    table.add({object.at("holds").as_bool() ? "yes" : "no", text_of(object.at("condition")),
               text_of(object.at("value")), text_of(object.at("next_change_at"))});
  }
  print_out(table.render(table_style()));
  return ExitCode::ok;
}

Result<std::optional<int64_t>> instant(clickhouse::Client& client, const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  auto moment = segments::parse_moment(text);
  if (!moment)
    return fail(ErrorKind::usage, fmt::format("`{}` is no moment", text),
                "write 2026-05-03 or 2026-05-03T14:30:00Z (UTC)");
  auto answer =
      TRY(client.query_text("SELECT toUnixTimestamp64Micro(toDateTime64({at:String}, 6, 'UTC')) FORMAT TSV",
                            {.parameters = {{"at", moment->text}}}));
  return std::optional<int64_t>(std::stoll(answer));
}

Result<ExitCode> rows(const Invocation& invocation, const Asked& asked, bool of_members) {
  config::Project project = TRY(invocation.load_project());
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  json::array found =
      of_members ? TRY(segments::members(client, asked.name, TRY(instant(client, asked.at)), asked.limit))
                 : TRY(segments::history(client, asked.name, asked.entity, asked.limit));
  if (invocation.json) {
    json::object shown{{"segment", asked.name}};
    shown[of_members ? "members" : "changes"] = std::move(found);
    print_out(json::serialize(shown) + "\n");
    return ExitCode::ok;
  }
  print_rows(found,
             of_members
                 ? std::vector<std::string>{"entity", "entered_at", "cause"}
                 : std::vector<std::string>{"seq", "happened_at", "entity", "change", "cause", "version"},
             asked.csv);
  return ExitCode::ok;
}

Result<ExitCode> save(const Invocation& invocation, const Asked& asked) {
  std::ifstream file(asked.file);
  if (!file) return fail(ErrorKind::usage, fmt::format("{} cannot be read", asked.file));
  std::stringstream text;
  text << file.rdbuf();
  auto answer = TRY(tell_api(TRY(invocation.project_directory()),
                             "/api/segments/" + percent_encode(asked.name), text.str()));
  print_out(invocation.json ? json::serialize(answer) + "\n"
                            : fmt::format("{}: in force, version {}, {} members\n", asked.name,
                                          text_of(answer["version"]), text_of(answer["members"])));
  return ExitCode::ok;
}

Result<ExitCode> remove(const Invocation& invocation, const Asked& asked) {
  auto answer = TRY(tell_api(TRY(invocation.project_directory()),
                             "/api/segments/" + percent_encode(asked.name) + "/delete"));
  print_out(invocation.json ? json::serialize(answer) + "\n" : asked.name + ": deleted\n");
  return ExitCode::ok;
}

}  // namespace

std::function<std::optional<Result<ExitCode>>(const Invocation&)> add_segment_inquiries(CLI::App& command) {
  auto asked = std::make_shared<Asked>();
  auto named = [&](const char* verb, const char* summary) {
    CLI::App* added = command.add_subcommand(verb, summary);
    added->add_option("segment", asked->name, "its name")->required();
    return added;
  };
  CLI::App* explaining = named("explain", "why somebody is a member or not, condition by condition");
  explaining->add_option("entity", asked->entity, "its key; of several columns a,b")->required();
  CLI::App* listing = named("members", "who is a member now, or was at an instant");
  listing->add_option("--at", asked->at, "the instant, UTC; default: now");
  CLI::App* looking = named("history", "entries and exits, the newest first");
  looking->add_option("entity", asked->entity, "of this entity only");
  for (CLI::App* one : {listing, looking}) {
    one->add_flag("--csv", asked->csv, "comma separated values");
    one->add_option("--limit", asked->limit, "rows at most")->capture_default_str();
  }
  CLI::App* saving = named("save", "put a definition into force without a file of the project");
  saving->add_option("--file", asked->file, "the definition, YAML or JSON")->required();
  CLI::App* deleting = named("delete", "delete a segment that was saved");
  return [=](const Invocation& invocation) -> std::optional<Result<ExitCode>> {
    if (explaining->parsed()) return explain(invocation, *asked);
    if (listing->parsed()) return rows(invocation, *asked, true);
    if (looking->parsed()) return rows(invocation, *asked, false);
    if (saving->parsed()) return save(invocation, *asked);
    if (deleting->parsed()) return remove(invocation, *asked);
    return std::nullopt;
  };
}

}  // namespace tidemark::cli
