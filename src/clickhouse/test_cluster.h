// For tests: two embedded servers that are the shards of cluster "main". Ports and passwords are made when a
// server first starts, so each starts once to learn its ports, with the passwords of the first, and again
// knowing the other.
#pragma once

#include "clickhouse/cluster.h"
#include "clickhouse/test_server.h"

#include <array>

namespace tidemark::clickhouse {

class TestCluster {
 public:
  TestCluster() {
    std::string shards;
    std::array<EmbeddedOptions, 2> options;
    for (size_t index = 0; index < 2; ++index) {
      options[index] = test_server_options(directories_[index].path());
      if (index > 0)
        std::filesystem::copy(directories_[0].path() / "credentials",
                              directories_[index].path() / "credentials",
                              std::filesystem::copy_options::recursive);
      start(index, options[index]);
      options[index].http_port = servers_[index]->http_port();
      options[index].tcp_port = servers_[index]->tcp_port();
      shards += fmt::format(
          "<shard><replica><host>127.0.0.1</host><port>{}</port><user>tidemark</user><password>{}</password>"
          "</replica></shard>",
          options[index].tcp_port, servers_[index]->endpoint(Account::tidemark).password.reveal());
    }
    for (size_t index = 0; index < 2; ++index) {
      servers_[index].reset();
      options[index].extra_config = "<remote_servers><main>" + shards + "</main></remote_servers>";
      start(index, options[index]);
    }
  }

  // Of shard 1, with the cluster.
  Endpoint endpoint() {
    Endpoint initiator = servers_[0]->endpoint(Account::tidemark);
    auto cluster = Cluster::open(initiator, "main",
                                 {initiator.base_url(), servers_[1]->endpoint(Account::tidemark).base_url()});
    if (!cluster) throw std::runtime_error(cluster.error().describe());
    initiator.cluster = *cluster;
    return initiator;
  }

 private:
  void start(size_t index, const EmbeddedOptions& options) {
    auto started = EmbeddedServer::start(options);
    if (!started) throw std::runtime_error(started.error().describe());
    servers_[index] = std::move(*started);
  }

  std::array<TestDirectory, 2> directories_;
  std::array<std::unique_ptr<EmbeddedServer>, 2> servers_;
};

}  // namespace tidemark::clickhouse
