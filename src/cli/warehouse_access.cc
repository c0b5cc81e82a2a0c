#include "cli/warehouse_access.h"

#include "clickhouse/cluster.h"
#include "config/webhook_source.h"

#include <fmt/format.h>

namespace tidemark::limits {

// A child that died is started again after 0.1 s at first and answers about a second later.
constexpr std::chrono::milliseconds restart_patience{15'000};

}  // namespace tidemark::limits

namespace tidemark::cli {

using clickhouse::Account;

Result<clickhouse::Endpoint> remote_endpoint(const config::RemoteWarehouse& remote) {
  clickhouse::Endpoint endpoint =
      TRY_IN(clickhouse::Endpoint::parse(remote.url, remote.user, remote.password),
             "warehouse.url in tidemark.yaml");
  if (!remote.cluster.empty()) {
    endpoint.cluster = TRY(clickhouse::Cluster::open(endpoint, remote.cluster, remote.shards));
    return endpoint;
  }
  clickhouse::Client client(endpoint);
  // A server that does not answer is for whoever asks it something.
  if (Status alone = clickhouse::Cluster::refuse_cluster_of(client);
      !alone && alone.error().kind == ErrorKind::conflict)
    return fail(std::move(alone.error()));
  return endpoint;
}

Result<WarehouseAccess> WarehouseAccess::open(const config::Project& project, Start start) {
  WarehouseAccess access;
  if (const config::RemoteWarehouse* remote = project.warehouse.remote()) {
    access.tidemark_ = TRY(remote_endpoint(*remote));
    access.reader_ = access.admin_ = access.tidemark_;
    return access;
  }
  const config::EmbeddedWarehouse& embedded = *project.warehouse.embedded();
  access.embedded_ = true;
  if (auto running = clickhouse::EmbeddedServer::find_running(embedded.data, limits::restart_patience)) {
    access.tidemark_ = running->of(Account::tidemark);
    access.reader_ = running->of(Account::reader);
    access.admin_ = running->of(Account::admin);
    access.owner_pid_ = running->owner_pid;
    return access;
  }
  if (start == Start::never)
    return fail(ErrorKind::dependency_down,
                fmt::format("the embedded ClickHouse of {} is not running", project.name),
                "Start the project: tidemark up");
  clickhouse::EmbeddedOptions options;
  options.data_directory = embedded.data;
  options.http_port = 0;
  options.tcp_port = 0;
  access.server_ =
      TRY_IN(clickhouse::EmbeddedServer::start(std::move(options)), "starting the embedded ClickHouse");
  access.tidemark_ = access.server_->endpoint(Account::tidemark);
  access.reader_ = access.server_->endpoint(Account::reader);
  access.admin_ = access.server_->endpoint(Account::admin);
  return access;
}

clickhouse::Endpoint WarehouseAccess::endpoint(Account account) const {
  switch (account) {
    case Account::tidemark:
      return tidemark_;
    case Account::reader:
      return reader_;
    case Account::admin:
      return admin_;
  }
  return reader_;
}

Status refuse_on_cluster(const config::Project& project) {
  auto refuse = [](std::string what, std::string remedy) {
    return fail(ErrorKind::unsupported, what + " on a cluster", std::move(remedy));
  };
  for (const auto& source : project.sources)
    if (source.mode == config::PostgresSource::Mode::batch)
      return refuse(fmt::format("source {} is read in batches, which is not supported", source.name),
                    "set mode: cdc, or leave warehouse.cluster out");
  if (!project.event_sources.empty())
    return refuse(
        fmt::format("source {} takes events, which is not supported", project.event_sources.front().name),
        "let it write to a topic that a Kafka source reads, or leave warehouse.cluster out");
  if (auto webhooks = TRY(config::load_webhook_sources(project.root)); !webhooks.empty())
    return refuse(
        fmt::format("source {} is called by others or asks them, which is not supported",
                    webhooks.front().events.name),
        "let another project take the calls and write them to a topic, or leave warehouse.cluster out");
  if (!project.insert_tables.empty())
    return refuse(
        fmt::format("the table {} to write to is not supported", project.insert_tables.front().full_name()),
        "write to a table of a Postgres source, or leave warehouse.cluster out");
  if (!project.dictionaries.empty())
    return refuse(fmt::format("dictionary {} is not supported", project.dictionaries.front().full_name()),
                  "join the table instead, or leave warehouse.cluster out");
  return {};
}

}  // namespace tidemark::cli
