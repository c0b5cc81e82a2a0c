// What the source's tables look like: columns, keys, replica identity, and the warehouse type each column
// maps to. Read from the system catalog, which is the only place that knows about domains, enums, keys and
// nullability (the stream's Relation messages do not).
//
// Columns come in attnum order. Left out: dropped columns, and stored generated columns (Postgres before 18
// does not publish them, so a mirror of them would go stale; they are listed in `omitted_columns`), and what
// the project leaves out (table_selection.h).
//
// Type map (docs/DECISIONS.md has the reasons): values that have no exact ClickHouse counterpart travel as
// Postgres's own text. In particular numeric without precision (or with p > 76, or a scale outside 0..p),
// time, timetz, interval (ISO 8601), inet, ranges, composites, and json/jsonb, whose numbers and key order a
// JSON column would rewrite. An array is Array(Nullable(T)) when the column is NOT NULL (ClickHouse has no
// Nullable(Array)), else its literal as text; a NOT NULL array whose value has several dimensions is a
// conversion error.
#pragma once

#include "base/column_type.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"
#include "postgres/table_selection.h"

#include <optional>

namespace tidemark::postgres {

// How a value looks on the wire, domains resolved. `other`: no binary form we can read; must travel as text.
enum class WireType : uint8_t {
  boolean,
  int2,
  int4,
  int8,
  oid,  // oid, xid, cid
  xid8,
  float4,
  float8,
  numeric,
  text,   // bytes as they are in both forms: text, varchar, bpchar, name, json, xml, citext, enum
  char1,  // "char"
  jsonb,
  uuid,
  bytea,
  date,
  timestamp,
  timestamptz,
  time,
  timetz,
  interval,
  inet,
  macaddr,
  money,
  bit,
  lsn,
  hstore,
  range,
  multirange,
  array,
  other,
};

struct SourceColumn {
  std::string name;
  int attribute_number = 0;
  uint32_t type_oid = 0;       // as declared, and as Relation messages say
  int32_t type_modifier = -1;  // as declared
  std::string type_name;       // format_type: "numeric(10,2)", "shop.mood", "text[]"
  bool not_null = false;
  ColumnType target;  // in the warehouse
  WireType wire = WireType::other;
  WireType element_wire = WireType::other;  // arrays, ranges and multiranges: of the element or bound
  WireType bound_wire = WireType::other;    // arrays of ranges or multiranges: of the bound
  int32_t effective_modifier = -1;          // with the domain's modifier applied; for arrays, the element's
  char element_delimiter = ',';             // arrays
  int key_position = -1;                    // place in the primary key, 0-based; -1: not part of it
  bool in_replica_identity = false;
  // What rows read that were there before the column was added: the default as of then, as text. Nothing:
  // NULL, or the rows were written anew since (SourceTable::storage then differs).
  std::optional<std::string> value_before;
  bool value_before_in_partitions = false;  // the same is kept by partitions, each its own
  uint32_t definition = 0;                  // changes whenever the server changes anything about the column
};

enum class ReplicaIdentity { primary_key, full, index, nothing };
const char* name(ReplicaIdentity identity);

struct SourceTable {
  uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::vector<SourceColumn> columns;
  std::vector<std::string> omitted_columns;  // stored generated columns
  std::vector<size_t> key;      // indices into columns in key order; empty: no usable primary key
  bool key_deferrable = false;  // two rows may have one key until their transaction ends
  ReplicaIdentity identity =
      ReplicaIdentity::primary_key;  // primary_key also when there is none (= "default")
  char kind = 'r';                   // r table, p partitioned
  double estimated_rows = 0;         // as the planner would say
  uint32_t pages = 0;                // 8 kB pages, of all partitions together
  // Which file holds the rows. Changes when the server writes the rows anew, which is not in the stream:
  // ALTER TABLE with a volatile default or a new type does (so do VACUUM FULL and TRUNCATE). Of a partitioned
  // table: "oid:file" of each leaf, with ":a" behind those that were attached, not made as a partition.
  std::string storage;
  int last_number = 0;  // the highest attribute number given, also to columns that are gone
  bool has_toastable_columns = false;
  bool read_by_columns = false;       // the role may read columns of it and not all of it, so no ctid
  TableSelection selection;           // what was taken of it
  bool left_out_of_identity = false;  // a column of the replica identity was not

  // "impressions" for public.impressions, else "shop.orders": for messages.
  std::string display() const;
  // "\"shop\".\"orders\"": for SQL.
  std::string quoted() const;
  const SourceColumn* find(std::string_view column) const;
  // Can updates and deletes be told apart from each other in the stream: identity full, index, or default
  // with a key.
  bool identifies_rows() const;
};

// Patterns: "impressions" (schema public), "shop.*", "public.ord*". Each must match at least one table;
// partitions are reached through their root and never match themselves unless named in full. Sorted by schema
// and name, no duplicates. Errors: config (no match; names the nearest table), unsupported (a view, foreign
// table, ...).
Result<std::vector<SourceTable>> read_tables(Connection& connection, const std::vector<std::string>& patterns,
                                             const TableSelections& selections = {});
// All of it: who knows what was taken before calls select(). Errors: config when there is no such table any
// more.
Result<SourceTable> read_table(Connection& connection, uint32_t oid);

// Changes whenever one of these tables changes its columns, key, replica identity or partitions.
Result<std::string> shape_fingerprint(Connection& connection, const std::vector<uint32_t>& oids);

struct ServerIdentity {
  std::string system_id;
  uint32_t timeline = 0;
  Lsn position = 0;  // end of the log now
  int version = 0;   // 150004
  std::string wal_level;
};
// A plain connection is enough. Errors: unsupported on a standby.
Result<ServerIdentity> read_identity(Connection& connection);

}  // namespace tidemark::postgres
