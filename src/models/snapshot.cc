#include "models/snapshot.h"

#include "base/limits.h"
#include "clickhouse/cluster.h"
#include "clickhouse/schema.h"

#include <fmt/format.h>

namespace tidemark::models {
namespace {

using clickhouse::quote_table;

constexpr std::string_view prefix = "snapshot_";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

}  // namespace

std::string Snapshots::name_of(const std::string& table) const {
  return fmt::format("{}{}_{}", prefix, deployment_, table.substr(7));
}

Status Snapshots::make(clickhouse::Client& client) const {
  for (const auto& table : tables_) {
    std::string snapshot = quote_table("tidemark", name_of(table));
    TRY_VOID(client.execute("CREATE TABLE IF NOT EXISTS " + snapshot + " AS " +
                            quote_table("bronze", table.substr(7))));
    // Syncing the directory of every part takes 5 ms a part, at the barrier. A snapshot that a power failure
    // tears goes with its deployment.
    TRY_VOID(client.execute("ALTER TABLE " + snapshot +
                            " MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0"));
    // Merging what nobody will read twice is a waste; a server that does not allow this may merge.
    (void)client.execute("SYSTEM STOP MERGES " + snapshot);
    Block engine = TRY(client.query("SELECT engine FROM " + clickhouse::system_table(client, "tables") +
                                        " WHERE database = 'bronze' AND name = {table:String}",
                                    {.parameters = {{"table", table.substr(7)}}}));
    bool log = engine.rows() == 1 && engine.columns[0].text(0).find("Replacing") == std::string_view::npos;
    TRY_VOID(client.execute(fmt::format(
        "CREATE OR REPLACE VIEW {} AS SELECT * EXCEPT ('^_(version|deleted|committed_at|cut)$') FROM {}{}",
        quote_table("tidemark", name_of(table) + "__current"), snapshot,
        log ? "" : " FINAL WHERE _deleted = 0")));
  }
  return {};
}

Status Snapshots::take(clickhouse::Client& client) const {
  for (const auto& table : tables_)
    TRY_VOID(client.execute("ALTER TABLE " + quote_table("tidemark", name_of(table)) +
                                " ATTACH PARTITION ALL FROM " + quote_table("bronze", table.substr(7)),
                            {.timeout = limits::barrier_statement_time}));
  return {};
}

Result<bool> Snapshots::exist(clickhouse::Client& client) const {
  for (const auto& table : tables_)
    if (!TRY(clickhouse::table_exists(client, "tidemark", name_of(table)))) return false;
  return true;
}

std::string Snapshots::over(std::string sql) const {
  for (const auto& table : tables_) {
    std::string snapshot = quote_table("tidemark", name_of(table));
    replace_all(sql, quote_table("bronze", table.substr(7)), snapshot);
    replace_all(sql, quote_table("bronze", table.substr(7) + "__current"),
                quote_table("tidemark", name_of(table) + "__current"));
  }
  return sql;
}

Status drop_snapshots(clickhouse::Client& client, const std::set<std::string>& kept) {
  Block block = TRY(client.query(
      "SELECT name FROM system.tables WHERE database = 'tidemark' AND startsWith(name, 'snapshot_')"));
  for (size_t row = 0; row < block.rows(); ++row) {
    std::string name(block.columns[0].text(row));
    std::string rest = name.substr(prefix.size());
    if (kept.contains(rest.substr(0, rest.find('_')))) continue;
    TRY_VOID(client.execute("DROP TABLE IF EXISTS " + quote_table("tidemark", name) + " SYNC"));
  }
  return {};
}

}  // namespace tidemark::models
