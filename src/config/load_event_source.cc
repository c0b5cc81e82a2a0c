#include "config/loading.h"

#include <fmt/format.h>
#include <set>

namespace tidemark::config {
namespace {

// Keys are compared one by one with what a request brings.
constexpr size_t write_keys_max = 100;
// A key that is guessed lets anybody write.
constexpr size_t write_key_bytes_min = 8;
constexpr size_t write_key_bytes_max = 512;
// Less than this is full before the warehouse has restarted.
constexpr uint64_t spool_bytes_min = uint64_t{1} << 20;

WriteKey read_write_key(MappingReader& mapping, const std::string& of, const YamlNode& item, size_t number) {
  WriteKey key;
  std::string text;
  if (item.kind == YamlNode::Kind::mapping) {
    MappingReader inner(mapping.reader(), item, "a write key");
    key.name = inner.required_text("name");
    text = inner.required_text("key");
    inner.finish();
  } else {
    key.name = fmt::format("key{}", number);
    if (auto given = mapping.item_text(item, of)) text = *given;
  }
  if (!text.empty() && (text.size() < write_key_bytes_min || text.size() > write_key_bytes_max))
    mapping.reader().report.error(item.where,
                                  fmt::format("a write key has {} to {} characters, and this one {}",
                                              write_key_bytes_min, write_key_bytes_max, text.size()),
                                  "openssl rand -hex 16 makes one.");
  key.key = Secret(std::move(text));
  return key;
}

PostedTable read_table(Reader reader, const YamlNode& node) {
  PostedTable table;
  MappingReader mapping(reader, node, "a table");
  table.where = node.where;
  table.table = mapping.required_text("table");
  if (!table.table.empty()) check_identifier(reader.report, node.where, "a table", table.table);
  read_declared_columns(mapping, table.columns, table.key);
  mapping.finish();
  return table;
}

}  // namespace

std::filesystem::path default_spool(const Project& project, const std::string& source) {
  const auto* embedded = project.warehouse.embedded();
  return (embedded != nullptr ? embedded->data : project.root / "data") / "spool" / source;
}

void read_write_keys(MappingReader& mapping, const std::string& of, EventSource& source) {
  const YamlNode* keys = mapping.required_child(of);
  if (keys == nullptr) return;
  auto add = [&](const YamlNode& item) {
    WriteKey key = read_write_key(mapping, of, item, source.write_keys.size() + 1);
    for (const WriteKey& other : source.write_keys) {
      if (other.name == key.name)
        mapping.reader().report.error(item.where, fmt::format("two write keys are called `{}`", key.name),
                                      "Give one of them another name.");
      if (!key.key.empty() && other.key.reveal() == key.key.reveal())
        mapping.reader().report.error(
            item.where, fmt::format("the write keys `{}` and `{}` are the same", other.name, key.name),
            "Give each its own.");
    }
    source.write_keys.push_back(std::move(key));
  };
  if (keys->kind == YamlNode::Kind::sequence)
    for (const YamlNode& item : keys->items) add(item);
  else
    add(*keys);
  if (source.write_keys.empty() || source.write_keys.size() > write_keys_max)
    mapping.error(of, fmt::format("`{}` takes 1 to {} keys", of, write_keys_max),
                  fmt::format("{}: [\"${{env:APP_WRITE_KEY}}\"]", of));
}

void read_spool(MappingReader& mapping, const Project& project, EventSource& source) {
  source.spool = default_spool(project, source.name);
  if (const YamlNode* spool = mapping.child("spool")) {
    MappingReader inner(mapping.reader(), *spool, "`spool`");
    if (inner.has("path")) source.spool = (project.root / inner.text("path")).lexically_normal();
    if (auto bytes = inner.size_bytes("max")) {
      source.spool_bytes_max = static_cast<uint64_t>(*bytes);
      if (source.spool_bytes_max < spool_bytes_min)
        inner.error("max", "`max` is at least 1 MiB", "It holds what comes while the warehouse is away.");
    }
    inner.finish();
  }
}

void read_declared_columns(MappingReader& mapping, std::vector<std::pair<std::string, ColumnType>>& into,
                           std::vector<std::string>& keys) {
  const YamlNode* columns = mapping.required_child("columns");
  if (columns != nullptr && (columns->kind != YamlNode::Kind::mapping || columns->pairs.empty()))
    mapping.error("columns", "`columns` takes a mapping of names to types",
                  "columns: { id: Int64, name: Nullable(String) }");
  std::set<std::string> names;
  if (columns != nullptr)
    for (const auto& pair : columns->pairs) {
      auto type = parse_column_type(pair.value.text);
      if (!type) {
        mapping.reader().report.error(
            pair.value.where,
            fmt::format("`{}` is no type of a column: {}", pair.value.text, type.error().message),
            "A ClickHouse type, for example Int64, Decimal(12, 2), Nullable(String).");
        continue;
      }
      if (pair.key.starts_with("_"))
        mapping.reader().report.error(
            pair.key_where, fmt::format("the column `{}` begins with _, as bookkeeping columns do", pair.key),
            "Give it another name.");
      names.insert(pair.key);
      into.emplace_back(pair.key, *type);
    }
  keys = mapping.texts("key");
  for (const auto& key : keys) {
    if (!names.contains(key)) mapping.error("key", fmt::format("`{}` is not among `columns`", key));
    for (const auto& [name, type] : into)
      if (name == key && (type.nullable || type.kind == TypeKind::array))
        mapping.error("key", fmt::format("`{}` is part of the key, and its type is {}", key, type.name()),
                      "A key has no NULL and no arrays.");
  }
}

void load_event_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                       Project& project) {
  MappingReader mapping(reader, node, "`events`");
  EventSource source;
  source.name = name;
  source.where = where;
  read_write_keys(mapping, "write_keys", source);
  source.table = mapping.text("table", name + "_events");
  check_identifier(reader.report, mapping.where("table"), "a table", source.table);
  read_spool(mapping, project, source);
  std::set<std::string> names{source.table};
  for (const YamlNode& item : mapping.items("tables")) {
    PostedTable table = read_table(reader, item);
    if (!table.table.empty() && !names.insert(table.table).second)
      reader.report.error(item.where, fmt::format("the table `{}` is declared twice", table.table),
                          "Give it another name.");
    source.tables.push_back(std::move(table));
  }
  mapping.finish();
  project.event_sources.push_back(std::move(source));
}

}  // namespace tidemark::config
