#include "profiles/profile_files.h"

#include "profiles/profile_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::profiles {
namespace {

using config::MappingReader;
using config::Reader;
using config::YamlNode;
using std::filesystem::path;

bool is_identifier(std::string_view name) {
  auto letter = [](char character) {
    return character == '_' || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z');
  };
  return !name.empty() && name.size() <= 64 && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char character) {
           return letter(character) || (character >= '0' && character <= '9');
         });
}

std::string lower(std::string text) {
  for (char& character : text)
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  return text;
}

// Kinds everybody has; a file that names them without more gets these.
std::vector<IdKind> usual_kinds() {
  return {
      {.name = "user_id", .from = {"user_id"}, .limit = 1},
      {.name = "email", .from = {"traits.email", "context.traits.email"}, .limit = 5, .ignore_case = true},
      {.name = "phone", .from = {"traits.phone", "context.traits.phone"}, .limit = 5},
      {.name = "anonymous_id", .from = {"anonymous_id", "previous_id"}, .limit = 5},
      {.name = "device_id", .from = {"context.device.id"}, .limit = 5}};
}

bool readable(const std::string& from) {
  static const std::set<std::string> columns{"user_id", "anonymous_id", "group_id", "previous_id"};
  if (columns.contains(from) || from == "context.externalIds") return true;
  size_t dot = from.find('.');
  static const std::set<std::string> documents{"traits", "properties", "context"};
  return dot != std::string::npos && dot + 1 < from.size() && documents.contains(from.substr(0, dot)) &&
         from.find("..") == std::string::npos && from.back() != '.';
}

void read_kinds(MappingReader& mapping, Definition& definition) {
  std::vector<IdKind> usual = usual_kinds();
  auto known = [&](const std::string& name) {
    return std::find_if(usual.begin(), usual.end(), [&](const auto& kind) { return kind.name == name; });
  };
  for (const YamlNode& item : mapping.items("ids")) {
    IdKind kind;
    if (item.kind != YamlNode::Kind::mapping) {
      auto name = mapping.item_text(item, "ids");
      if (!name) continue;
      auto found = known(*name);
      if (found == usual.end()) {
        mapping.reader().report.error(
            item.where, fmt::format("`{}` is no id that is known by its name", *name),
            "Say where it comes from: { name: " + *name + ", from: traits." + *name + " }");
        continue;
      }
      kind = *found;
    } else {
      MappingReader inner(mapping.reader(), item, "an id");
      kind.name = inner.required_text("name");
      auto found = known(kind.name);
      if (found != usual.end()) kind = *found;
      if (inner.has("from")) kind.from = inner.texts("from");
      kind.limit = static_cast<uint32_t>(
          inner.integer("limit", 1, limits::ids_of_a_kind_max).value_or(static_cast<int64_t>(kind.limit)));
      kind.ignore_case = inner.boolean("ignore_case", kind.ignore_case);
      if (!kind.name.empty() && !is_identifier(kind.name))
        inner.error("name", fmt::format("`{}` is no name of an id", kind.name), "Letters, digits and _.");
      for (const auto& from : kind.from)
        if (!readable(from))
          inner.error("from", fmt::format("`{}` is no place in an event", from),
                      "user_id, anonymous_id, group_id, previous_id, context.externalIds, or a path that "
                      "begins with traits., properties. or context.");
      inner.finish();
    }
    for (const auto& other : definition.kinds)
      if (other.name == kind.name)
        mapping.reader().report.error(item.where, fmt::format("the id `{}` is declared twice", kind.name));
    for (const char* taken : {"profile_id", "traits", "first_seen", "last_seen", "events"})
      if (kind.name == taken)
        mapping.reader().report.error(item.where, fmt::format("`{}` is a column of profiles already", taken),
                                      "Give the id another name.");
    if (!kind.name.empty()) definition.kinds.push_back(std::move(kind));
  }
  if (!mapping.has("ids")) definition.kinds = std::move(usual);
  if (definition.kinds.size() > limits::kinds_max)
    mapping.error("ids", fmt::format("more than {} kinds of ids", limits::kinds_max));
}

