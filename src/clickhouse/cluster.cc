#include "clickhouse/cluster.h"

#include "clickhouse/retry.h"
#include "clickhouse/schema.h"
#include "clickhouse/shard_split.h"
#include "clickhouse/sql_tokens.h"

#include <algorithm>
#include <fmt/format.h>
#include <future>

namespace tidemark::clickhouse {
namespace {

// Of one shard: as many as the initiator has (cli/running_project.cc), for parts of several tables come at
// once.
constexpr size_t shard_connections = 12;

// One of several servers is starting again more often than one of one.
constexpr std::chrono::milliseconds open_deadline{5'000};

constexpr const char* place_table = "tidemark_shard.place";

std::string where(size_t index, const Endpoint& endpoint) {
  return fmt::format("shard {} of warehouse.cluster ({})", index + 1, endpoint.base_url());
}

}  // namespace

Result<std::shared_ptr<Cluster>> Cluster::open(const Endpoint& initiator, const std::string& name,
                                               const std::vector<std::string>& urls) {
  RetryPolicy policy;
  policy.deadline = open_deadline;
  std::atomic<bool> stop{false};
  std::shared_ptr<Cluster> cluster;
  TRY_VOID(retry(policy, stop, [&]() -> Status {
    cluster = TRY(look(initiator, name, urls));
    return {};
  }));
  return cluster;
}

Result<std::shared_ptr<Cluster>> Cluster::look(const Endpoint& initiator, const std::string& name,
                                               const std::vector<std::string>& urls) {
  Endpoint plain = initiator;
  plain.cluster = nullptr;
  Client client(plain);
  Block hosts = TRY(client.query(
      "SELECT host_name, is_local FROM system.clusters WHERE cluster = {name:String} ORDER BY shard_num, "
      "replica_num LIMIT 1 BY shard_num",
      {.parameters = {{"name", name}}}));
  if (hosts.rows() == 0) {
    Block known =
        TRY(client.query("SELECT arrayStringConcat(groupUniqArray(cluster), ', ') FROM system.clusters"));
    return fail(ErrorKind::config,
                fmt::format("{} knows no cluster {}; it knows: {}", plain.base_url(), name,
                            known.columns[0].text(0).empty() ? "none" : known.columns[0].text(0)),
                "put the cluster into <remote_servers> of that server's configuration, or correct "
                "warehouse.cluster");
  }
  if (!urls.empty() && urls.size() != hosts.rows())
    return fail(ErrorKind::config,
                fmt::format("warehouse.shards has {} servers, and cluster {} has {} shards", urls.size(),
                            name, hosts.rows()),
                "name one server of each shard, in the order of <remote_servers>");
  // Replicas need Keeper and a name for each server; with one of both missing, tables are each server's own.
  bool keeper = client.query("SELECT count() FROM system.zookeeper WHERE path = '/'").has_value();
  Block macros = TRY(client.query("SELECT count() FROM system.macros WHERE macro IN ('shard', 'replica')"));
  auto cluster = std::shared_ptr<Cluster>(
      new Cluster(plain, {.cluster = name, .replicated = keeper && macros.columns[0].get<uint64_t>(0) == 2}));
  for (size_t row = 0; row < hosts.rows(); ++row) {
    Endpoint shard = plain;
    if (!urls.empty())
      shard = TRY_IN(Endpoint::parse(urls[row], plain.user, plain.password), "warehouse.shards");
    else if (hosts.columns[1].get<uint8_t>(row) == 0)
      shard.url_host = std::string(hosts.columns[0].text(row));
    shard.database = "default";
    cluster->pools_.push_back(std::make_unique<ClientPool>(shard, shard_connections));
  }
  for (size_t index = 0; index < cluster->shards(); ++index) {
    auto answer = cluster->shard(index).query("SELECT 1");
    if (!answer) return fail(std::move(answer.error()).in(where(index, cluster->shard(index).endpoint())));
  }
  TRY_VOID(cluster->check_each_other());
  TRY_VOID(cluster->check_places());
  return cluster;
}

// That the initiator's Distributed tables reach the servers we write to.
Status Cluster::check_each_other() {
  Client client(initiator_);
  auto seen = client.query(fmt::format(
      "SELECT toUInt64(shardNum()) AS number, toUInt64(tcpPort()) AS port, hostName() AS host FROM "
      "cluster({}, system.one) ORDER BY number",
      quote_string(layout_.cluster)));
  if (!seen)
    return fail(std::move(seen.error())
                    .in(fmt::format("{} asks the shards of cluster {} (it takes their hosts, users and "
                                    "passwords from <remote_servers>)",
                                    initiator_.base_url(), layout_.cluster)));
  for (size_t index = 0; index < shards(); ++index) {
    Block own = TRY(shard(index).query("SELECT toUInt64(tcpPort()), hostName()"));
    bool same = index < seen->rows() &&
                own.columns[0].get<uint64_t>(0) == seen->columns[1].get<uint64_t>(index) &&
                own.columns[1].text(0) == seen->columns[2].text(index);
    // Another replica of the shard may have answered.
    if (!same && !layout_.replicated)
      return fail(ErrorKind::config,
                  fmt::format("{} is not the server that cluster {} has as shard {}",
                              shard(index).endpoint().base_url(), layout_.cluster, index + 1),
                  "list warehouse.shards in the order of <remote_servers>");
  }
  return {};
}

Status Cluster::check_places() {
  Client client(initiator_);
  bool recorded = false;
  if (TRY(table_exists(client, "tidemark", "cluster"))) {
    Block known = TRY(client.query("SELECT toUInt64(max(shards)) FROM tidemark.cluster HAVING count() > 0"));
    recorded = known.rows() == 1;
    if (recorded && known.columns[0].get<uint64_t>(0) != shards())
      return fail(
          ErrorKind::conflict,
          fmt::format("this warehouse lies on {} shards, and cluster {} has {} now",
                      known.columns[0].get<uint64_t>(0), layout_.cluster, shards()),
          "rows stay where they are, so the number of shards cannot change: go back to the cluster as "
          "it was, or copy into a new, empty cluster");
  }
  for (size_t index = 0; index < shards(); ++index) {
    auto lease = shard(index).lease();
    std::string place = where(index, lease->endpoint());
    uint64_t number = 0;
    if (TRY_IN(table_exists(*lease, "tidemark_shard", "place"), place)) {
      Block block = TRY_IN(
          lease->query(fmt::format("SELECT toUInt64(max(number)) FROM {} HAVING count() > 0", place_table)),
          place);
      if (block.rows() == 1) number = block.columns[0].get<uint64_t>(0);
    }
    if (number == 0 && recorded)
      return fail(ErrorKind::conflict, fmt::format("{} has lost what it held", place),
                  "restore that server's data, or copy anew into a new, empty cluster");
    if (number != 0 && number != index + 1)
      return fail(ErrorKind::conflict, fmt::format("{} holds what shard {} held before", place, number),
                  "put the shards back in their order, in <remote_servers> and in warehouse.shards");
  }
  return {};
}

Status Cluster::claim() {
  Client client(initiator_);
  if (!TRY(table_exists(client, "tidemark", "cluster"))) {
    Block others =
        TRY(client.query("SELECT any(name) FROM system.tables WHERE database = 'bronze' AND engine LIKE "
                         "'%MergeTree' HAVING count() > 0"));
    if (others.rows() > 0)
      return fail(ErrorKind::conflict,
                  fmt::format("the warehouse at {} was made on one server: it has bronze.{}",
                              initiator_.base_url(), others.columns[0].text(0)),
                  "rows are not moved to the shards: begin with a cluster that has no database bronze and "
                  "tidemark (docs/CLUSTER.md), or leave warehouse.cluster out");
    TRY_VOID(refuse_other_initiator());
  }
  for (size_t index = 0; index < shards(); ++index) {
    auto lease = shard(index).lease();
    for (const auto& statement :
         {std::string("CREATE DATABASE IF NOT EXISTS tidemark_shard"),
          fmt::format(
              "CREATE TABLE IF NOT EXISTS {} (number UInt32) ENGINE = ReplacingMergeTree ORDER BY number "
              "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1",
              place_table),
          fmt::format("INSERT INTO {} VALUES ({})", place_table, index + 1)})
      TRY_VOID(lease->execute(statement));
  }
  for (const auto& statement :
       {std::string("CREATE DATABASE IF NOT EXISTS tidemark"),
        std::string(
            "CREATE TABLE IF NOT EXISTS tidemark.cluster (cluster String, shards UInt32) ENGINE = "
            "ReplacingMergeTree ORDER BY cluster SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"),
        fmt::format("INSERT INTO tidemark.cluster VALUES ({}, {})", quote_string(layout_.cluster), shards())})
    TRY_VOID(client.execute(statement));
  return {};
}

// What was fenced is known to the initiator alone: another one would begin anew, over rows that are there.
Status Cluster::refuse_other_initiator() {
  Client client(initiator_);
  for (size_t index = 0; index < shards(); ++index) {
    Block tables = TRY(shard(index).query("SELECT any(name) FROM system.tables WHERE database = " +
                                          quote_string(shard_database("bronze")) + " HAVING count() > 0"));
    // Another process of the project may have been here first.
    if (tables.rows() == 0 || TRY(table_exists(client, "tidemark", "cluster"))) continue;
    return fail(
        ErrorKind::conflict,
        fmt::format("{} has rows of {}, and {} knows nothing of them", where(index, shard(index).endpoint()),
                    tables.columns[0].text(0), initiator_.base_url()),
        "set warehouse.url to the server it was when they were written; or begin with an empty cluster");
  }
  return {};
}

Status Cluster::refuse_cluster_of(Client& client) {
  if (!TRY(table_exists(client, "tidemark", "cluster"))) return {};
  Block known = TRY(
      client.query("SELECT any(cluster), toUInt64(max(shards)) FROM tidemark.cluster HAVING count() > 0"));
  if (known.rows() == 0) return {};
  return fail(ErrorKind::conflict,
              fmt::format("this warehouse lies on the {} shards of cluster {}",
                          known.columns[1].get<uint64_t>(0), known.columns[0].text(0)),
              fmt::format("set warehouse.cluster: {}", known.columns[0].text(0)));
}

void Cluster::allow_connections(size_t count) {
  for (auto& pool : pools_) pool->grow(count);
}

Result<std::string> Cluster::describe(size_t index) {
  auto lease = shard(index).lease();
  std::string version = TRY_IN(server_version(*lease), where(index, lease->endpoint()));
  return fmt::format("{}: ClickHouse {}", lease->endpoint().base_url(), version);
}

const std::map<std::string, std::string>& Cluster::settings() {
  static const std::map<std::string, std::string> all{
      // What is asked for inside another question is asked for once, of all shards.
      {"distributed_product_mode", "global"},
      {"prefer_global_in_and_join", "1"},
      // A condition that asks another table would be carried to the shards as text, which know no such table.
      {"allow_push_predicate_ast_for_distributed_subqueries", "0"},
      // A shard that is away is an error, never a smaller number.
      {"skip_unavailable_shards", "0"},
      // Mirrored rows are not placed by ClickHouse's hash.
      {"optimize_skip_unused_shards", "0"},
      // An INSERT through a Distributed table is in when it returns.
      {"distributed_foreground_insert", "1"},
      // INSERT SELECT means what it says, not the same on each shard for itself.
      {"parallel_distributed_insert_select", "0"},
      // Where rows were just written, unless it is away.
      {"load_balancing", "in_order"},
      {"distributed_ddl_output_mode", "throw"},
  };
  return all;
}

bool Cluster::concerns(std::string_view sql, Placement placement) {
  if (placement == Placement::shards) return true;
  if (placement == Placement::initiator) return false;
  for (std::string_view word : {"CREATE ", "DROP ", "ALTER ", "TRUNCATE ", "SYSTEM "})
    if (sql.starts_with(word)) return true;
  return false;
}

Result<Cluster::Catalog> Cluster::catalog() {
  Block block =
      TRY(shard(0).query("SELECT substring(database, 1, length(database) - length('_shard')), name, "
                         "engine_full, sorting_key FROM "
                         "system.tables WHERE endsWith(database, '_shard')"));
  Catalog catalog;
  for (size_t row = 0; row < block.rows(); ++row)
    catalog[{std::string(block.columns[0].text(row)), std::string(block.columns[1].text(row))}] = {
        std::string(block.columns[2].text(row)), std::string(block.columns[3].text(row))};
  return catalog;
}

Status Cluster::on_every_shard(const std::function<Status(size_t)>& action) {
  std::vector<std::future<Status>> others;
  for (size_t index = 1; index < shards(); ++index)
    others.push_back(std::async(std::launch::async, [&action, index] { return action(index); }));
  Status outcome = action(0);
  size_t failed = 0;
  for (size_t index = 1; index < shards(); ++index) {
    Status other = others[index - 1].get();
    if (outcome && !other) {
      outcome = std::move(other);
      failed = index;
    }
  }
  if (outcome) return outcome;
  return fail(std::move(outcome.error()).in(where(failed, shard(failed).endpoint())));
}

Result<bool> Cluster::execute(std::string_view sql, const QueryOptions& options,
                              const std::function<Status(std::string_view)>& ask) {
  Catalog known = TRY(catalog());
  auto steps = TRY(cluster_steps(
      sql, options.placement, layout_,
      [&](const std::string& database, const std::string& table) -> std::optional<ShardedTable> {
        auto found = known.find({database, table});
        if (found == known.end()) return std::nullopt;
        return ShardedTable{found->second.engine};
      }));
  if (!steps) return false;
  {
    std::lock_guard lock(mutex_);
    keys_.clear();
  }
  for (const auto& step : *steps) {
    if (step.where != ClusterStep::Where::shards) {
      TRY_VOID(ask(step.sql));
      continue;
    }
    TRY_VOID(on_every_shard([&](size_t index) {
      QueryOptions own = options;
      auto token = own.settings.find("insert_deduplication_token");
      if (token != own.settings.end()) token->second += fmt::format(":{}", index + 1);
      return shard(index).execute(step.sql, own);
    }));
  }
  return true;
}

Result<std::vector<std::string>> Cluster::key_of(const std::string& table) {
  {
    std::lock_guard lock(mutex_);
    if (auto found = keys_.find(table); found != keys_.end()) return found->second;
  }
  Catalog known = TRY(catalog());
  auto found = known.find({"bronze", table});
  // Change rows are put where their rows are.
  constexpr std::string_view changes = "__changes";
  if (found != known.end() && found->second.sorting_key.empty() && table.ends_with(changes))
    found = known.find({"bronze", table.substr(0, table.size() - changes.size())});
  if (found == known.end())
    return fail(ErrorKind::refused, fmt::format("there is no table bronze.{} on the shards", table));
  std::vector<std::string> key;
  std::string sorting = found->second.sorting_key;
  for (const auto& token : TRY(tokenize(sorting)))
    if (token.identifier()) key.push_back(token.name);
  std::lock_guard lock(mutex_);
  return keys_[table] = std::move(key);
}

Status Cluster::insert(std::string_view table, const Block& block, const QueryOptions& options) {
  auto tokens = TRY(tokenize(table));
  if (tokens.size() != 3) return fail(ErrorKind::internal, fmt::format("{} is no table's name", table));
  auto key = TRY(key_of(tokens[2].name));
  auto shard_of_row = TRY(shards_of_rows(block, key, shards()));
  std::vector<size_t> rows(shards());
  for (uint32_t number : shard_of_row) ++rows[number];
  std::string target = quote_table(shard_database(tokens[0].name), tokens[2].name);
  return on_every_shard([&](size_t index) -> Status {
    if (rows[index] == 0) return {};
    QueryOptions own = options;
    auto token = own.settings.find("insert_deduplication_token");
    if (token != own.settings.end()) token->second += fmt::format(":{}", index + 1);
    if (rows[index] == block.rows()) return shard(index).lease()->insert(target, block, own);
    return shard(index).lease()->insert(
        target, rows_of_shard(block, shard_of_row, static_cast<uint32_t>(index)), own);
  });
}

std::string system_table(const Client& client, std::string_view table) {
  const auto& cluster = client.endpoint().cluster;
  if (cluster == nullptr) return fmt::format("system.{}", table);
  bool parts = table == "parts";
  std::string columns =
      parts ? "table, partition, partition_id, rows, bytes_on_disk, active" : "name, engine, sorting_key";
  // Columns with their table's name: `database` alone would be the one that is given here.
  return fmt::format(
      "(SELECT {0} substring(_local.database, 1, length(_local.database) - length('_shard')) AS database, "
      "{1} FROM "
      "cluster({2}, system.{3}) AS _local WHERE endsWith(_local.database, '_shard') UNION ALL SELECT "
      "database, {1} "
      "FROM system.{3} WHERE NOT endsWith(database, '_shard'){4})",
      parts ? "" : "DISTINCT", columns, quote_string(cluster->name()), table,
      parts ? "" : " AND engine != 'Distributed'");
}

}  // namespace tidemark::clickhouse
