#include "postgres/preflight.h"

#include "postgres/replication_setup.h"

#include <fmt/format.h>
#include <map>

namespace tidemark::postgres {
namespace {

using Level = Finding::Level;

struct Role {
  std::string name;
  bool superuser = false;
  bool replication = false;
};

// The checks share the connection, the role and the list they add to.
class Inspection {
 public:
  Inspection(Connection& connection, const PreflightOptions& options)
      : connection_(connection), options_(options) {}

  Result<std::vector<Finding>> run() {
    version();
    TRY_VOID(encoding());
    TRY_VOID(wal_level());
    TRY_VOID(role());
    TRY_VOID(slot());
    TRY_VOID(senders());
    TRY_VOID(retention());
    TRY_VOID(publication());
    TRY_VOID(tables());
    return std::move(findings_);
  }

 private:
  void add(Level level, std::string check, std::string detail, std::string remedy = {},
           ErrorKind kind = ErrorKind::refused) {
    findings_.push_back({level, std::move(check), std::move(detail), std::move(remedy), kind});
  }

  Result<std::string> setting(const std::string& name) {
    Rows rows = TRY(
        connection_.query(fmt::format("SELECT pg_catalog.current_setting({}, true)", quote_literal(name))));
    return std::string(rows.at(0, 0));
  }