IdTable read_table(Reader reader, const YamlNode& node, const Definition& definition) {
  MappingReader mapping(reader, node, "a table");
  IdTable table;
  table.where = node.where;
  table.table = mapping.required_text("table");
  if (table.table.starts_with("bronze.")) table.table = table.table.substr(7);
  if (!table.table.empty() && !is_identifier(table.table))
    mapping.error("table", fmt::format("`{}` is no mirrored table", table.table),
                  "The name it has in database bronze.");
  std::vector<std::pair<std::string, std::string>> ids;
  if (const YamlNode* child = mapping.required_child("ids")) {
    MappingReader inner(reader, *child, "`ids`");
    for (const auto& kind : definition.kinds)
      if (inner.has(kind.name)) table.ids.emplace_back(kind.name, inner.text(kind.name));
    inner.finish();
    if (table.ids.empty())
      reader.report.error(child->where, "a table that has no id of a person says nothing about people",
                          "ids: { user_id: id, email: email }");
  }
  table.columns = mapping.texts("columns");
  for (const auto& column : table.columns)
    for (const char* taken : {"profile_id", "row_key", "identity"})
      if (column == taken)
        mapping.error("columns", fmt::format("`{}` is a column of rows by person already", taken),
                      "Leave it out, or read it from a view under another name.");
  mapping.finish();
  return table;
}

}  // namespace

const IdKind* Definition::kind(const std::string& name) const {
  for (const auto& one : kinds)
    if (one.name == name) return &one;
  return nullptr;
}

const Definition* ProfileFiles::find(const std::string& name) const {
  for (const auto& definition : definitions)
    if (definition.name() == name) return &definition;
  return nullptr;
}

std::optional<Definition> read_profiles(Reader reader, const YamlNode& node) {
  MappingReader mapping(reader, node, "profiles");
  Definition definition;
  definition.where = node.where;
  std::string name = mapping.required_text("profiles");
  size_t dot = name.find('.');
  if (!name.empty()) {
    definition.database = name.substr(0, dot);
    definition.table = dot == std::string::npos ? "" : name.substr(dot + 1);
    if (!is_identifier(definition.database) || !is_identifier(definition.table))
      mapping.error("profiles", fmt::format("`{}` is no name of a table", name), "profiles: cdp.profiles");
    for (const char* taken : {"bronze", "tidemark", "live", "system"})
      if (definition.database == taken)
        mapping.error("profiles", fmt::format("the database {} is not for models", taken),
                      "profiles: cdp.profiles");
  }
  definition.sources = mapping.texts("events");
  read_kinds(mapping, definition);
  for (auto& value : mapping.texts("blocked")) definition.blocked.push_back(lower(std::move(value)));
  for (const YamlNode& item : mapping.items("tables")) {
    IdTable table = read_table(reader, item, definition);
    for (const auto& other : definition.tables)
      if (other.table == table.table)
        reader.report.error(item.where, fmt::format("the table `{}` is declared twice", table.table));
    definition.tables.push_back(std::move(table));
  }
  mapping.finish();
  return name.empty() ? std::nullopt : std::optional(std::move(definition));
}

ProfileFiles load_profiles(const path& project, bool offline) {
  ProfileFiles loaded;
  config::Report report(project);
  config::Environment environment(offline);
  std::vector<path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(project / "profiles", failure), end;
       !failure && entry != end; entry.increment(failure)) {
    path file = path("profiles") / entry->path().filename();
    std::string extension = file.extension().string();
    if ((extension == ".yaml" || extension == ".yml") && !file.filename().string().starts_with('.'))
      files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  for (const path& file : files) {
    auto text = report.read(file);
    if (!text) continue;
    auto node = config::parse_yaml(report, file, *text);
    if (!node) continue;
    auto definition = read_profiles({report, environment}, *node);
    if (!definition) continue;
    for (const auto& other : loaded.definitions)
      if (other.slug() == definition->slug())
        report.error(definition->where,
                     fmt::format("profiles `{}` are declared already in {}", definition->name(),
                                 other.where.describe()),
                     "Give one of them another name.");
    loaded.definitions.push_back(std::move(*definition));
  }
  if (loaded.definitions.size() > limits::definitions_max)
    report.error({"profiles"}, fmt::format("more than {} kinds of profiles", limits::definitions_max));
  loaded.errors = report.take_errors();
  return loaded;
}

}  // namespace tidemark::profiles
