// tidemark segment: the segments of a project, what one means, and who would be in it.
#include "base/clock.h"
#include "cli/api_request.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/running_instance.h"
#include "cli/segment_inquiry.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "segments/canonical.h"
#include "segments/definition_reader.h"
#include "segments/preview.h"
#include "segments/profile_entities.h"
#include "segments/property_reader.h"
#include "segments/segment_files.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using segments::Definition;
using segments::SegmentFiles;

struct Asked {
  std::string name, file, as_of;
  size_t sample = 10;
};

Result<SegmentFiles> load(const config::Project& project) {
  SegmentFiles files = segments::load_segments(project.root, false);
  if (!files.errors.empty())
    return fail(ErrorKind::config,
                fmt::format("the segments have {}\n\n{}", counted(files.errors.size(), "error"),
                            config::render(files.errors)));
  return files;
}

Result<const Definition*> find(const SegmentFiles& files, const std::string& name) {
  if (const Definition* definition = files.find(name)) return definition;
  return fail(ErrorKind::config,
              fmt::format("there is no segment `{}`{}", name, config::did_you_mean(name, files.names())),
              "`tidemark segment list` names them.");
}

// What a running project has in force, also what lies in its warehouse.
Result<ExitCode> list_running(const Invocation& invocation, const json::object& answer) {
  if (invocation.json) {
    print_out(json::serialize(answer) + "\n");
    return ExitCode::ok;
  }
  Table table({{"segment"},
               {"state"},
               {"members", Align::right},
               {"entity"},
               {"version"},
               {"from"},
               {"description"}});
  std::string reasons;
  for (const auto& value : answer.at("segments").as_array()) {
    const auto& entry = value.as_object();
    auto text = [&](const char* key) {
      const auto* found = entry.if_contains(key);
      if (found == nullptr) return std::string();
      return found->is_string() ? std::string(found->as_string()) : json::serialize(*found);
    };
    table.add({text("segment"), text("state"), text("members"), text("entity"), text("version"),
               text("origin"), text("description")});
    if (!text("reason").empty()) reasons += fmt::format("  {}: {}\n", text("segment"), text("reason"));
  }
  print_out(table.render(table_style()) + reasons);
  return ExitCode::ok;
}

Result<ExitCode> list(const Invocation& invocation) {
  config::Project project = TRY(invocation.load_project());
  if (running_instance(project.root))
    return list_running(invocation, TRY(ask_api(project.root, "/api/segments")));
  SegmentFiles files = TRY(load(project));
  if (invocation.json) {
    json::array all;
    for (const Definition& definition : files.definitions)
      all.push_back(json::object{{"segment", definition.name},
                                 {"entity", definition.entity},
                                 {"version", segments::fingerprint(definition)},
                                 {"file", definition.where.file.string()},
                                 {"description", definition.description}});
    print_out(json::serialize(json::object{{"segments", std::move(all)}}) + "\n");
    return ExitCode::ok;
  }
  Table table({{"segment"}, {"entity"}, {"version"}, {"file"}, {"description"}});
  for (const Definition& definition : files.definitions)
    table.add({definition.name, definition.entity, segments::fingerprint(definition),
               definition.where.file.string(), definition.description});
  print_out(table.render(table_style()));
  return ExitCode::ok;
}

Result<ExitCode> show(const Invocation& invocation, const Asked& asked) {
  config::Project project = TRY(invocation.load_project());
  SegmentFiles files = TRY(load(project));
  const Definition* definition = TRY(find(files, asked.name));
  json::value canonical = json::parse(segments::canonical_text(*definition));
  json::object shown{{"segment", definition->name},
                     {"version", segments::fingerprint(*definition)},
                     {"file", definition->where.file.string()},
                     {"notify", json::value_from(definition->notify)},
                     {"definition", std::move(canonical)}};
  if (invocation.json) {
    print_out(json::serialize(shown) + "\n");
    return ExitCode::ok;
  }
  print_out(fmt::format("segment  {}\nversion  {}\nentity   {}\nfile     {}\nwhere    {}\n", definition->name,
                        segments::fingerprint(*definition), definition->entity, definition->where.describe(),
                        segments::canonical_text(definition->condition)));
  return ExitCode::ok;
}

// A draft: a file that need not lie in the project.
Result<Definition> read_draft(const std::string& file) {
  std::filesystem::path path(file);
  config::Report report(path.has_parent_path() ? path.parent_path() : ".");
  config::Environment environment(false);
  std::optional<Definition> definition;
  if (auto text = report.read(path.filename()))
    if (auto node = config::parse_yaml(report, path.filename(), *text))
      definition = segments::read_definition({report, environment}, *node);
  auto errors = report.take_errors();
  if (!definition || !errors.empty()) return fail(ErrorKind::config, config::render(errors));
  return std::move(*definition);
}

