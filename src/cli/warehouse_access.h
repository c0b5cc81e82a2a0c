// A verb's way to the project's ClickHouse, wherever that is: the embedded server of a running `tidemark up`
// (found by the lock of its data directory), the embedded server started for as long as the verb runs, or the
// user's own server.
//
// One owner, one thread. A server that was started here ends with this object; it takes free ports, because
// nobody but this process looks for it.
#pragma once

#include "clickhouse/client.h"
#include "clickhouse/embedded_server.h"
#include "config/project.h"

#include <memory>

namespace tidemark::cli {

// The user's own server, with the shards behind it when there is a cluster. Errors: those of Cluster::open,
// and conflict when a cluster's warehouse is opened without it.
Result<clickhouse::Endpoint> remote_endpoint(const config::RemoteWarehouse& remote);

class WarehouseAccess {
 public:
  enum class Start { allowed, never };

  // Errors: dependency_down (nothing answers; with Start::never also: embedded and not running), conflict
  // (the data directory is held by something that does not answer), config.
  static Result<WarehouseAccess> open(const config::Project& project, Start start = Start::allowed);

  // For a server of the user's own every account is the configured user.
  clickhouse::Endpoint endpoint(clickhouse::Account account) const;
  clickhouse::Client client(clickhouse::Account account) const {
    return clickhouse::Client(endpoint(account));
  }
  bool embedded() const { return embedded_; }
  bool started_here() const { return server_ != nullptr; }
  // The process that runs the embedded server we found; 0: none, or it is ours.
  int owner_pid() const { return owner_pid_; }

 private:
  bool embedded_ = false;
  int owner_pid_ = 0;
  clickhouse::Endpoint tidemark_, reader_, admin_;
  std::unique_ptr<clickhouse::EmbeddedServer> server_;
};

// What would give wrong numbers on a cluster, before anything is made. Errors: unsupported.
Status refuse_on_cluster(const config::Project& project);

}  // namespace tidemark::cli
