#include "segments/stored_definitions.h"

#include "clickhouse/schema.h"
#include "segments/canonical.h"
#include "segments/definition_reader.h"
#include "segments/profile_entities.h"
#include "segments/segment_limits.h"
#include "segments/segment_references.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::segments {
namespace {

using config::Report;
using config::YamlNode;

constexpr const char* table_name = "tidemark.segment_definitions";
// What reads a definition wants a name; that of a row is given afterwards.
constexpr const char* no_name = "criteria";

bool is_word(std::string_view text, bool may_be_empty) {
  if (text.size() > 64 || (text.empty() && !may_be_empty)) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char character) {
    return (std::isalnum(character) != 0 && character < 128) || character == '_' || character == '-';
  });
}

config::Environment nothing_to_fill_in() {
  return config::Environment(false, [](const std::string&) { return std::nullopt; });
}

YamlNode text_node(const std::string& text, const Location& where) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.text = text;
  node.quoted = true;
  node.where = where;
  return node;
}

// JSON when it looks like it, else YAML; `${` is filled in for nobody who writes to a database.
std::optional<YamlNode> parse(Report& report, const std::string& name, const std::string& text) {
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && (text[first] == '{' || text[first] == '[')) {
    // A flow mapping of YAML begins like that, too.
    Report as_json(report.root());
    if (auto node = parse_json(as_json, text)) return node;
    if (text.find('"') != std::string::npos) {
      for (auto& error : as_json.take_errors()) report.error(error.where, error.message, error.remedy);
      return std::nullopt;
    }
  }
  if (text.size() > limits::definition_bytes_max) {
    report.error({name}, fmt::format("a definition of {} bytes; at most {}", text.size(),
                                     limits::definition_bytes_max));
    return std::nullopt;
  }
  if (text.find("${") != std::string::npos) {
    report.error({name}, "`${` is not filled in here", "Write the value itself.");
    return std::nullopt;
  }
  report.add_text(name, text);
  return config::parse_yaml(report, name, text);
}

void put(YamlNode& mapping, const std::string& key, YamlNode value) {
  Location where = value.where;
  mapping.pairs.push_back({key, where, std::move(value)});
}

}  // namespace

std::string criteria_name(const CriteriaRow& row) {
  return row.tenant.empty() ? row.segment : row.tenant + "." + row.segment;
}

std::optional<Definition> read_criteria(Report& report, const config::CriteriaTable& table,
                                        const CriteriaRow& row) {
  std::string name = criteria_name(row);
  Location where{name};
  if (!is_word(row.tenant, true) || !is_word(row.segment, false)) {
    report.error(where,
                 fmt::format("`{}` of tenant `{}` cannot be the name of a segment", row.segment, row.tenant),
                 "Both are letters, digits, _ and -, at most 64.");
    return std::nullopt;
  }
  size_t errors = report.error_count();
  YamlNode whole;
  whole.kind = YamlNode::Kind::mapping;
  whole.where = where;
  std::vector<YamlNode> conditions;
  if (!row.filters.empty() && row.filters != "[]") {
    auto filters = parse_json(report, row.filters);
    if (!filters) return std::nullopt;
    conditions.push_back(std::move(*filters));
  }
  bool notifies = false;
  if (!row.definition.empty()) {
    auto node = parse(report, name, row.definition);
    if (!node) return std::nullopt;
    bool is_whole = node->kind == YamlNode::Kind::mapping && node->find("where") != nullptr;
    if (!is_whole) {
      conditions.push_back(std::move(*node));
    } else {
      for (auto& pair : node->pairs) {
        notifies |= pair.key == "notify";
        if (pair.key == "where")
          conditions.push_back(std::move(pair.value));
        else if (pair.key == "segment" || pair.key == "entity")
          report.error(pair.key_where, fmt::format("`{}` is said by the row and its source", pair.key),
                       "Leave it out.");
        else
          whole.pairs.push_back(std::move(pair));
      }
    }
  }
  if (conditions.empty()) {
    report.error(where, "the row has neither `filters` nor `definition`",
                 R"(filters: [["company_size", ">=", "50", "number"]])");
    return std::nullopt;
  }
  YamlNode condition = std::move(conditions.front());
  if (conditions.size() > 1) {
    YamlNode both;
    both.kind = YamlNode::Kind::sequence;
    both.where = where;
    both.items = {std::move(condition), std::move(conditions.back())};
    condition = std::move(both);
  }
  put(whole, "segment", text_node(no_name, where));
  put(whole, "entity", text_node(table.entity, where));
  put(whole, "where", std::move(condition));
  auto environment = nothing_to_fill_in();
  auto definition = read_definition({report, environment}, whole);
  if (!definition || report.error_count() != errors) return std::nullopt;
  definition->name = name;
  definition->where = where;
  if (!notifies) definition->notify = table.notify;
  if (table.tells_initial) definition->options.initial = Options::Initial::all;
  Node tenant{PropertyCondition{{"tenant_id"}, IsOneOf{{{Literal::Kind::text, row.tenant}}}}, where};
  definition->condition = simplified(Node{All{{std::move(tenant), std::move(definition->condition)}}, where});
  return definition;
}

