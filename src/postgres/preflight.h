// Looks at a source before anything is started and says, all at once, what would go wrong and what to do
// about it. `tidemark doctor` and `tidemark up` print it.
#pragma once

#include "postgres/catalog.h"

namespace tidemark::postgres {

struct PreflightOptions {
  std::string slot;
  std::string publication;
  std::vector<SourceTable> tables;
  // A session of this name may hold the slot: it is the project's own stream. Empty: nobody may.
  std::string own_application = {};
};

struct Finding {
  enum class Level { pass, warn, fail };
  Level level = Level::pass;
  std::string check;                    // "wal_level", "table orders": short and stable, for scripts
  std::string detail;                   // what was found
  std::string remedy;                   // what to do; empty on pass
  ErrorKind kind = ErrorKind::refused;  // on fail
};

// An error only when the server cannot be asked at all.
Result<std::vector<Finding>> preflight(Connection& connection, const PreflightOptions& options);

}  // namespace tidemark::postgres
