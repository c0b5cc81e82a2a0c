// A source's url taken apart, for those who do not speak through libpq themselves: ClickHouse reads live
// tables with the same credentials. Pure.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <string>

namespace tidemark::postgres {

struct UrlParts {
  std::string host = "localhost", port = "5432", user, database;
  Secret password;
};

// Errors: config, when it is not a libpq URL or key=value text; unsupported for a Unix socket.
Result<UrlParts> url_parts(const Secret& url);

}  // namespace tidemark::postgres
