#include "postgres/replication_setup.h"

#include <fmt/format.h>
#include <map>

namespace tidemark::postgres {
namespace {

std::string table_list(const std::vector<SourceTable>& tables) {
  std::string list;
  for (const auto& table : tables) list += (list.empty() ? "" : ", ") + published_as(table);
  return list;
}

// What the publication has of a table.
struct Member {
  std::string columns;  // numbers; empty: all
  std::string where;

  bool is(const SourceTable& table) const {
    return columns == column_numbers(table) && same_condition(where, table.selection.where);
  }
};

// What it names itself; pg_publication_tables would also list what it reaches.
Result<std::map<uint32_t, Member>> members_of(Connection& connection, const std::string& publication) {
  bool selects = connection.server_version() >= selection_version_min;
  Rows rows = TRY(connection.query(fmt::format(
      "SELECT r.prrelid, {} FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON "
      "p.oid = r.prpubid WHERE p.pubname = {}",
      selects ? "coalesce(r.prattrs::text, ''), coalesce(pg_catalog.pg_get_expr(r.prqual, r.prrelid), '')"
              : "'', ''",
      quote_literal(publication))));
  std::map<uint32_t, Member> members;
  for (size_t row = 0; row < rows.size(); ++row)
    members[static_cast<uint32_t>(rows.integer(row, 0))] = {std::string(rows.at(row, 1)),
                                                            std::string(rows.at(row, 2))};
  return members;
}

Status with_remedy(Status status, const std::string& publication, const std::vector<SourceTable>& tables) {
  if (status) return status;
  Error error = std::move(status.error());
  if (error.kind == ErrorKind::refused)
    error.remedy = fmt::format(
        "let the tables' owner (or a superuser) run: CREATE PUBLICATION {} FOR TABLE {} WITH "
        "(publish_via_partition_root = true); Tidemark then uses it as it is",
        quote_identifier(publication), table_list(tables));
  return fail(std::move(error).in(fmt::format("setting up the publication {}", publication)));
}

constexpr std::string_view comment_of_slot = "Tidemark, slot ";

Status sign_publication(Connection& connection, const std::string& name, const std::string& slot) {
  return connection.execute(fmt::format("COMMENT ON PUBLICATION {} IS {}", quote_identifier(name),
                                        quote_literal(std::string(comment_of_slot) + slot)));
}

}  // namespace

Result<std::string> other_slot_of_publication(Connection& connection, const std::string& name,
                                              const std::string& slot) {
  Rows rows = TRY(connection.query(
      fmt::format("SELECT s.slot_name FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_replication_slots "
                  "s ON pg_catalog.obj_description(p.oid, 'pg_publication') = {} || s.slot_name WHERE "
                  "p.pubname = {} AND s.slot_name <> {}",
                  quote_literal(std::string(comment_of_slot)), quote_literal(name), quote_literal(slot))));
  return rows.size() == 0 ? std::string() : std::string(rows.at(0, 0));
}

Status ensure_publication(Connection& connection, const std::string& name, const std::string& slot,
                          const std::vector<SourceTable>& tables) {
  Rows found = TRY(connection.query(fmt::format(
      "SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot, "
      "coalesce(pg_catalog.obj_description(oid, 'pg_publication'), ''), "
      "pg_catalog.pg_has_role(current_user, pubowner, 'usage') FROM pg_catalog.pg_publication WHERE pubname "
      "= {}",
      quote_literal(name))));
  std::string quoted = quote_identifier(name);
  if (found.size() == 0) {
    Status created = connection.execute(
        fmt::format("CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete, truncate', "
                    "publish_via_partition_root = true)",
                    quoted, table_list(tables)));
    TRY_VOID(with_remedy(std::move(created), name, tables));
    return sign_publication(connection, name, slot);
  }
  if (auto other = TRY(other_slot_of_publication(connection, name, slot)); !other.empty())
    return fail(
        ErrorKind::conflict,
        fmt::format("the publication {} belongs to the slot {}, which is another project's", name, other),
        "name a publication of its own in the source's file (publication: ...)");
  if (found.boolean(0, 4) && found.at(0, 3) != std::string(comment_of_slot) + slot)
    TRY_VOID(sign_publication(connection, name, slot));
  if (found.boolean(0, 0))
    return fail(ErrorKind::conflict,
                fmt::format("the publication {} is FOR ALL TABLES and was made by somebody else", name),
                "name another publication in the source's file");
  if (!found.boolean(0, 1) || !found.boolean(0, 2))
    TRY_VOID(with_remedy(connection.execute(fmt::format(
                             "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate', "
                             "publish_via_partition_root = true)",
                             quoted)),
                         name, tables));
  auto present = TRY(members_of(connection, name));
  bool same = present.size() == tables.size();
  const SourceTable* worded = nullptr;  // whose condition has another text, and perhaps only that
  for (const auto& table : tables) {
    auto member = present.find(table.oid);
    if (member != present.end() && member->second.is(table)) continue;
    same = false;
    if (member != present.end() && member->second.columns == column_numbers(table)) worded = &table;
  }
  if (same) return {};
  // Of what is there already the server sees that it is the same, whatever the words.
  Status altered =
      connection.execute(fmt::format("ALTER PUBLICATION {} SET TABLE {}", quoted, table_list(tables)));
  if (altered || altered.error().kind != ErrorKind::refused || worded == nullptr || found.boolean(0, 4))
    return with_remedy(std::move(altered), name, tables);
  return fail(ErrorKind::refused,
              fmt::format("the publication {}, which is not this role's, has another condition for {}: {}",
                          name, worded->display(), present.at(worded->oid).where),
              "write it just so as the table's `where`, or let the owner run: ALTER PUBLICATION " + quoted +
                  " SET TABLE " + table_list(tables));
}

Result<CreatedSlot> create_slot(Connection& replication_connection, const std::string& name, bool temporary) {
  bool options_in_parentheses = replication_connection.server_version() >= 150'000;
  auto answer = replication_connection.query(fmt::format(
      "CREATE_REPLICATION_SLOT {}{} LOGICAL pgoutput {}", quote_identifier(name),
      temporary ? " TEMPORARY" : "", options_in_parentheses ? "(SNAPSHOT 'export')" : "EXPORT_SNAPSHOT"));
  if (!answer) {
    Error error = std::move(answer.error());
    if (error.kind == ErrorKind::conflict)
      error.remedy =
          "drop the slot (SELECT pg_drop_replication_slot(...)) or name another in the source's file";
    if (error.kind == ErrorKind::dependency_down || error.message.find("53400") != std::string::npos)
      error.remedy = "raise max_replication_slots on the server, or drop slots nobody uses";
    return fail(std::move(error).in(fmt::format("creating the replication slot {}", name)));
  }
  CreatedSlot slot;
  if (answer->size() != 1 || answer->columns() < 3)
    return fail(ErrorKind::corrupt,
                "the server's answer to CREATE_REPLICATION_SLOT has another shape than documented");
  auto point = parse_lsn(std::string(answer->at(0, 1)));
  if (!point)
    return fail(ErrorKind::corrupt, "the server's answer to CREATE_REPLICATION_SLOT has no position");
  slot.consistent_point = *point;
  slot.snapshot_name = answer->at(0, 2);
  return slot;
}

Result<std::optional<SlotInfo>> read_slot(Connection& connection, const std::string& name) {
  Rows rows = TRY(connection.query(fmt::format(
      "SELECT s.active, s.active_pid, a.application_name, s.plugin, s.database, s.confirmed_flush_lsn, "
      "s.restart_lsn, s.wal_status, CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE "
      "pg_catalog.pg_current_wal_lsn() END, s.safe_wal_size FROM pg_catalog.pg_replication_slots s LEFT JOIN "
      "pg_catalog.pg_stat_activity a "
      "ON a.pid = s.active_pid WHERE s.slot_name = {}",
      quote_literal(name))));
  if (rows.size() == 0) return std::nullopt;
  SlotInfo slot;
  slot.active = rows.boolean(0, 0);
  slot.active_pid = static_cast<int>(rows.integer(0, 1));
  slot.active_application = rows.at(0, 2);
  slot.plugin = rows.at(0, 3);
  slot.database = rows.at(0, 4);
  slot.confirmed_flush = parse_lsn(std::string(rows.at(0, 5))).value_or(0);
  slot.restart_lsn = parse_lsn(std::string(rows.at(0, 6))).value_or(0);
  slot.wal_status = rows.at(0, 7);
  slot.log_end = parse_lsn(std::string(rows.at(0, 8))).value_or(0);
  if (slot.restart_lsn != 0 && slot.log_end > slot.restart_lsn)
    slot.retained_bytes = slot.log_end - slot.restart_lsn;
  // Negative when it is beyond its bound already.
  if (!rows.is_null(0, 9)) slot.left_bytes = static_cast<uint64_t>(std::max<int64_t>(0, rows.integer(0, 9)));
  return slot;
}

Status drop_slot(Connection& connection, const std::string& name) {
  Rows rows =
      TRY_IN(connection.query(fmt::format("SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM "
                                          "pg_catalog.pg_replication_slots WHERE slot_name = {}",
                                          quote_literal(name))),
             fmt::format("dropping the replication slot {}", name));
  return {};
}

Status emit_heartbeat(Connection& connection, const std::string& prefix) {
  return connection.execute(
      fmt::format("SELECT pg_catalog.pg_logical_emit_message(false, {}, '')", quote_literal(prefix)));
}

}  // namespace tidemark::postgres
