#include "base/limits.h"
#include "config/loading.h"
#include "config/snapshot_options.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

constexpr const char* unsupported_kinds[] = {"files"};

bool is_slot_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::postgres_name_bytes_max &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

// `every`, `cursor`, `overlap` and `deletes`: of a source under `batch`, of a table among its options.
BatchOptions read_batch(MappingReader& mapping) {
  BatchOptions batch;
  batch.every_seconds = mapping.duration_seconds("every");
  if (batch.every_seconds == 0) mapping.error("every", "`every` is at least a second", "Write 1s or more.");
  if (mapping.has("cursor")) batch.cursor = mapping.texts("cursor");
  batch.overlap = mapping.optional_text("overlap");
  if (batch.overlap && !parse_duration_seconds(*batch.overlap) &&
      batch.overlap->find_first_not_of("0123456789") != std::string::npos)
    mapping.error("overlap", fmt::format("`{}` is neither a duration nor a number", *batch.overlap),
                  "Write 1m when the cursor is a time, 1000 when it is a number.");
  if (const YamlNode* deletes = mapping.child("deletes")) {
    MappingReader inner(mapping.reader(), *deletes, "`deletes`");
    batch.deletes_every_seconds = inner.duration_seconds("every");
    if (inner.has("compare"))
      batch.compare_rows = inner.choice<bool>("compare", {{"keys", false}, {"rows", true}}, false);
    inner.finish();
  }
  return batch;
}

TableOptions read_options(Reader reader, const YamlNode& node) {
  TableOptions options;
  MappingReader mapping(reader, node, "a table's options");
  options.where = node.where;
  options.table = mapping.required_text("table");
  options.append_only = mapping.boolean("append_only");
  options.history = mapping.boolean("history");
  options.columns = mapping.texts("columns");
  options.exclude = mapping.texts("exclude");
  options.row_filter = mapping.optional_text("where").value_or("");
  if (mapping.has("columns") && mapping.has("exclude"))
    mapping.error("exclude", "`columns` says which columns are read, so `exclude` has nothing to say",
                  "Keep one of them.");
  if (!options.row_filter.empty() && options.row_filter.find_first_not_of(" \t\r\n") == std::string::npos)
    mapping.error("where", "`where` is empty", "Leave it out: all rows are read then.");
  options.drop_columns = mapping.choice<bool>("dropped_columns", {{"keep", false}, {"drop", true}}, false);
  options.order_by = mapping.texts("order_by");
  options.key = mapping.texts("key");
  options.batch = read_batch(mapping);
  for (const std::string& column : options.key)
    if (std::find(options.exclude.begin(), options.exclude.end(), column) != options.exclude.end())
      mapping.error("exclude", fmt::format("`{}` is part of the key and cannot be left out", column));
  mapping.finish();
  return options;
}

// `tables` holds names, patterns, and mappings with a table's options.
void read_tables(MappingReader& mapping, PostgresSource& source) {
  const YamlNode* tables = mapping.required_child("tables");
  if (tables == nullptr) return;
  if (tables->kind == YamlNode::Kind::scalar) {
    source.tables = mapping.texts("tables");
    return;
  }
  for (const YamlNode& item : mapping.items("tables")) {
    std::string table;
    if (item.kind == YamlNode::Kind::mapping) {
      TableOptions options = read_options(mapping.reader(), item);
      table = options.table;
      if (!table.empty()) source.options.push_back(std::move(options));
    } else if (auto text = mapping.item_text(item, "tables")) {
      table = *text;
    }
    if (table.empty()) continue;
    if (std::find(source.tables.begin(), source.tables.end(), table) != source.tables.end())
      mapping.reader().report.error(item.where, fmt::format("`tables` names `{}` twice", table),
                                    "Keep one of them.");
    else
      source.tables.push_back(std::move(table));
  }
  if (tables->kind == YamlNode::Kind::sequence && tables->items.empty())
    mapping.error("tables", "`tables` is empty",
                  "Name at least one table, or write \"*\" for all of schema public.");
}

void check_option_tables(MappingReader& mapping, const PostgresSource& source) {
  bool patterns = std::any_of(source.tables.begin(), source.tables.end(),
                              [](const std::string& table) { return table.find('*') != std::string::npos; });
  for (size_t i = 0; i < source.options.size(); ++i) {
    const TableOptions& options = source.options[i];
    if (options.table.find('*') != std::string::npos)
      mapping.reader().report.error(options.where, "options are given for one table, not for a pattern",
                                    "Write the table's name.");
    else if (!patterns &&
             std::find(source.tables.begin(), source.tables.end(), options.table) == source.tables.end())
      mapping.reader().report.error(options.where,
                                    fmt::format("options for `{}`, which is not in `tables`{}", options.table,
                                                did_you_mean(options.table, source.tables)));
    for (size_t k = 0; k < i; ++k)
      if (source.options[k].table == options.table)
        mapping.reader().report.error(options.where,
                                      fmt::format("options for `{}` are given twice", options.table),
                                      "Put them together.");
  }
}

