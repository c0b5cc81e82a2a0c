#include "config/loading.h"
#include "config/model_file.h"

#include <fmt/format.h>
#include <set>

namespace tidemark::config {
namespace {

ColumnType type_of(const char* text) {
  return *parse_column_type(text);
}

// The tables of a customer data platform as everybody writes them.
void fill_in_known(InsertTable& table) {
  const char* version_now = "toUnixTimestamp64Micro(now64(6))";
  if (table.table == "entities") {
    table.columns = {{"tenant_id", type_of("String")},  {"entity_id", type_of("String")},
                     {"properties", type_of("String")}, {"event_time", type_of("DateTime64(3, 'UTC')")},
                     {"version", type_of("UInt64")},    {"is_deleted", type_of("UInt8")}};
    table.key = {"tenant_id", "entity_id"};
    table.defaults = {{"event_time", "now64(3)"}, {"version", version_now}};
  } else if (table.table == "criteria") {
    table.columns = {{"tenant_id", type_of("String")}, {"segment_id", type_of("String")},
                     {"filters", type_of("String")},   {"definition", type_of("String")},
                     {"version", type_of("UInt64")},   {"is_deleted", type_of("UInt8")}};
    table.key = {"tenant_id", "segment_id"};
    table.defaults = {{"version", version_now}};
  }
  table.version = "version";
  table.deleted = "is_deleted";
}

const ColumnType* column(const InsertTable& table, const std::string& name) {
  for (const auto& [known, type] : table.columns)
    if (known == name) return &type;
  return nullptr;
}

bool orders(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::datetime64:
      return !type.nullable;
    default:
      return false;
  }
}

void read_defaults(MappingReader& mapping, InsertTable& table) {
  const YamlNode* defaults = mapping.child("defaults");
  if (defaults == nullptr) return;
  if (defaults->kind != YamlNode::Kind::mapping) {
    mapping.error("defaults", "`defaults` takes a mapping of columns to expressions",
                  "defaults: { at: now() }");
    return;
  }
  for (const auto& pair : defaults->pairs) {
    if (column(table, pair.key) == nullptr)
      mapping.reader().report.error(pair.key_where, fmt::format("`{}` is not among `columns`", pair.key));
    table.defaults[pair.key] = pair.value.text;
  }
}

void check_roles(MappingReader& mapping, const InsertTable& table) {
  if (!table.version.empty()) {
    const ColumnType* type = column(table, table.version);
    if (type == nullptr)
      mapping.error("version", fmt::format("`{}` is not among `columns`", table.version));
    else if (!orders(*type))
      mapping.error("version",
                    fmt::format("`{}` orders rows, and its type is {}", table.version, type->name()),
                    "UInt8 to UInt64, Date, DateTime or DateTime64, without NULL.");
    if (table.key.empty())
      mapping.error("version", "`version` without `key`", "Rows without a key take the place of no other.");
  }
  if (!table.deleted.empty()) {
    const ColumnType* type = column(table, table.deleted);
    if (type == nullptr || type->kind != TypeKind::uint8 || type->nullable)
      mapping.error("deleted", fmt::format("`{}` is no column of type UInt8", table.deleted));
    if (table.version.empty())
      mapping.error("deleted", "`deleted` without `version`",
                    "Which of two rows is the newer one? Name the column that says it.");
  }
}

InsertTable read_table(Reader reader, const YamlNode& node, const std::string& source,
                       const std::string& database) {
  InsertTable table;
  MappingReader mapping(reader, node, "a table");
  table.source = source;
  table.where = node.where;
  table.database = mapping.text("database", database);
  if (check_identifier(reader.report, node.where, "a database", table.database))
    for (const char* taken : {"bronze", "tidemark", own_models_database, "system"})
      if (table.database == taken)
        reader.report.error(node.where, fmt::format("the database `{}` is not for writing to", taken),
                            "Name another one: database: cdp");
  table.table = mapping.required_text("table");
  if (!table.table.empty()) check_identifier(reader.report, node.where, "a table", table.table);
  fill_in_known(table);
  bool known = !table.columns.empty();
  if (!known || mapping.has("columns")) {
    table.columns.clear();
    table.key.clear();
    table.defaults.clear();
    table.version.clear();
    table.deleted.clear();
    read_declared_columns(mapping, table.columns, table.key);
    table.version = mapping.text("version");
    table.deleted = mapping.text("deleted");
  }
  read_defaults(mapping, table);
  check_roles(mapping, table);
  mapping.finish();
  return table;
}

CriteriaTable read_criteria(MappingReader& mapping, const YamlNode& node, const std::string& source,
                            const std::vector<InsertTable>& tables) {
  CriteriaTable criteria;
  MappingReader inner(mapping.reader(), node, "`segments`");
  criteria.source = source;
  criteria.where = node.where;
  auto full = [&](const std::string& name) {
    for (const auto& table : tables)
      if (table.table == name || table.full_name() == name) return table.full_name();
    return name;
  };
  criteria.table = full(inner.text("from", "criteria"));
  const InsertTable* declared = nullptr;
  for (const auto& table : tables)
    if (table.full_name() == criteria.table) declared = &table;
  if (declared == nullptr) {
    inner.error(
        "from", fmt::format("`{}` is not among `tables`", criteria.table),
        "Segments come from a table with tenant_id, segment_id, filters and definition: - table: criteria");
  } else {
    for (const char* name : {"tenant_id", "segment_id", "filters", "definition"}) {
      const ColumnType* type = column(*declared, name);
      if (type == nullptr || type->kind != TypeKind::string || type->nullable)
        inner.error("from", fmt::format("{} has no column `{}` of type String", criteria.table, name),
                    "Leave `columns` out to get the table that is known by this name.");
    }
    if (declared->key != std::vector<std::string>{"tenant_id", "segment_id"})
      inner.error("from", fmt::format("{} has another key than [tenant_id, segment_id]", criteria.table));
  }
  criteria.entity = full(inner.text("entity", "entities"));
  if (criteria.entity.find('.') == std::string::npos)
    inner.error("entity", fmt::format("`{}` is no table of this source and has no database", criteria.entity),
                "entity: cdp.entities");
  criteria.notify = inner.texts("notify");
  criteria.tells_initial = inner.choice<bool>("initial", {{"none", false}, {"all", true}}, false);
  inner.finish();
  return criteria;
}

}  // namespace

void load_insert_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                        Project& project) {
  MappingReader mapping(reader, node, "`inserts`");
  std::string database = mapping.text("database", name);
  std::vector<InsertTable> tables;
  for (const YamlNode& item : mapping.items("tables")) {
    YamlNode plain;  // `tables: [entities, criteria]`
    if (item.kind == YamlNode::Kind::scalar) {
      plain.kind = YamlNode::Kind::mapping;
      plain.where = item.where;
      plain.pairs.push_back({"table", item.where, item});
    }
    InsertTable table =
        read_table(reader, item.kind == YamlNode::Kind::scalar ? plain : item, name, database);
    for (const auto& other : tables)
      if (other.full_name() == table.full_name())
        reader.report.error(item.where, fmt::format("the table `{}` is declared twice", table.full_name()),
                            "Keep one of them.");
    tables.push_back(std::move(table));
  }
  if (tables.empty())
    reader.report.error(where, "`inserts` names no table to write to",
                        "inserts: { tables: [entities, criteria] }");
  if (const YamlNode* segments = mapping.child("segments"))
    project.criteria_tables.push_back(read_criteria(mapping, *segments, name, tables));
  mapping.finish();
  for (auto& table : tables) project.insert_tables.push_back(std::move(table));
}

}  // namespace tidemark::config
