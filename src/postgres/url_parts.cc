#include "postgres/url_parts.h"

#include <libpq-fe.h>
#include <memory>
#include <string_view>

namespace tidemark::postgres {

Result<UrlParts> url_parts(const Secret& url) {
  std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(url.reveal().c_str(), nullptr), PQconninfoFree);
  if (!options)
    return fail(ErrorKind::config, "the source's url is not one", "postgresql://user:password@host/database");
  UrlParts parts;
  for (auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || *option->val == '\0') continue;
    std::string_view keyword = option->keyword;
    if (keyword == "host") parts.host = option->val;
    if (keyword == "hostaddr") parts.host = option->val;
    if (keyword == "port") parts.port = option->val;
    if (keyword == "user") parts.user = option->val;
    if (keyword == "password") parts.password = Secret(option->val);
    if (keyword == "dbname") parts.database = option->val;
  }
  if (parts.database.empty()) parts.database = parts.user;
  if (parts.host.starts_with('/'))
    return fail(ErrorKind::unsupported, "ClickHouse cannot reach Postgres through a Unix socket",
                "give the source's url a host that listens on TCP");
  return parts;
}

}  // namespace tidemark::postgres