// Options of one mode in a source of the other would do nothing.
void check_mode(MappingReader& mapping, const PostgresSource& source) {
  if (source.mode == PostgresSource::Mode::batch) {
    for (const char* key : {"slot", "publication", "streaming", "snapshot"})
      if (mapping.has(key))
        mapping.error(key, fmt::format("`{}` belongs to `mode: cdc`", key), "Leave it out.");
    for (const auto& options : source.options) {
      if (options.history)
        mapping.reader().report.error(options.where,
                                      fmt::format("`history` of `{}` belongs to `mode: cdc`", options.table),
                                      "A batch does not see every change: leave it out.");
      if (options.drop_columns)
        mapping.reader().report.error(
            options.where, fmt::format("`dropped_columns` of `{}` belongs to `mode: cdc`", options.table),
            "A table that changes is loaded again in `mode: batch`: leave it out.");
    }
    return;
  }
  if (mapping.has("batch"))
    mapping.error("batch", "`batch` belongs to `mode: batch`", "Leave it out, or write `mode: batch`.");
  for (const auto& options : source.options) {
    const BatchOptions& batch = options.batch;
    if (batch.every_seconds || batch.cursor || batch.overlap || batch.deletes_every_seconds ||
        batch.compare_rows)
      mapping.reader().report.error(
          options.where,
          fmt::format("`every`, `cursor`, `overlap` and `deletes` of `{}` belong to `mode: batch`",
                      options.table),
          "Leave them out, or write `mode: batch`.");
  }
}

void read_postgres(Reader reader, const YamlNode& node, PostgresSource& source) {
  MappingReader mapping(reader, node, "`postgres`");
  source.url = Secret(mapping.required_text("url"));
  source.mode = mapping.choice<PostgresSource::Mode>(
      "mode", {{"cdc", PostgresSource::Mode::cdc}, {"batch", PostgresSource::Mode::batch}},
      PostgresSource::Mode::cdc);
  read_tables(mapping, source);
  source.live = mapping.texts("live");
  for (const std::string& table : source.live)
    if (table.find('*') != std::string::npos)
      mapping.error("live", fmt::format("`live` names tables, and `{}` is a pattern", table),
                    "Every query of a live table goes to Postgres: name those that are needed.");
  std::string default_name = "tidemark_" + source.name;
  source.slot = mapping.text("slot", default_name);
  // Two projects over one database differ in their slots, so they do in their publications.
  source.publication = mapping.text("publication", source.slot);
  source.streaming = mapping.boolean("streaming", true);
  for (const YamlNode& item : mapping.items("options")) {
    TableOptions options = read_options(reader, item);
    if (!options.table.empty()) source.options.push_back(std::move(options));
  }
  check_option_tables(mapping, source);
  if (const YamlNode* batch = mapping.child("batch")) {
    MappingReader inner(reader, *batch, "`batch`");
    source.batch = read_batch(inner);
    inner.finish();
  }
  // Kept by load_snapshot_options().
  if (const YamlNode* snapshot = mapping.child("snapshot")) read_snapshot(reader, *snapshot);
  check_mode(mapping, source);
  if (mapping.has("slot") && !is_slot_name(source.slot))
    mapping.error("slot", fmt::format("`{}` cannot be the name of a replication slot", source.slot),
                  "Postgres allows lower-case letters, digits and _, at most 63 of them.");
  if (source.publication.size() > limits::postgres_name_bytes_max)
    mapping.error("publication", fmt::format("the name of a publication can have {} bytes",
                                             limits::postgres_name_bytes_max));
  mapping.finish();
}

}  // namespace

void load_source(Reader reader, const std::filesystem::path& file, Project& project,
                 std::vector<WebhookSource>& webhooks) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader mapping(reader, *node, "a source");
  PostgresSource source;
  source.name = mapping.required_text("source");
  source.where = {file, mapping.where("source").line, mapping.where("source").column};
  if (!source.name.empty() && check_identifier(reader.report, source.where, "a source", source.name) &&
      !is_slot_name("tidemark_" + source.name))
    reader.report.error(
        source.where, fmt::format("`{}` cannot be the name of a source", source.name),
        "Slots and publications are named after it: use lower-case letters, digits and _, at most 54.");
  bool other_kind = false;
  for (const char* kind : unsupported_kinds)
    if (node->find(kind) != nullptr) {
      mapping.has(kind);
      other_kind = true;
      mapping.error(
          kind, fmt::format("sources of kind `{}` are not yet supported in this version", kind),
          "`postgres`, `kafka`, `events`, `webhook`, `pull` and `inserts` are; `tidemark load` reads files.");
    }
  if (const YamlNode* kafka = node->find("kafka"); kafka != nullptr && node->find("postgres") == nullptr) {
    mapping.has("kafka");
    load_kafka_source(reader, *kafka, source.name, source.where, project);
    return mapping.finish();
  }
  if (const YamlNode* events = node->find("events"); events != nullptr && node->find("postgres") == nullptr) {
    mapping.has("events");
    load_event_source(reader, *events, source.name, source.where, project);
    return mapping.finish();
  }
  if (const YamlNode* webhook = node->find("webhook");
      webhook != nullptr && node->find("postgres") == nullptr) {
    mapping.has("webhook");
    load_webhook_source(reader, *webhook, source.name, source.where, project, webhooks);
    if (const YamlNode* pull = node->find("pull")) {
      mapping.has("pull");
      load_pull_source(reader, *pull, source.name, source.where, project, webhooks, &webhooks.back());
    }
    return mapping.finish();
  }
  if (const YamlNode* pull = node->find("pull"); pull != nullptr && node->find("postgres") == nullptr) {
    mapping.has("pull");
    load_pull_source(reader, *pull, source.name, source.where, project, webhooks, nullptr);
    return mapping.finish();
  }
  if (const YamlNode* inserts = node->find("inserts");
      inserts != nullptr && node->find("postgres") == nullptr) {
    mapping.has("inserts");
    load_insert_source(reader, *inserts, source.name, source.where, project);
    return mapping.finish();
  }
  const YamlNode* postgres = other_kind ? mapping.child("postgres") : mapping.required_child("postgres");
  if (postgres != nullptr) read_postgres(reader, *postgres, source);
  source.spool = default_spool(project, source.name);
  mapping.finish();
  if (postgres != nullptr) project.sources.push_back(std::move(source));
}

}  // namespace tidemark::config
