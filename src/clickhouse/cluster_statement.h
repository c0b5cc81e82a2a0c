// What a statement of Tidemark's becomes on a cluster. Pure text: which server gets what; cluster.h sends it.
//
// Data of `db.t` lies on every shard as `db_shard.t`; the initiator, the server that is asked, has `db.t` as
// a Distributed table over them. So whoever reads writes the same names on a cluster as on one server.
//   CREATE TABLE                everything but Tidemark's own state: on every shard, and its Distributed
//                               table on the initiator
//   CREATE MATERIALIZED VIEW    on every shard, over local names
//   CREATE VIEW                 those of mirrored tables and snapshots on both; models' on the initiator
//   ALTER, TRUNCATE, SYSTEM     of sharded tables: on every shard
//   DROP                        on every shard, then on the initiator, so that what was cut short can be
//   found
// Names are changed token by token, never by text search. With replicas, what makes and drops is sent once,
// ON CLUSTER, and what changes data to one replica of each shard, as replication carries it to the others.
#pragma once

#include "base/error.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::clickhouse {

// Where a statement goes on a cluster; without one it makes no difference.
enum class Placement {
  automatic,  // as above; INSERT SELECT on the initiator, through Distributed tables
  by_key,     // CREATE TABLE that is inserted into through its Distributed table: rows of a key on one shard
  initiator,  // as it is written, on the server that is asked
  shards,     // on every shard, over what that shard has
};

// The database on the shards that holds what `database` shows.
std::string shard_database(std::string_view database);

struct ClusterLayout {
  std::string cluster;      // as in remote_servers
  bool replicated = false;  // there is Keeper, and {shard} and {replica} have values
};

struct ShardedTable {
  std::string engine;  // as the shards have it, in full
};
// Null: not sharded.
using ShardedTables =
    std::function<std::optional<ShardedTable>(const std::string& database, const std::string& table)>;

// In the order they are sent. `once`: on the initiator, with ON CLUSTER in it; else on every shard.
struct ClusterStep {
  enum class Where { shards, once, initiator } where;
  std::string sql;
};

// Nothing: the statement is the initiator's alone, as it is. Errors: unsupported, for what would give wrong
// numbers.
Result<std::optional<std::vector<ClusterStep>>> cluster_steps(std::string_view sql, Placement placement,
                                                              const ClusterLayout& layout,
                                                              const ShardedTables& sharded);

}  // namespace tidemark::clickhouse
