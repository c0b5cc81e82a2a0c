#include "config/loading.h"

#include <fmt/format.h>
#include <regex>
#include <set>

namespace tidemark::config {
namespace {

const std::vector<std::pair<std::string, KafkaFormat>> formats = {
    {"debezium", KafkaFormat::debezium}, {"flat", KafkaFormat::flat},     {"outbox", KafkaFormat::outbox},
    {"json", KafkaFormat::json},         {"ndjson", KafkaFormat::ndjson}, {"lines", KafkaFormat::lines}};

const std::set<std::string> form_words = {"base64", "hex", "decimal_bytes", "days",    "s",       "ms",
                                          "us",     "ns",  "time_ms",       "time_us", "time_ns", "json"};

// A slot costs a thread, a client and a connection of the process that works on it; and it is what a process
// can be given, so there are more than one will ever run.
constexpr int64_t slots_max = 64;
// Settings that would undo what exactly-once rests on.
const std::set<std::string> own_settings_of_sources = {"bootstrap.servers",       "group.id",
                                                       "enable.auto.commit",      "auto.offset.reset",
                                                       "isolation.level",         "enable.partition.eof",
                                                       "enable.auto.offset.store"};

// Names as they are; `pattern` as an expression that must match the whole name.
std::vector<std::string> read_topics(MappingReader& mapping) {
  std::vector<std::string> topics = mapping.texts("topics");
  if (!mapping.has("pattern")) return topics;
  std::string pattern = mapping.text("pattern");
  try {
    std::regex checked(pattern, std::regex::extended);
    topics.push_back("^" + pattern + "$");
  } catch (const std::regex_error& error) {
    mapping.error("pattern", fmt::format("`{}` is no regular expression: {}", pattern, error.what()),
                  "POSIX extended syntax: \"shop\\.public\\..*\".");
  }
  return topics;
}

void read_columns(Reader reader, const YamlNode& node, KafkaTable& table) {
  if (node.kind != YamlNode::Kind::mapping) {
    reader.report.error(node.where,
                        fmt::format("`columns` is {}; it takes a mapping of names to types", node.describe()),
                        "columns: { id: Int64, name: Nullable(String) }");
    return;
  }
  for (const auto& pair : node.pairs) {
    auto type = parse_column_type(pair.value.text);
    if (!type)
      reader.report.error(
          pair.value.where,
          fmt::format("`{}` is no type of a column: {}", pair.value.text, type.error().message),
          "A ClickHouse type, for example Int64, Decimal(12, 2), Nullable(String).");
    else
      table.columns.emplace_back(pair.key, *type);
  }
}

void read_forms(Reader reader, const YamlNode& node, KafkaTable& table) {
  for (const auto& pair : node.pairs) {
    if (!form_words.contains(pair.value.text)) {
      std::vector<std::string> words(form_words.begin(), form_words.end());
      reader.report.error(
          pair.value.where,
          fmt::format("`{}` is no form of values{}", pair.value.text, did_you_mean(pair.value.text, words)),
          "docs/KAFKA.md lists them.");
    }
    table.forms[pair.key] = pair.value.text;
  }
}

KafkaTable read_table(Reader reader, const YamlNode& node, KafkaFormat format) {
  KafkaTable table;
  MappingReader mapping(reader, node, "a table");
  table.where = node.where;
  table.table = mapping.required_text("table");
  if (!table.table.empty()) check_identifier(reader.report, node.where, "a table", table.table);
  table.topics = read_topics(mapping);
  table.key = mapping.texts("key");
  table.append_only = mapping.boolean("append_only");
  if (const YamlNode* columns = mapping.child("columns")) read_columns(reader, *columns, table);
  if (const YamlNode* forms = mapping.child("forms")) read_forms(reader, *forms, table);
  bool fixed = format == KafkaFormat::outbox || format == KafkaFormat::lines;
  if (fixed && (!table.columns.empty() || !table.key.empty()))
    mapping.error(table.columns.empty() ? "key" : "columns", "this format has columns and a key of its own",
                  "Leave it out.");
  if (table.append_only && !table.key.empty())
    mapping.error("key", "a table that is append_only has no key", "Keep one of the two.");
  // Only the messages know their key otherwise, and nobody has seen one: it would be a log, and count an
  // update twice.
  bool of_changes = format == KafkaFormat::debezium || format == KafkaFormat::flat;
  if (of_changes && !table.columns.empty() && table.key.empty() && !table.append_only)
    mapping.error("columns", "a table of changes whose columns are declared needs its key, too",
                  "key: [id], as the primary key in the database; or append_only: true, when rows are only "
                  "ever added.");
  std::set<std::string> names;
  for (const auto& [name, type] : table.columns) {
    names.insert(name);
    if (name.starts_with("_"))
      mapping.error("columns", fmt::format("the column `{}` begins with _, as bookkeeping columns do", name),
                    "Give it another name.");
  }
  for (const auto& key : table.key)
    for (const auto& [name, type] : table.columns)
      if (name == key && (type.nullable || type.kind == TypeKind::array))
        mapping.error("key", fmt::format("`{}` is part of the key, and its type is {}", key, type.name()),
                      "A key has no NULL and no arrays.");
  if (!table.columns.empty()) {
    for (const auto& key : table.key)
      if (!names.contains(key)) mapping.error("key", fmt::format("`{}` is not among `columns`", key));
    for (const auto& [name, form] : table.forms)
      if (!names.contains(name)) mapping.error("forms", fmt::format("`{}` is not among `columns`", name));
  }
  mapping.finish();
  return table;
}

}  // namespace

void load_kafka_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                       Project& project) {
  MappingReader mapping(reader, node, "`kafka`");
  KafkaSource source;
  source.name = name;
  source.where = where;
  source.brokers = mapping.required_text("brokers");
  source.format = mapping.choice<KafkaFormat>("format", formats, KafkaFormat::debezium);
  source.topics = read_topics(mapping);
  source.group = mapping.text("group", "tidemark_" + name);
  source.slots = static_cast<uint32_t>(mapping.integer("slots", 1, slots_max).value_or(1));
  source.from_latest = mapping.choice<bool>("start", {{"earliest", false}, {"latest", true}}, false);
  source.accept_gaps = mapping.choice<bool>("gaps", {{"refuse", false}, {"accept", true}}, false);
  source.ignore_unknown_fields =
      mapping.choice<bool>("unknown_fields", {{"refuse", false}, {"ignore", true}}, false);
  source.placeholder = mapping.text("placeholder", source.placeholder);
  if (const YamlNode* settings = mapping.child("settings"))
    for (const auto& pair : settings->pairs) {
      if (own_settings_of_sources.contains(pair.key))
        reader.report.error(pair.key_where, fmt::format("`{}` is not for a project to set", pair.key),
                            "Leave it out.");
      else if (auto text = mapping.item_text(pair.value, pair.key))
        source.settings[pair.key] = Secret(*text);
    }
  std::set<std::string> names;
  for (const YamlNode& item : mapping.items("tables")) {
    KafkaTable table = read_table(reader, item, source.format);
    if (!names.insert(table.table).second)
      reader.report.error(item.where, fmt::format("the table `{}` is declared twice", table.table),
                          "Put them together.");
    for (const auto& topic : table.topics)
      if (std::find(source.topics.begin(), source.topics.end(), topic) == source.topics.end())
        source.topics.push_back(topic);
    source.tables.push_back(std::move(table));
  }
  if (source.topics.empty() && reader.report.error_count() == 0)
    reader.report.error(node.where, "no topics are named",
                        "topics: [shop.public.orders], or pattern: \"shop\\.public\\..*\"");
  mapping.finish();
  project.kafka_sources.push_back(std::move(source));
}

}  // namespace tidemark::config
