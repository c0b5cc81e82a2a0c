#include "postgres/open_transactions.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

uint64_t unsigned_number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

constexpr const char* clock_sql =
    "(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8";

}  // namespace

Result<OpenTransactions> read_open_transactions(Connection& connection, const std::string& own_application) {
  OpenTransactions open;
  Rows facts =
      TRY(connection.query(fmt::format("SELECT {}, pg_catalog.pg_is_in_recovery(), "
                                       "pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()), "
                                       "pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())",
                                       clock_sql)));
  open.clock_micros = facts.integer(0, 0);
  open.standby = facts.boolean(0, 1);
  open.xmin = unsigned_number(facts.at(0, 2));
  open.xmax = unsigned_number(facts.at(0, 3));
  if (open.standby) return open;
  // Autovacuum writes no rows, and its transactions are long. A session whose database is not known counts.
  Rows running = TRY(connection.query(fmt::format(
      "SELECT DISTINCT l.virtualxid FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a "
      "ON a.pid = l.pid WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock' "
      "AND l.pid <> pg_catalog.pg_backend_pid() "
      "AND (a.datid IS NULL OR a.datid = (SELECT oid FROM pg_catalog.pg_database "
      "WHERE datname = pg_catalog.current_database())) "
      "AND a.backend_type IS DISTINCT FROM 'autovacuum worker' "
      "AND NOT (coalesce(a.usename, '') = current_user AND coalesce(a.application_name, '') = {})",
      quote_literal(own_application))));
  for (size_t row = 0; row < running.size(); ++row) open.running.emplace(running.at(row, 0));
  Rows prepared = TRY(connection.query(
      "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()"));
  open.prepared = prepared.integer(0, 0) > 0;
  return open;
}

OpenTransactions still_open(const OpenTransactions& then, const OpenTransactions& now) {
  OpenTransactions left = then;
  if (all_ended(then)) return left;
  // A standby that was promoted: nothing is known, so the place is never trusted, and a newer one soon is.
  if (then.standby != now.standby) return left;
  if (then.standby) {
    if (now.xmin >= then.xmax) left.xmin = left.xmax = 0;
    return left;
  }
  // One of ours may be among the prepared ones.
  if (now.prepared) return left;
  left.prepared = false;
  std::erase_if(left.running, [&](const auto& transaction) { return !now.running.contains(transaction); });
  return left;
}

bool all_ended(const OpenTransactions& transactions) {
  if (transactions.standby) return transactions.xmax == 0;
  return transactions.running.empty() && !transactions.prepared;
}

Result<BatchServer> read_batch_server(Connection& connection) {
  Rows rows = TRY(connection.query(
      "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), "
      "(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), pg_catalog.pg_is_in_recovery()"));
  return BatchServer{.system_id = std::string(rows.at(0, 0)),
                     .timeline = static_cast<uint32_t>(rows.integer(0, 1)),
                     .standby = rows.boolean(0, 2)};
}

Result<SnapshotFacts> begin_snapshot(Connection& connection) {
  Rows position = TRY(connection.query(
      "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN "
      "pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END"));
  TRY_VOID(connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  // The first statement takes the snapshot.
  Rows taken = TRY(connection.query(fmt::format("SELECT {}", clock_sql)));
  return SnapshotFacts{.position = parse_lsn(std::string(position.at(0, 0))).value_or(0),
                       .taken_micros = taken.integer(0, 0)};
}

}  // namespace tidemark::postgres
