#include "cli/generator_statements.h"

namespace tidemark::cli {

Result<int64_t> affected_rows(postgres::Connection& connection, const std::string& sql,
                              const std::vector<std::string>& parameters) {
  postgres::Rows rows = TRY(
      connection.query("WITH changed AS (" + sql + " RETURNING 1) SELECT count(*) FROM changed", parameters));
  return rows.integer(0, 0);
}

}  // namespace tidemark::cli
