#include "cli/generator_statements.h"

#include "base/resource.h"

#include <fmt/format.h>

namespace tidemark::cli {

Result<int64_t> affected_rows(postgres::Connection& connection, const std::string& sql,
                              const std::vector<std::string>& parameters) {
  postgres::Rows rows = TRY(
      connection.query("WITH changed AS (" + sql + " RETURNING 1) SELECT count(*) FROM changed", parameters));
  return rows.integer(0, 0);
}

Status make_tables(postgres::Connection& connection, const std::string& pack,
                   const std::vector<std::string>& tables) {
  std::string name = fmt::format("packs/{}/schema/postgres.sql", pack);
  std::optional<std::string_view> schema = resource(name);
  if (!schema) return fail(ErrorKind::internal, name + " is not part of the program");
  TRY_VOID(connection.execute("SET search_path = public"));  // our connections start with none
  postgres::Rows present = TRY(
      connection.query("SELECT count(*) FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
                       {array_text(tables)}));
  // Not without need: CREATE TABLE IF NOT EXISTS asks for the right to create even when it does nothing.
  if (present.integer(0, 0) < static_cast<int64_t>(tables.size()))
    TRY_VOID(connection.execute(std::string(*schema)));
  return {};
}

}  // namespace tidemark::cli
