// The shards of `warehouse.cluster`, behind the server that is asked (the initiator).
//
// An Endpoint with a Cluster makes every Client of it write to the shards: statements are sorted by
// cluster_statement.h, rows of mirrored tables are split by key (shard_split.h) and each piece goes to its
// shard's own HTTP port, under the token with the shard's number behind it. Reading goes to the initiator, by
// the same names as on one server, with settings that make Distributed tables answer like whole ones.
//
// Failure. A statement or an INSERT is done when every shard has it; an error says nothing of the others, so
// it is repeated whole: statements name what exists already, pieces have their tokens.
//
// What lies where never changes by itself: tidemark.cluster on the initiator has the number of shards, and
// tidemark_shard.place on each shard its own number. Another number, or shards that changed places, are
// refused.
//
// Threads: any number; each shard has a pool of connections.
#pragma once

#include "clickhouse/client_pool.h"
#include "clickhouse/cluster_statement.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tidemark::clickhouse {

class Cluster {
 public:
  // `urls`: of the shards, in the cluster's order, one replica each; empty: the hosts of system.clusters with
  // the scheme and HTTP port of the initiator. User and password are the initiator's. Only looks. Errors:
  // config (no such cluster, another number of shards), dependency_down (a shard does not answer), refused
  // (the servers may not ask each other), conflict (not the shards of before).
  static Result<std::shared_ptr<Cluster>> open(const Endpoint& initiator, const std::string& name,
                                               const std::vector<std::string>& urls);

  // Writes down how many shards there are and which is which. Errors: conflict, when the warehouse was made
  // on one server, or through another initiator.
  Status claim();
  // For a server without `cluster`. Errors: conflict, when the warehouse was made on one.
  static Status refuse_cluster_of(Client& client);

  size_t shards() const { return pools_.size(); }
  const std::string& name() const { return layout_.cluster; }
  bool replicated() const { return layout_.replicated; }
  ClientPool& shard(size_t index) { return *pools_[index]; }
  // So many connections to each shard at once, if that is more than there may be.
  void allow_connections(size_t count);
  // "http://a:8123: ClickHouse 26.7.2.1", for doctor.
  Result<std::string> describe(size_t index);

  // Whether a statement may be for the shards; cheap.
  static bool concerns(std::string_view sql, Placement placement);
  // `ask`: runs a statement on the initiator. Nothing: the statement is the initiator's alone.
  Result<bool> execute(std::string_view sql, const QueryOptions& options,
                       const std::function<Status(std::string_view)>& ask);
  // Of every statement and query that the initiator gets.
  static const std::map<std::string, std::string>& settings();

  // Whether rows of `table` ("bronze.`orders`") are split.
  static bool splits(std::string_view table) { return table.starts_with("bronze."); }
  Status insert(std::string_view table, const Block& block, const QueryOptions& options);
  // The columns that say which shard a row of bronze.<table> is on. Errors: refused, when there is no such
  // table.
  Result<std::vector<std::string>> key_of(const std::string& table);

 private:
  struct Local {
    std::string engine, sorting_key;
  };
  using Catalog = std::map<std::pair<std::string, std::string>, Local>;  // by database and table, as shown

  Cluster(Endpoint initiator, ClusterLayout layout) : initiator_(std::move(initiator)), layout_(layout) {}
  static Result<std::shared_ptr<Cluster>> look(const Endpoint& initiator, const std::string& name,
                                               const std::vector<std::string>& urls);
  Status check_places();
  Status refuse_other_initiator();
  Status check_each_other();
  Result<Catalog> catalog();
  Status on_every_shard(const std::function<Status(size_t)>& action);

  Endpoint initiator_;  // without cluster
  ClusterLayout layout_;
  std::vector<std::unique_ptr<ClientPool>> pools_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> keys_;
};

// A table of system ("tables", "parts") as one server shows it: what the shards have, under the names that
// are asked for, and what only the initiator has. On one server the table itself.
// tables: database, name, engine, sorting_key; parts: database, table, partition, partition_id, rows,
// bytes_on_disk, of active parts.
std::string system_table(const Client& client, std::string_view table);

}  // namespace tidemark::clickhouse
