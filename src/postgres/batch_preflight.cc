#include "postgres/batch_preflight.h"

#include "postgres/open_transactions.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

using Level = Finding::Level;

// Types whose order is not that of time or of a counter.
bool can_grow(WireType wire) {
  switch (wire) {
    case WireType::boolean:
    case WireType::uuid:
    case WireType::bytea:
    case WireType::jsonb:
    case WireType::array:
    case WireType::range:
    case WireType::multirange:
    case WireType::bit:
    case WireType::inet:
    case WireType::macaddr:
    case WireType::hstore:
    case WireType::time:
    case WireType::timetz:
      return false;
    default:
      return true;
  }
}

// Is there an index that begins with this column?
Result<bool> has_index(Connection& connection, const SourceTable& table, int attribute_number) {
  Rows rows = TRY(connection.query(
      fmt::format("SELECT count(*) FROM pg_catalog.pg_index WHERE indrelid = {} AND indisvalid AND "
                  "indpred IS NULL AND indkey[0] = {}",
                  table.oid, attribute_number)));
  return rows.integer(0, 0) > 0;
}

}  // namespace

Result<std::vector<Finding>> batch_preflight(Connection& connection,
                                             const std::vector<BatchTableChecks>& tables) {
  std::vector<Finding> findings;
  int version = connection.server_version();
  std::string text = fmt::format("Postgres {}.{}", version / 10'000, version % 10'000);
  if (version >= 140'000)
    findings.push_back({.level = Level::pass, .check = "server_version", .detail = text});
  else
    findings.push_back({.level = Level::fail,
                        .check = "server_version",
                        .detail = text,
                        .remedy = "upgrade to Postgres 14 or later",
                        .kind = ErrorKind::unsupported});
  auto server = TRY(read_batch_server(connection));
  if (server.standby)
    findings.push_back(
        {.level = Level::warn,
         .check = "standby",
         .detail =
             "the source is a standby: a transaction that began before a run and wrote its first row after "
             "it is covered by `overlap` only",
         .remedy = "make overlap longer than the longest transaction, or point the url at the primary"});
  for (const auto& [table, cursor] : tables) {
    std::string check = "table " + table.display();
    Rows may = TRY(
        connection.query(fmt::format("SELECT pg_catalog.has_table_privilege({}::oid, 'SELECT')", table.oid)));
    if (!may.boolean(0, 0)) {
      findings.push_back(
          {.level = Level::fail,
           .check = check,
           .detail = fmt::format("table {} may not be read by this role", table.display()),
           .remedy = fmt::format("GRANT SELECT ON {} TO the role of the url", table.quoted())});
      continue;
    }
    if (cursor.empty()) {
      findings.push_back({.check = check, .detail = "has no cursor: each run compares all of it"});
      continue;
    }
    const SourceColumn& first = table.columns[cursor.front()];
    if (!can_grow(first.wire)) {
      findings.push_back({.level = Level::fail,
                          .check = check,
                          .detail = fmt::format("cursor {} of {} is {}, whose order is not that of changes",
                                                first.name, table.display(), first.type_name),
                          .remedy = "name a time of change or a counter, or none: cursor: []",
                          .kind = ErrorKind::config});
      continue;
    }
    if (!TRY(has_index(connection, table, first.attribute_number)))
      findings.push_back(
          {.level = Level::warn,
           .check = check,
           .detail = fmt::format("no index begins with its cursor {}: each page of a run reads the "
                                 "whole table",
                                 first.name),
           .remedy = fmt::format("CREATE INDEX CONCURRENTLY ON {} ({})", table.quoted(),
                                 quote_identifier(first.name))});
    else
      findings.push_back({.check = check, .detail = fmt::format("cursor {}", first.name)});
  }
  return findings;
}

}  // namespace tidemark::postgres
