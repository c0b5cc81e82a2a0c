#include "ingest/bronze_tables.h"

#include "clickhouse/schema.h"
#include "ingest/bronze_shape.h"

namespace tidemark::ingest {

Status ensure_bronze(clickhouse::ClientPool& pool, const std::vector<CapturedTable>& tables, bool replace) {
  BronzeTypes types = TRY(bronze_types(pool));
  for (const auto& table : tables) {
    auto lease = pool.lease();
    const auto& existing = types[table.name];
    std::string difference;
    Block wanted = bronze_block(table);
    if (!existing.empty()) {
      for (size_t index = 0; index < wanted.names.size(); ++index) {
        auto found = existing.find(wanted.names[index]);
        if (found == existing.end())
          difference = "column " + wanted.names[index] + " is new";
        else if (found->second != wanted.columns[index].type().name())
          difference = fmt::format("column {} is {} in the warehouse and {} now", found->first, found->second,
                                   wanted.columns[index].type().name());
      }
      if (existing.size() > wanted.names.size())
        difference = "a column was dropped, or the table lost or gained its key";
    }
    if (!difference.empty()) {
      // Nothing is lost with one that is empty: a start was killed before its first copy.
      bool empty = lease->query("SELECT 1 FROM " + table.target() + " LIMIT 1")
                       .map([](const Block& rows) { return rows.rows() == 0; })
                       .value_or(false);
      if (!replace && !empty)
        return fail(
            ErrorKind::unsupported,
            fmt::format("table {} changed since it was captured: {}", table.source.display(), difference),
            "copy the source again under the new shape with: tidemark up --recopy");
      // A dictionary over the table does not mind: it is made again before models are compiled.
      for (const char* suffix : {"__history_of_changes", "__history", "__current", "__changes", ""})
        TRY_VOID(lease->execute("DROP TABLE IF EXISTS " + table.target(suffix) +
                                " SYNC SETTINGS check_table_dependencies = 0"));
    }
    for (const auto& statement : create_statements(table)) TRY_VOID(lease->execute(statement));
  }
  return {};
}

}  // namespace tidemark::ingest