std::optional<Definition> read_saved(Report& report, const std::string& name, const std::string& text) {
  size_t errors = report.error_count();
  auto node = parse(report, name, text);
  if (!node) return std::nullopt;
  // The address names it; so may the text.
  if (node->kind == YamlNode::Kind::mapping && node->find("segment") == nullptr)
    put(*node, "segment", text_node(name, node->where));
  auto environment = nothing_to_fill_in();
  auto definition = read_definition({report, environment}, *node);
  if (!definition && report.error_count() == errors)
    report.error({"#"}, "a definition is an object", R"({"entity": "bronze.people", "where": {...}})");
  if (!definition || report.error_count() != errors) return std::nullopt;
  if (definition->name != name) {
    report.error(definition->where,
                 fmt::format("the definition is called `{}` and is saved as `{}`", definition->name, name),
                 "Leave `segment` out.");
    return std::nullopt;
  }
  return definition;
}

Status SavedDefinitions::write(const std::string& name, const std::string& text, bool removed) {
  TRY_VOID(client_.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (segment String, definition String, removed UInt8, version UInt64 "
      "DEFAULT "
      "toUInt64(toUnixTimestamp64Nano(now64(9))), saved_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = "
      "ReplacingMergeTree(version) ORDER BY segment SETTINGS {}",
      table_name, clickhouse::merge_tree_settings(true))));
  clickhouse::QueryOptions options;
  options.parameters = {{"segment", name}, {"definition", text}, {"removed", removed ? "1" : "0"}};
  return client_.execute(
      fmt::format("INSERT INTO {} (segment, definition, removed) SELECT {{segment:String}}, "
                  "{{definition:String}}, {{removed:UInt8}}",
                  table_name),
      options);
}

Status SavedDefinitions::save(const std::string& name, const std::string& text) {
  return write(name, text, false);
}

Status SavedDefinitions::remove(const std::string& name) {
  return write(name, "", true);
}

Result<std::vector<SavedDefinitions::Saved>> SavedDefinitions::all() {
  std::vector<Saved> saved;
  if (!TRY(clickhouse::table_exists(client_, "tidemark", "segment_definitions"))) return saved;
  Block rows = TRY(client_.query(fmt::format(
      "SELECT segment, definition FROM {} FINAL WHERE removed = 0 ORDER BY segment", table_name)));
  for (size_t row = 0; row < rows.rows(); ++row)
    saved.push_back({std::string(rows.columns[0].text(row)), std::string(rows.columns[1].text(row))});
  return saved;
}