void print_keys(const char* title, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  std::string text = fmt::format("{}\n", title);
  for (const auto& key : keys) text += fmt::format("  {}\n", key);
  print_out(text);
}

Result<int64_t> instant(clickhouse::Client& client, const std::string& text) {
  if (text.empty())
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  auto moment = segments::parse_moment(text);
  if (!moment)
    return fail(ErrorKind::usage, fmt::format("`{}` is no moment", text),
                "Write 2026-05-03 or 2026-05-03T14:30:00Z (UTC).");
  auto answer =
      TRY(client.query_text("SELECT toUnixTimestamp64Micro(toDateTime64({at:String}, 6, 'UTC')) FORMAT TSV",
                            {.parameters = {{"at", moment->text}}}));
  return std::stoll(answer);
}

Result<ExitCode> preview(const Invocation& invocation, const Asked& asked) {
  config::Project project = TRY(invocation.load_project());
  SegmentFiles files = TRY(load(project));
  if (asked.file.empty() == asked.name.empty())
    return fail(ErrorKind::usage, "name a segment, or a file with --file",
                "tidemark segment preview high_fit");
  Definition draft;
  const Definition* present = nullptr;
  if (asked.file.empty()) {
    draft = *TRY(find(files, asked.name));
  } else {
    draft = TRY(read_draft(asked.file));
    segments::name_mirrors(project, draft);
    segments::know_profiles(draft, profiles::load_profiles(project.root, true));
    present = files.find(draft.name);
  }
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  auto options = segments::compile_options(files, TRY(event_tables(client, project)), "UTC");
  int64_t as_of = TRY(instant(client, asked.as_of));
  auto result = TRY(segments::preview(client, draft, present, options, as_of, asked.sample));
  if (invocation.json) {
    json::object shown{{"segment", draft.name},       {"version", segments::fingerprint(draft)},
                       {"as_of", moment_text(as_of)}, {"entities", result.entities},
                       {"members", result.members},   {"sample", json::value_from(result.sample)}};
    shown["next_change_at"] =
        result.next_change_us ? json::value(moment_text(*result.next_change_us)) : json::value();
    if (result.difference)
      shown["difference"] = json::object{{"enter", result.difference->enter},
                                         {"leave", result.difference->leave},
                                         {"entering", json::value_from(result.difference->entering)},
                                         {"leaving", json::value_from(result.difference->leaving)}};
    print_out(json::serialize(shown) + "\n");
    return ExitCode::ok;
  }
  print_out(fmt::format("{} as of {}: {} of {} are members\n", draft.name, moment_text(as_of), result.members,
                        result.entities));
  if (result.next_change_us)
    print_out(
        fmt::format("by the clock alone nothing changes before {}\n", moment_text(*result.next_change_us)));
  print_keys("members", result.sample);
  if (result.difference) {
    print_out(fmt::format("against the present definition {} enter and {} leave\n", result.difference->enter,
                          result.difference->leave));
    print_keys("enter", result.difference->entering);
    print_keys("leave", result.difference->leaving);
  }
  return ExitCode::ok;
}

}  // namespace

Run add_segment(CLI::App& command) {
  auto asked = std::make_shared<Asked>();
  command.require_subcommand(1);
  CLI::App* listing = command.add_subcommand("list", "the segments of the project");
  CLI::App* showing = command.add_subcommand("show", "one definition in its canonical form");
  showing->add_option("segment", asked->name, "its name")->required();
  CLI::App* previewing =
      command.add_subcommand("preview", "who would be a member, asked of the warehouse now");
  previewing->add_option("segment", asked->name, "a segment of the project");
  previewing->add_option(
      "--file", asked->file,
      "a draft instead; against the project's segment of that name: who enters, who leaves");
  previewing->add_option("--as-of", asked->as_of, "the instant to evaluate at, UTC; default: now");
  previewing->add_option("--sample", asked->sample, "keys to show of each kind, at most 100");
  auto inquire = add_segment_inquiries(command);
  return [asked, listing, showing, inquire](const Invocation& invocation) -> Result<ExitCode> {
    if (auto answered = inquire(invocation)) return std::move(*answered);
    if (listing->parsed()) return list(invocation);
    if (showing->parsed()) return show(invocation, *asked);
    return preview(invocation, *asked);
  };
}

}  // namespace tidemark::cli
