// Where a ClickHouse server is and who we are to it. The embedded child and a remote cluster are both an
// Endpoint, so no code past this point knows which one it talks to.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tidemark::clickhouse {

class Cluster;

struct Endpoint {
  std::string url_host = "127.0.0.1";  // as in a URL: an IPv6 address has its brackets
  uint16_t port = 8123;
  bool tls = false;
  std::string user = "default";
  Secret password;
  std::string database = "default";
  std::shared_ptr<Cluster> cluster;  // whose initiator this is (cluster.h); null: a server of its own

  // "http://host:8123/database" or "https://..."; the database is optional. A user and password inside the
  // URL are used when the arguments are empty. Errors: config.
  static Result<Endpoint> parse(std::string_view url, std::string user, Secret password);

  // "http://host:port", without credentials: for messages and for the connection itself.
  std::string base_url() const;
};

}  // namespace tidemark::clickhouse
