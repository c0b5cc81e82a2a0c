#include "segments/segment_files.h"

#include "profiles/profile_files.h"
#include "segments/definition_reader.h"
#include "segments/profile_entities.h"
#include "segments/segment_limits.h"
#include "segments/segment_references.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace tidemark::segments {
namespace {

using std::filesystem::path;

std::vector<path> files_of(const path& project) {
  std::vector<path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(project / "segments", failure), end;
       !failure && entry != end; entry.increment(failure)) {
    path file = path("segments") / entry->path().filename();
    std::string extension = file.extension().string();
    if ((extension == ".yaml" || extension == ".yml") && !file.filename().string().starts_with('.'))
      files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  return files;
}

void patterns_of(const std::vector<Node>& nodes, std::vector<std::pair<std::string, Location>>& patterns) {
  for (const Node& node : nodes) {
    if (auto* all = std::get_if<All>(&node.condition)) patterns_of(all->children, patterns);
    if (auto* any = std::get_if<Any>(&node.condition)) patterns_of(any->children, patterns);
    if (auto* negation = std::get_if<Not>(&node.condition)) patterns_of(negation->child, patterns);
    if (auto* event = std::get_if<EventCondition>(&node.condition)) {
      patterns_of(event->events.filter, patterns);
      if (auto* edge = std::get_if<EdgeEvent>(&event->test)) patterns_of(edge->test, patterns);
    }
    if (auto* sequence = std::get_if<Sequence>(&node.condition)) {
      patterns_of(sequence->first.filter, patterns);
      patterns_of(sequence->then.filter, patterns);
    }
    if (auto* related = std::get_if<Related>(&node.condition)) patterns_of(related->where, patterns);
    if (auto* users = std::get_if<OfUsers>(&node.condition)) patterns_of(users->where, patterns);
    if (auto* property = std::get_if<PropertyCondition>(&node.condition)) {
      if (auto* item = std::get_if<AnyItem>(&property->test)) patterns_of(item->conditions, patterns);
      if (auto* text = std::get_if<TextTest>(&property->test);
          text != nullptr && text->kind == TextTest::Kind::matches)
        patterns.emplace_back((text->ignore_case ? "(?i)" : "") + text->text, node.where);
    }
  }
}

void name_mirrors(const std::map<std::string, std::string>& mirrors, std::vector<Node>& nodes);

void name_mirror(const std::map<std::string, std::string>& mirrors, std::string& table) {
  if (auto found = mirrors.find(table); found != mirrors.end()) table = found->second;
}

void name_mirrors(const std::map<std::string, std::string>& mirrors, std::vector<Node>& nodes) {
  for (Node& node : nodes) {
    if (auto* all = std::get_if<All>(&node.condition)) name_mirrors(mirrors, all->children);
    if (auto* any = std::get_if<Any>(&node.condition)) name_mirrors(mirrors, any->children);
    if (auto* negation = std::get_if<Not>(&node.condition)) name_mirrors(mirrors, negation->child);
    if (auto* event = std::get_if<EventCondition>(&node.condition)) name_mirror(mirrors, event->events.table);
    if (auto* sequence = std::get_if<Sequence>(&node.condition)) {
      name_mirror(mirrors, sequence->first.table);
      name_mirror(mirrors, sequence->then.table);
    }
    if (auto* related = std::get_if<Related>(&node.condition)) {
      name_mirror(mirrors, related->table);
      name_mirrors(mirrors, related->where);
    }
    if (auto* users = std::get_if<OfUsers>(&node.condition)) {
      name_mirror(mirrors, users->entity);
      name_mirrors(mirrors, users->where);
    }
  }
}

// What the server says no to is a problem of the definition; that it cannot be asked is an error.
Result<std::string> refusal(Result<std::string> answer) {
  if (answer) return std::string();
  if (answer.error().kind == ErrorKind::refused || answer.error().kind == ErrorKind::limit)
    return answer.error().message;
  return tl::unexpected(std::move(answer.error()));
}

}  // namespace

void name_mirrors(const config::Project& project, Definition& definition) {
  std::map<std::string, std::string> mirrors;
  for (const auto& table : project.insert_tables)
    mirrors[table.full_name()] = "bronze." + table.mirrored_name();
  if (mirrors.empty()) return;
  name_mirror(mirrors, definition.entity);
  for (auto& events : definition.events) name_mirror(mirrors, events.table);
  std::vector<Node> nodes{std::move(definition.condition)};
  name_mirrors(mirrors, nodes);
  definition.condition = std::move(nodes.front());
}

const Definition* SegmentFiles::find(const std::string& name) const {
  for (const Definition& definition : definitions)
    if (definition.name == name) return &definition;
  return nullptr;
}

const std::string* SegmentFiles::origin(const std::string& name) const {
  auto found = stored.find(name);
  return found == stored.end() ? nullptr : &found->second;
}

void SegmentFiles::leave_out(const std::string& name, std::string reason) {
  auto found = stored.find(name);
  if (found == stored.end()) return;
  refused.push_back({name, found->second, std::move(reason)});
  stored.erase(found);
  std::erase_if(definitions, [&](const Definition& definition) { return definition.name == name; });
}

