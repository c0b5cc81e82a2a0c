#include "postgres/catalog.h"

#include "postgres/catalog_types.h"
#include "postgres/tables_by_oid.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

constexpr int server_version_min = 140'000;

struct Candidate {
  uint32_t oid;
  std::string schema;
  std::string name;
  char kind;
  bool partition;
  bool logged;  // else its changes are not in the log
};

// '*' any run of characters, '?' any one; everything else is itself.
bool matches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  for (size_t index = 0; index <= right.size(); ++index) row[index] = index;
  for (size_t i = 1; i <= left.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (left[i - 1] == right[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[right.size()];
}

// A pattern's two halves. A dot inside double quotes belongs to a name: shop."order.items".
std::pair<std::string, std::string> split_pattern(std::string_view pattern) {
  std::string halves[2];
  int half = 0;
  bool quoted = false;
  for (char character : pattern) {
    if (character == '"') {
      quoted = !quoted;
    } else if (character == '.' && !quoted && half == 0) {
      half = 1;
    } else {
      halves[half] += character;
    }
  }
  if (half == 0) return {"public", halves[0]};
  return {halves[0], halves[1]};
}

std::string display_name(const std::string& schema, const std::string& name) {
  return schema == "public" ? name : schema + "." + name;
}

const char* kind_name(char kind) {
  switch (kind) {
    case 'v':
      return "a view";
    case 'm':
      return "a materialized view";
    case 'f':
      return "a foreign table";
    case 'S':
      return "a sequence";
    default:
      return "not a table";
  }
}

Result<std::vector<Candidate>> read_candidates(Connection& connection) {
  Rows rows = TRY(connection.query(
      "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.relpersistence FROM "
      "pg_catalog.pg_class c "
      "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','v','m','f') AND "
      "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' AND "
      "n.nspname NOT LIKE 'pg\\_temp\\_%' ORDER BY n.nspname, c.relname"));
  std::vector<Candidate> candidates;
  for (size_t row = 0; row < rows.size(); ++row)
    candidates.push_back({static_cast<uint32_t>(rows.integer(row, 0)), std::string(rows.at(row, 1)),
                          std::string(rows.at(row, 2)), rows.at(row, 3).at(0), rows.boolean(row, 4),
                          rows.at(row, 5) == "p"});
  return candidates;
}

tl::unexpected<Error> no_match(const std::string& pattern, const std::vector<Candidate>& candidates) {
  auto [schema, name] = split_pattern(pattern);
  const Candidate* nearest = nullptr;
  size_t least = 0;
  for (const auto& candidate : candidates) {
    if (candidate.kind != 'r' && candidate.kind != 'p') continue;
    size_t distance = edit_distance(name, candidate.name) + (schema == candidate.schema ? 0 : 1);
    if (nearest == nullptr || distance < least) {
      nearest = &candidate;
      least = distance;
    }
  }
  std::string remedy = nearest == nullptr
                           ? "this database has no tables; check the database in the url"
                           : fmt::format("did you mean {}?", display_name(nearest->schema, nearest->name));
  return fail(ErrorKind::config, fmt::format("no table matches \"{}\"", pattern), remedy);
}

std::string oid_array(const std::vector<uint32_t>& oids) {
  return fmt::format("'{{{}}}'::pg_catalog.oid[]", fmt::join(oids, ","));
}

Result<TypeEntries> read_types(Connection& connection, const std::string& oids) {
  Rows rows = TRY(connection.query(fmt::format(
      "WITH RECURSIVE wanted(oid) AS ("
      "SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = ANY({}) AND attnum > 0 AND NOT "
      "attisdropped "
      "UNION SELECT next.oid FROM wanted w JOIN pg_catalog.pg_type t ON t.oid = w.oid "
      "LEFT JOIN pg_catalog.pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid) "
      "CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem), (r.rngsubtype)) next(oid) WHERE next.oid <> "
      "0) "
      "SELECT t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, "
      "CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.oid NOT IN (22, 30) THEN t.typelem ELSE 0 END, "
      "(SELECT rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)), "
      "t.typdelim, p.prosrc FROM wanted w JOIN pg_catalog.pg_type t ON t.oid = w.oid "
      "LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.typsend",
      oids)));
  TypeEntries types;
  for (size_t row = 0; row < rows.size(); ++row) {
    TypeEntry type;
    type.oid = static_cast<uint32_t>(rows.integer(row, 0));
    type.name = rows.at(row, 1);
    type.kind = rows.at(row, 2).at(0);
    type.base = static_cast<uint32_t>(rows.integer(row, 3));
    type.modifier = static_cast<int32_t>(rows.integer(row, 4));
    type.element = static_cast<uint32_t>(rows.integer(row, 5));
    type.array = type.element != 0;
    if (!rows.is_null(row, 6)) type.element = static_cast<uint32_t>(rows.integer(row, 6));
    type.delimiter = rows.at(row, 7).at(0);
    type.send_function = rows.at(row, 8);
    types.emplace(type.oid, std::move(type));
  }
  return types;
}

struct IndexEntry {
  std::vector<int> primary;  // attribute numbers in key order
  bool deferrable = false;
  std::vector<int> replica_identity;  // what the stream's keys consist of under "default" or "index"
};

std::vector<int> numbers(std::string_view text, size_t count) {
  std::vector<int> result;
  const char* position = text.data();
  const char* end = position + text.size();
  while (position < end && result.size() < count) {
    int value = 0;
    position = std::from_chars(position, end, value).ptr + 1;
    result.push_back(value);
  }
  return result;
}

Result<std::unordered_map<uint32_t, IndexEntry>> read_indexes(Connection& connection,
                                                              const std::string& oids) {
  // A deferrable primary key is a key for us, but Postgres does not take it as a replica identity.
  Rows rows = TRY(connection.query(fmt::format(
      "SELECT i.indrelid, i.indisprimary, i.indkey::text, i.indnkeyatts, "
      "CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate WHEN 'i' THEN i.indisreplident "
      "ELSE false END, i.indimmediate FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = "
      "i.indrelid "
      "WHERE i.indrelid = ANY({}) AND (i.indisprimary OR i.indisreplident)",
      oids)));
  std::unordered_map<uint32_t, IndexEntry> indexes;
  for (size_t row = 0; row < rows.size(); ++row) {
    IndexEntry& entry = indexes[static_cast<uint32_t>(rows.integer(row, 0))];
    auto columns = numbers(rows.at(row, 2), static_cast<size_t>(rows.integer(row, 3)));
    if (rows.boolean(row, 1)) {
      entry.primary = columns;
      entry.deferrable = !rows.boolean(row, 5);
    }
    if (rows.boolean(row, 4)) entry.replica_identity = columns;
  }
  return indexes;
}

// How many rows the planner would expect: as dense as the table was when it was analysed, else as its
// columns' types are wide, in the pages that it has now. `table`: an alias of pg_class.
std::string estimated_rows_of(std::string_view table) {
  return fmt::format(
      "pg_catalog.pg_relation_size({0}.oid) / 8192 * CASE WHEN {0}.reltuples >= 0 AND {0}.relpages > 0 THEN "
      "{0}.reltuples / {0}.relpages ELSE 8168 / (28 + (SELECT coalesce(sum(CASE WHEN w.attlen > 0 THEN "
      "w.attlen "
      "ELSE 32 END), 0)::float8 FROM pg_catalog.pg_attribute w WHERE w.attrelid = {0}.oid AND w.attnum > 0 "
      "AND "
      "NOT w.attisdropped)) END",
      table);
}

Result<std::vector<SourceTable>> read_by_oid(Connection& connection, const std::vector<uint32_t>& oids) {
  std::vector<SourceTable> tables;
  if (oids.empty()) return tables;
  std::string list = oid_array(oids);
  TypeEntries types = TRY(read_types(connection, list));
  auto indexes = TRY(read_indexes(connection, list));

  // A partition that was attached, not made as one, brings rows that are in nobody's stream. Attaching writes
  // all its columns anew, which tells it from one made as a partition also within one transaction.
  Rows heads = TRY(connection.query(fmt::format(
      "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, "
      "CASE WHEN c.relkind = 'p' THEN (SELECT sum({}) FROM "
      "pg_catalog.pg_partition_tree(c.oid) t "
      "JOIN pg_catalog.pg_class l ON l.oid = t.relid WHERE t.isleaf) ELSE {} END, "
      "CASE WHEN c.relkind = 'p' THEN (SELECT sum(pg_catalog.pg_relation_size(t.relid)) FROM "
      "pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf) ELSE "
      "pg_catalog.pg_relation_size(c.oid) END / 8192, "
      "CASE WHEN c.relkind = 'p' THEN (SELECT pg_catalog.string_agg(pg_catalog.concat(l.oid, ':', "
      "l.relfilenode, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(l.oid) a JOIN "
      "pg_catalog.pg_inherits i ON i.inhrelid = a.relid JOIN pg_catalog.pg_class k ON k.oid = "
      "a.relid JOIN pg_catalog.pg_type y ON y.oid = k.reltype WHERE i.xmin <> y.xmin OR NOT EXISTS "
      "(SELECT FROM pg_catalog.pg_attribute b WHERE b.attrelid = k.oid AND b.attnum > 0 AND b.xmin = y.xmin "
      "AND b.cmin = y.cmin)) THEN ':a' END), "
      "',' ORDER BY l.oid) FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class l ON "
      "l.oid = t.relid WHERE t.isleaf) ELSE c.relfilenode::text END, c.relnatts, "
      "pg_catalog.has_table_privilege(c.oid, 'SELECT') "
      "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
      "c.oid = ANY({}) "
      "ORDER BY n.nspname, c.relname",
      estimated_rows_of("l"), estimated_rows_of("c"), list)));
  std::unordered_map<uint32_t, size_t> place;
  for (size_t row = 0; row < heads.size(); ++row) {
    SourceTable table;
    table.oid = static_cast<uint32_t>(heads.integer(row, 0));
    table.schema = heads.at(row, 1);
    table.name = heads.at(row, 2);
    table.kind = heads.at(row, 3).at(0);
    switch (heads.at(row, 4).at(0)) {
      case 'f':
        table.identity = ReplicaIdentity::full;
        break;
      case 'i':
        table.identity = ReplicaIdentity::index;
        break;
      case 'n':
        table.identity = ReplicaIdentity::nothing;
        break;
      default:
        table.identity = ReplicaIdentity::primary_key;
    }
    table.estimated_rows = heads.number(row, 5);
    table.pages = static_cast<uint32_t>(heads.number(row, 6));
    table.storage = heads.is_null(row, 7) ? "" : heads.at(row, 7);
    table.last_number = static_cast<int>(heads.integer(row, 8));
    table.read_by_columns = !heads.boolean(row, 9);
    place[table.oid] = tables.size();
    tables.push_back(std::move(table));
  }

  Rows columns = TRY(
      connection.query(fmt::format("SELECT attrelid, attname, attnum, atttypid, atttypmod, "
                                   "pg_catalog.format_type(atttypid, atttypmod), attnotnull, "
                                   "attgenerated <> '', attstorage <> 'p', xmin::text, CASE WHEN "
                                   "atthasmissing THEN (attmissingval::text::text[])[1] END, EXISTS (SELECT "
                                   "FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class l ON l.oid = "
                                   "i.inhrelid AND l.relispartition JOIN pg_catalog.pg_attribute b ON "
                                   "b.attrelid = l.oid AND b.attname = a.attname WHERE i.inhparent = "
                                   "a.attrelid AND (b.atthasmissing OR l.relkind = 'p')) FROM "
                                   "pg_catalog.pg_attribute a WHERE attrelid = ANY({}) AND attnum > 0 AND "
                                   "NOT attisdropped ORDER BY attrelid, attnum",
                                   list)));
  for (size_t row = 0; row < columns.size(); ++row) {
    auto found = place.find(static_cast<uint32_t>(columns.integer(row, 0)));
    if (found == place.end()) continue;  // created between the two queries
    SourceTable& table = tables[found->second];
    SourceColumn column;
    column.name = columns.at(row, 1);
    if (columns.boolean(row, 7)) {
      table.omitted_columns.push_back(column.name);
      continue;
    }
    column.attribute_number = static_cast<int>(columns.integer(row, 2));
    column.type_oid = static_cast<uint32_t>(columns.integer(row, 3));
    column.type_modifier = static_cast<int32_t>(columns.integer(row, 4));
    column.type_name = columns.at(row, 5);
    column.not_null = columns.boolean(row, 6);
    column.definition = static_cast<uint32_t>(columns.integer(row, 9));
    if (!columns.is_null(row, 10)) column.value_before = columns.at(row, 10);
    column.value_before_in_partitions = columns.boolean(row, 11);
    table.has_toastable_columns = table.has_toastable_columns || columns.boolean(row, 8);
    const IndexEntry& index = indexes[table.oid];
    for (size_t position = 0; position < index.primary.size(); ++position)
      if (index.primary[position] == column.attribute_number)
        column.key_position = static_cast<int>(position);
    column.in_replica_identity = table.identity == ReplicaIdentity::full ||
                                 std::find(index.replica_identity.begin(), index.replica_identity.end(),
                                           column.attribute_number) != index.replica_identity.end();
    map_type(types, column);
    table.columns.push_back(std::move(column));
  }

  for (SourceTable& table : tables) {
    std::vector<size_t> key(indexes[table.oid].primary.size(), table.columns.size());
    for (size_t index = 0; index < table.columns.size(); ++index)
      if (table.columns[index].key_position >= 0)
        key[static_cast<size_t>(table.columns[index].key_position)] = index;
    // A key with a generated column in it is no key for us: the stream does not carry that column.
    bool whole = std::find(key.begin(), key.end(), table.columns.size()) == key.end();
    if (whole) {
      table.key = std::move(key);
      table.key_deferrable = indexes[table.oid].deferrable;
    } else {
      for (SourceColumn& column : table.columns) column.key_position = -1;
    }
  }
  return tables;
}

}  // namespace

const char* name(ReplicaIdentity identity) {
  switch (identity) {
    case ReplicaIdentity::primary_key:
      return "default";
    case ReplicaIdentity::full:
      return "full";
    case ReplicaIdentity::index:
      return "index";
    case ReplicaIdentity::nothing:
      return "nothing";
  }
  return "default";
}

std::string SourceTable::display() const {
  return display_name(schema, name);
}
std::string SourceTable::quoted() const {
  return quote_identifier(schema) + "." + quote_identifier(name);
}
const SourceColumn* SourceTable::find(std::string_view column) const {
  for (const auto& candidate : columns)
    if (candidate.name == column) return &candidate;
  return nullptr;
}
bool SourceTable::identifies_rows() const {
  for (const auto& column : columns)
    if (column.in_replica_identity) return true;
  return false;
}

Result<std::vector<SourceTable>> read_tables(Connection& connection, const std::vector<std::string>& patterns,
                                             const TableSelections& selections) {
  if (connection.server_version() < server_version_min)
    return fail(ErrorKind::unsupported,
                fmt::format("the source is Postgres {}, and 14 is the oldest that can be captured",
                            connection.server_version() / 10'000),
                "upgrade the server");
  auto candidates = TRY(read_candidates(connection));
  std::vector<uint32_t> chosen;
  for (const auto& pattern : patterns) {
    auto [schema, table] = split_pattern(pattern);
    bool wildcard = (schema + table).find_first_of("*?") != std::string::npos;
    bool found = false;
    for (const auto& candidate : candidates) {
      if (!matches(schema, candidate.schema) || !matches(table, candidate.name)) continue;
      if (candidate.kind != 'r' && candidate.kind != 'p') {
        if (wildcard) continue;
        return fail(ErrorKind::unsupported,
                    fmt::format("{} is {}, which has no change stream",
                                display_name(candidate.schema, candidate.name), kind_name(candidate.kind)),
                    "name the tables behind it and express the view as a model");
      }
      if (wildcard && (candidate.partition || !candidate.logged)) continue;
      found = true;
      if (std::find(chosen.begin(), chosen.end(), candidate.oid) == chosen.end())
        chosen.push_back(candidate.oid);
    }
    if (!found) return no_match(pattern, candidates);
  }
  auto tables = TRY(read_by_oid(connection, chosen));
  for (auto& table : tables)
    for (const auto& name : {table.name, table.schema + "." + table.name})
      if (auto selection = selections.find(name); selection != selections.end())
        TRY_VOID(select(table, selection->second));
  return tables;
}

Result<std::vector<SourceTable>> read_tables_by_oid(Connection& connection,
                                                    const std::vector<uint32_t>& oids) {
  return read_by_oid(connection, oids);
}

Result<SourceTable> read_table(Connection& connection, uint32_t oid) {
  auto tables = TRY(read_by_oid(connection, {oid}));
  if (tables.empty())
    return fail(ErrorKind::config, fmt::format("the table with oid {} does not exist any more", oid),
                "take it out of the source's `tables`, or resync it if it was created again");
  return std::move(tables.front());
}

Result<std::string> shape_fingerprint(Connection& connection, const std::vector<uint32_t>& oids) {
  Rows rows = TRY(connection.query(fmt::format(
      "SELECT pg_catalog.md5(pg_catalog.concat("
      "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', attrelid, attnum, attname, attisdropped, "
      "xmin), "
      "',' ORDER BY attrelid, attnum) FROM pg_catalog.pg_attribute WHERE attrelid = ANY({0}) AND attnum > "
      "0), "
      "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', indrelid, indexrelid, indkey), ',' ORDER BY "
      "indexrelid) FROM pg_catalog.pg_index WHERE indrelid = ANY({0}) AND (indisprimary OR indisreplident)), "
      "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', c.oid, c.relreplident, CASE WHEN c.relkind = "
      "'p' "
      "THEN (SELECT pg_catalog.string_agg(t.relid::oid::text, '/' ORDER BY t.relid::oid) FROM "
      "pg_catalog.pg_partition_tree(c.oid) t) END), ',' ORDER BY c.oid) FROM pg_catalog.pg_class c WHERE "
      "c.oid "
      "= ANY({0}))))",
      oid_array(oids))));
  return std::string(rows.at(0, 0));
}

Result<ServerIdentity> read_identity(Connection& connection) {
  Rows standby = TRY(connection.query("SELECT pg_catalog.pg_is_in_recovery()"));
  if (standby.boolean(0, 0))
    return fail(ErrorKind::unsupported, "the source is a standby server",
                "point the source's url at the primary");
  Rows rows = TRY(connection.query(
      "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), "
      "('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint, "
      "pg_catalog.pg_current_wal_lsn(), pg_catalog.current_setting('wal_level')"));
  ServerIdentity identity;
  identity.system_id = rows.at(0, 0);
  identity.timeline = static_cast<uint32_t>(rows.integer(0, 1));
  identity.position = parse_lsn(std::string(rows.at(0, 2))).value_or(0);
  identity.wal_level = rows.at(0, 3);
  identity.version = connection.server_version();
  return identity;
}

}  // namespace tidemark::postgres