namespace {

void refuse(SegmentFiles& files, const std::string& segment, const std::string& origin, Report& report) {
  std::string reason;
  for (const auto& error : report.take_errors())
    reason += (reason.empty() ? "" : "; ") + error.where.describe() + ": " + error.message;
  files.refused.push_back({segment, origin, std::move(reason)});
}

void add(SegmentFiles& files, const config::Project& project, std::optional<Definition> definition,
         const std::string& name, const std::string& origin, Report& report) {
  if (definition && files.find(name) != nullptr) {
    const std::string* other = files.origin(name);
    report.error({name}, fmt::format("the segment is declared already{}{}", other != nullptr ? " in " : "",
                                     other != nullptr ? *other : ""));
    definition.reset();
  }
  if (definition && files.definitions.size() >= limits::segments_max) {
    report.error({name}, fmt::format("more than {} segments", limits::segments_max));
    definition.reset();
  }
  if (!definition) return refuse(files, name, origin, report);
  name_mirrors(project, *definition);
  know_profiles(*definition, profiles::load_profiles(project.root, true));
  files.definitions.push_back(std::move(*definition));
  files.stored[name] = origin;
}

// Those whose `member` conditions lead nowhere or in circles, until the rest is sound.
void leave_out_unsound(SegmentFiles& files) {
  for (bool again = true; again;) {
    again = false;
    CompileOptions options = compile_options(files, {}, "UTC");
    std::vector<std::pair<std::string, std::string>> bad;
    for (const auto& definition : files.definitions) {
      if (!files.stored.contains(definition.name)) continue;
      std::vector<Problem> problems;
      expanded(definition, options, problems);
      if (!problems.empty()) bad.emplace_back(definition.name, problems.front().message);
    }
    for (auto& [name, reason] : bad) {
      files.leave_out(name, std::move(reason));
      again = true;
    }
  }
}

}  // namespace

Status add_stored(clickhouse::Client& client, const config::Project& project, SegmentFiles& files) {
  for (const auto& saved : TRY(SavedDefinitions(client).all())) {
    Report report(project.root);
    auto definition = read_saved(report, saved.name, saved.text);
    add(files, project, std::move(definition), saved.name, "api", report);
  }
  for (const auto& table : project.criteria_tables) {
    std::string mirror = table.table;
    std::replace(mirror.begin(), mirror.end(), '.', '_');
    if (!TRY(clickhouse::table_exists(client, "bronze", mirror + "__current"))) continue;
    Block rows = TRY(client.query(fmt::format(
        "SELECT tenant_id, segment_id, filters, definition FROM {} ORDER BY tenant_id, segment_id LIMIT {}",
        clickhouse::quote_table("bronze", mirror + "__current"), 2 * limits::segments_max)));
    for (size_t row = 0; row < rows.rows(); ++row) {
      auto text = [&](size_t column) { return std::string(rows.columns[column].text(row)); };
      CriteriaRow criteria{text(0), text(1), text(2), text(3)};
      Report report(project.root);
      auto definition = read_criteria(report, table, criteria);
      add(files, project, std::move(definition), criteria_name(criteria), table.table, report);
    }
  }
  leave_out_unsound(files);
  return {};
}

Status leave_out_unfit(clickhouse::Client& client, SegmentFiles& files, const CompileOptions& options,
                       std::set<std::string>& fit) {
  std::vector<std::pair<std::string, std::string>> bad;
  for (const auto& definition : files.definitions) {
    if (!files.stored.contains(definition.name)) continue;
    std::string version = fingerprint(definition);
    if (fit.contains(version)) continue;
    auto diagnostics = TRY(check_segments(client, {&definition}, options));
    if (diagnostics.empty())
      fit.insert(version);
    else
      bad.emplace_back(definition.name, diagnostics.front().message);
  }
  for (auto& [name, reason] : bad) files.leave_out(name, std::move(reason));
  // Who was a member of one of these is sound no more.
  if (!bad.empty()) leave_out_unsound(files);
  return {};
}

}  // namespace tidemark::segments