std::vector<std::string> SegmentFiles::names() const {
  std::vector<std::string> names;
  for (const Definition& definition : definitions) names.push_back(definition.name);
  return names;
}

SegmentFiles load_segments(const path& project, bool offline) {
  SegmentFiles loaded;
  config::Report report(project);
  config::Environment environment(offline);
  profiles::ProfileFiles people = profiles::load_profiles(project, true);
  for (const path& file : files_of(project)) {
    auto text = report.read(file);
    if (!text) continue;
    auto node = config::parse_yaml(report, file, *text);
    if (!node) continue;
    auto definition = read_definition({report, environment}, *node);
    if (!definition || definition->name.empty()) continue;
    know_profiles(*definition, people);
    if (const Definition* other = loaded.find(definition->name))
      report.error(definition->where,
                   fmt::format("the segment `{}` is declared already in {}", definition->name,
                               other->where.describe()),
                   "Give one of them another name.");
    else
      loaded.definitions.push_back(std::move(*definition));
  }
  if (!loaded.definitions.empty()) {
    // Its own mistakes are told by whoever asks for the project.
    config::Project sources = config::load_project(project, {.offline = true}).project;
    for (Definition& definition : loaded.definitions) name_mirrors(sources, definition);
  }
  if (loaded.definitions.size() > limits::segments_max)
    report.error({"segments"}, fmt::format("more than {} segments", limits::segments_max));
  if (report.error_count() == 0) {
    CompileOptions options = compile_options(loaded, {}, "UTC");
    std::vector<Problem> problems;
    for (const Definition& definition : loaded.definitions) expanded(definition, options, problems);
    for (Problem& problem : problems) report.error(problem.where, problem.message, problem.remedy);
  }
  loaded.errors = report.take_errors();
  return loaded;
}

CompileOptions compile_options(const SegmentFiles& files, std::vector<EventTable> events,
                               std::string time_zone) {
  CompileOptions options;
  options.events = std::move(events);
  options.time_zone = std::move(time_zone);
  options.lookup = [&files](const std::string& name) { return files.find(name); };
  options.segment_names = files.names();
  return options;
}

Result<std::vector<EventTable>> event_tables(clickhouse::Client& client) {
  Block found =
      TRY(client.query("SELECT table FROM system.columns WHERE database = 'bronze' AND name IN "
                       "('message_id', 'user_id', 'event', "
                       "'timestamp', 'properties', '_version') GROUP BY table HAVING count() = 6 AND NOT "
                       "endsWith(table, '__changes') AND NOT match(table, '__history(_of_changes)?$') "
                       "ORDER BY table"));
  std::vector<EventTable> tables;
  for (size_t row = 0; row < found.rows(); ++row)
    tables.push_back({.table = "bronze." + std::string(found.columns[0].text(row)),
                      .key = {"user_id"},
                      .name = "event",
                      .time = "timestamp",
                      .properties = "properties",
                      .id = "message_id"});
  return tables;
}

Result<std::vector<config::Diagnostic>> check_segments(clickhouse::Client& client,
                                                       const std::vector<const Definition*>& definitions,
                                                       const CompileOptions& options) {
  std::vector<config::Diagnostic> diagnostics;
  Catalog catalog(client);
  for (const Definition* definition : definitions) {
    std::vector<Problem> problems;
    std::vector<std::pair<std::string, Location>> patterns;
    patterns_of({definition->condition}, patterns);
    for (const auto& [pattern, where] : patterns) {
      clickhouse::QueryOptions query;
      query.parameters = {{"pattern", pattern}};
      std::string refused = TRY(refusal(client.query_text("SELECT match('', {pattern:String})", query)));
      if (!refused.empty())
        problems.push_back({where, fmt::format("`{}` is no pattern that RE2 knows: {}", pattern, refused),
                            "Look-around and back references are not there; the syntax is that of RE2."});
    }
    if (!definition->time_zone.empty()) {
      clickhouse::QueryOptions query;
      query.parameters = {{"zone", definition->time_zone}};
      if (!TRY(refusal(client.query_text("SELECT toDateTime(0, {zone:String})", query))).empty())
        problems.push_back({definition->where,
                            fmt::format("there is no time zone `{}`", definition->time_zone),
                            "Write one of the tz database: Europe/Berlin, Asia/Kolkata, UTC"});
    }
    if (problems.empty()) {
      CompiledSegments compiled = TRY(compile(catalog, {definition}, options, problems));
      if (problems.empty()) {
        std::string refused = TRY(refusal(client.query_text(
            "EXPLAIN PLAN " + compiled.sql, query_options(compiled, 1'700'000'000'000'000, {}))));
        if (!refused.empty())
          problems.push_back({definition->where, "ClickHouse does not take this segment: " + refused, ""});
      }
    }
    for (Problem& problem : problems)
      diagnostics.push_back({problem.where, std::move(problem.message), std::move(problem.remedy), {}});
  }
  return diagnostics;
}

}  // namespace tidemark::segments