  void version() {
    int version = connection_.server_version();
    std::string text = fmt::format("Postgres {}.{}", version / 10'000, version % 10'000);
    if (version >= 140'000) return add(Level::pass, "server_version", text);
    add(Level::fail, "server_version", text, "upgrade to Postgres 14 or later", ErrorKind::unsupported);
  }

  Status encoding() {
    std::string name = TRY(setting("server_encoding"));
    if (name != "SQL_ASCII") return add(Level::pass, "encoding", name), Status();
    add(Level::warn, "encoding",
        "the database is SQL_ASCII: it does not say what its text is encoded in, so its bytes are taken as "
        "they are",
        "where they are no UTF-8, read them in models with convertCharset(column, 'latin1', 'utf-8')");
    return {};
  }

  Status wal_level() {
    std::string level = TRY(setting("wal_level"));
    if (level == "logical") {
      add(Level::pass, "wal_level", level);
    } else {
      add(Level::fail, "wal_level", fmt::format("wal_level is {}", level),
          "ALTER SYSTEM SET wal_level = logical, then restart the server (on managed servers: the parameter "
          "group, "
          "rds.logical_replication = 1 on RDS, cloudsql.logical_decoding on Cloud SQL)");
    }
    return {};
  }

  Status role() {
    // Managed servers give the right through a role instead of the attribute.
    Rows rows = TRY(connection_.query(
        "SELECT r.rolname, r.rolsuper, r.rolreplication OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles g WHERE "
        "g.rolname IN ('rds_replication', 'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin') AND "
        "pg_catalog.pg_has_role(r.oid, g.oid, 'member')) FROM pg_catalog.pg_roles r WHERE r.rolname = "
        "current_user"));
    if (rows.size() == 0)
      return fail(ErrorKind::corrupt, "the server does not know the role this session runs as");
    role_ = {std::string(rows.at(0, 0)), rows.boolean(0, 1), rows.boolean(0, 2)};
    if (role_.superuser || role_.replication) {
      add(Level::pass, "replication_right", fmt::format("role {} may replicate", role_.name));
    } else {
      add(Level::fail, "replication_right", fmt::format("role {} may not replicate", role_.name),
          fmt::format("ALTER ROLE {} REPLICATION (on RDS: GRANT rds_replication TO {})",
                      quote_identifier(role_.name), quote_identifier(role_.name)));
    }
    return {};
  }

  Status slot() {
    auto slot = TRY(read_slot(connection_, options_.slot));
    Rows counts = TRY(connection_.query(
        "SELECT (SELECT count(*) FROM pg_catalog.pg_replication_slots), "
        "pg_catalog.current_setting('max_replication_slots')::int, pg_catalog.current_database()"));
    if (!slot) {
      if (counts.integer(0, 0) < counts.integer(0, 1)) {
        add(Level::pass, "slot",
            fmt::format("{} will be created ({} of {} in use)", options_.slot, counts.at(0, 0),
                        counts.at(0, 1)));
      } else {
        add(Level::fail, "slot", fmt::format("all {} replication slots are in use", counts.at(0, 1)),
            "raise max_replication_slots and restart the server, or drop slots nobody uses "
            "(SELECT * FROM pg_replication_slots)",
            ErrorKind::dependency_down);
      }
      return {};
    }
    if (slot->plugin != "pgoutput" || slot->database != counts.at(0, 2)) {
      add(Level::fail, "slot",
          fmt::format("{} exists, for plugin {} and database {}", options_.slot, slot->plugin,
                      slot->database),
          "name another slot in the source's file", ErrorKind::conflict);
    } else if (slot->wal_status == "lost") {
      add(Level::fail, "slot",
          fmt::format("replication slot {} was invalidated: the server has removed log that was not read",
                      options_.slot),
          fmt::format("raise max_slot_wal_keep_size so that it does not happen again, run SELECT "
                      "pg_drop_replication_slot({}), and start again: what differs from the source is then "
                      "resynced (tables without a key, and topics, are copied anew)",
                      quote_literal(options_.slot)),
          ErrorKind::refused);
    } else if (slot->active && !options_.own_application.empty() &&
               slot->active_application == options_.own_application) {
      add(Level::pass, "slot", fmt::format("{} is streaming to this project", options_.slot));
    } else if (slot->active) {
      add(Level::fail, "slot",
          fmt::format("{} is in use by process {} ({})", options_.slot, slot->active_pid,
                      slot->active_application.empty() ? "unnamed" : slot->active_application),
          "stop the other program, or give this source a slot of its own", ErrorKind::conflict);
    } else {
      add(Level::pass, "slot",
          fmt::format("{} exists, acknowledged up to {}", options_.slot, format_lsn(slot->confirmed_flush)));
    }
    return {};
  }

  Status senders() {
    Rows rows =
        TRY(connection_.query("SELECT (SELECT count(*) FROM pg_catalog.pg_stat_replication), "
                              "pg_catalog.current_setting('max_wal_senders')::int"));
    if (rows.integer(0, 0) < rows.integer(0, 1)) {
      add(Level::pass, "wal_senders", fmt::format("{} of {} in use", rows.at(0, 0), rows.at(0, 1)));
    } else {
      add(Level::fail, "wal_senders", fmt::format("all {} are in use", rows.at(0, 1)),
          "raise max_wal_senders and restart the server", ErrorKind::dependency_down);
    }
    return {};
  }

  Status retention() {
    std::string timeout = TRY(setting("wal_sender_timeout"));
    Rows rows = TRY(connection_.query(
        "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'"));
    int64_t timeout_ms = rows.size() == 0 ? 60'000 : rows.integer(0, 0);
    if (timeout_ms != 0 && timeout_ms < 30'000)
      add(Level::warn, "wal_sender_timeout", fmt::format("is {}", timeout),
          "raise it to 60s: a pause of the network or of this program ends the stream (it is started again)");
    else
      add(Level::pass, "wal_sender_timeout", timeout == "0" ? "off" : timeout);
    std::string kept = TRY(setting("max_slot_wal_keep_size"));
    if (kept == "-1")
      add(Level::warn, "max_slot_wal_keep_size",
          "is unlimited: while nobody reads the slot, the log fills the disk",
          "set it to what the disk can spare, and resync if a slot is ever invalidated");
    else
      add(Level::pass, "max_slot_wal_keep_size", kept);
    return {};
  }

  Status publication() {
    Rows rows =
        TRY(connection_.query(fmt::format("SELECT puballtables, pg_catalog.pg_get_userbyid(pubowner), "
                                          "pg_catalog.pg_has_role(current_user, pubowner, 'usage') FROM "
                                          "pg_catalog.pg_publication WHERE pubname = {}",
                                          quote_literal(options_.publication))));
    if (rows.size() > 0) {
      if (rows.boolean(0, 0))
        add(Level::fail, "publication", fmt::format("{} is FOR ALL TABLES", options_.publication),
            "name another publication in the source's file", ErrorKind::conflict);
      else if (auto other = TRY(other_slot_of_publication(connection_, options_.publication, options_.slot));
               !other.empty())
        add(Level::fail, "publication",
            fmt::format("{} belongs to the slot {}, which is another project's", options_.publication, other),
            "name a publication of its own in the source's file (publication: ...)", ErrorKind::conflict);
      else
        add(Level::pass, "publication", fmt::format("{} exists, of {}", options_.publication, rows.at(0, 1)));
      return {};
    }
    Rows right = TRY(connection_.query(
        "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"));
    if (right.boolean(0, 0))
      add(Level::pass, "publication", fmt::format("{} will be created", options_.publication));
    else
      add(Level::fail, "publication",
          fmt::format("role {} may not create {}", role_.name, options_.publication),
          fmt::format("GRANT CREATE ON DATABASE ... TO {}, or create the publication as the tables' owner",
                      quote_identifier(role_.name)));
    return {};
  }

  // Of all of them at once: one by one a thousand tables take seconds.
  Status tables() {
    std::vector<uint32_t> oids;
    for (const auto& table : options_.tables) oids.push_back(table.oid);
    Rows rows = TRY(connection_.query(fmt::format(
        "SELECT pg_catalog.has_schema_privilege(relnamespace, 'USAGE'), "
        "pg_catalog.pg_has_role(current_user, relowner, 'usage'), pg_catalog.pg_get_userbyid(relowner), "
        "relpersistence, EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r JOIN "
        "pg_catalog.pg_publication "
        "p ON p.oid = r.prpubid WHERE r.prrelid = c.oid AND p.pubname = {1}), EXISTS (SELECT 1 FROM "
        "pg_catalog.pg_inherits i JOIN pg_catalog.pg_class l ON l.oid = i.inhrelid WHERE i.inhparent = c.oid "
        "AND NOT l.relispartition), relrowsecurity, oid FROM pg_catalog.pg_class c WHERE oid = "
        "ANY('{{{0}}}'::pg_catalog.oid[])",
        fmt::join(oids, ","), quote_literal(options_.publication))));
    std::map<uint32_t, size_t> found;
    for (size_t row = 0; row < rows.size(); ++row) found[static_cast<uint32_t>(rows.integer(row, 7))] = row;
    for (const auto& table : options_.tables) {
      auto row = found.find(table.oid);
      if (row != found.end())
        TRY_VOID(table_checks(table, rows, row->second));
      else
        add(Level::fail, "table " + table.display(), "does not exist any more",
            "take it out of the source's `tables`", ErrorKind::config);
    }
    return {};
  }

  Result<bool> columns_readable(const SourceTable& table) {
    std::vector<int> numbers;
    for (const auto& column : table.columns) numbers.push_back(column.attribute_number);
    Rows rows = TRY(connection_.query(
        fmt::format("SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege({0}, attnum, 'SELECT')) FROM "
                    "pg_catalog.pg_attribute WHERE attrelid = {0} AND attnum = ANY('{{{1}}}')",
                    table.oid, fmt::join(numbers, ","))));
    return rows.boolean(0, 0);
  }

  Status table_checks(const SourceTable& table, const Rows& rows, size_t row) {
    std::string check = "table " + table.display();
    size_t before = findings_.size();
    bool readable = rows.boolean(row, 0) && (!table.read_by_columns || TRY(columns_readable(table)));
    if (!readable)
      add(Level::fail, check, fmt::format("role {} may not read it", role_.name),
          fmt::format("GRANT USAGE ON SCHEMA {} TO {}; GRANT SELECT ON {} TO {}",
                      quote_identifier(table.schema), quote_identifier(role_.name), table.quoted(),
                      quote_identifier(role_.name)));
    if (!role_.superuser && !rows.boolean(row, 1) && !rows.boolean(row, 4))
      add(Level::fail, check,
          fmt::format("only its owner {} can put it into a publication, and it is not in {}", rows.at(row, 2),
                      options_.publication),
          fmt::format("as {}: ALTER PUBLICATION {} ADD TABLE {}, or GRANT {} TO {}", rows.at(row, 2),
                      quote_identifier(options_.publication), published_as(table),
                      quote_identifier(std::string(rows.at(row, 2))), quote_identifier(role_.name)));
    if (rows.at(row, 3) != "p")
      add(Level::fail, check, "is unlogged: its changes are not in the log",
          fmt::format("ALTER TABLE {} SET LOGGED", table.quoted()), ErrorKind::unsupported);
    if (rows.boolean(row, 5))
      add(Level::warn, check, "has inheritance children, which are tables of their own here",
          "list the children too if their rows are wanted");
    if (rows.boolean(row, 6) && !role_.superuser)
      add(Level::warn, check, "has row security: the first copy sees only the rows its policies show",
          fmt::format("ALTER ROLE {} BYPASSRLS", quote_identifier(role_.name)));
    if (table.key.empty())
      add(Level::warn, check, "has no primary key: it becomes an append-only log",
          "add a primary key (updates and deletes of a log go to quarantine), or read it in `mode: batch` "
          "with "
          "`key`");
    if (!table.identifies_rows())
      add(Level::warn, check,
          fmt::format(
              "its replica identity is {}: once it is published, Postgres refuses UPDATE and DELETE on it",
              name(table.identity)),
          fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL, or add a primary key that is not deferrable",
                      table.quoted()));
    for (const auto& column : table.omitted_columns)
      add(Level::warn, check, fmt::format("generated column {} is left out: it is not in the stream", column),
          "compute it in a model");
    if (readable) TRY_VOID(selection_checks(table, check));
    if (findings_.size() == before)
      add(Level::pass, check,
          fmt::format("{} columns, replica identity {}{}", table.columns.size(), name(table.identity),
                      table.selection.everything() ? "" : "; " + table.selection.text()));
    return {};
  }

  Status selection_checks(const SourceTable& table, const std::string& check) {
    if (table.selection.everything()) return {};
    if (connection_.server_version() < selection_version_min) {
      add(Level::fail, check, "has `columns`, `exclude` or `where`, and this Postgres publishes whole tables",
          "upgrade the server to 15 or later, or take them out of the table's options",
          ErrorKind::unsupported);
      return {};
    }
    Status fits = check_column_list(table);
    if (fits) fits = check_row_filter(connection_, table);
    if (fits) return {};
    if (fits.error().kind == ErrorKind::dependency_down) return fits;
    add(Level::fail, check, fits.error().message, fits.error().remedy, fits.error().kind);
    return {};
  }

  Connection& connection_;
  const PreflightOptions& options_;
  Role role_;
  std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> preflight(Connection& connection, const PreflightOptions& options) {
  return Inspection(connection, options).run();
}

}  // namespace tidemark::postgres
