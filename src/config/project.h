// A project as the user wrote it: the typed form of tidemark.yaml and the folders beside it. load_project()
// reads all of it, offline, and reports every mistake of every file at once; nothing here asks a server
// anything.
//
// Plain values: built once by the loader, read by everybody after. When LoadedProject::errors is empty every
// invariant written below holds. Secrets are Secret and never part of a Diagnostic.
#pragma once

#include "base/secret.h"
#include "config/access_token.h"
#include "config/dashboard.h"
#include "config/event_source.h"
#include "config/insert_source.h"
#include "config/kafka_source.h"
#include "config/model_file.h"
#include "config/postgres_source.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace tidemark::config {

struct EmbeddedWarehouse {
  std::filesystem::path data;  // absolute; default <project>/data
  uint16_t http_port = 8123;   // 0: any free port
  uint16_t tcp_port = 9000;    // 0: any free port
};

struct RemoteWarehouse {
  std::string url;  // http(s)://host:port
  std::string user = "default";
  Secret password;
  std::string cluster;              // empty: a single server
  std::vector<std::string> shards;  // URLs, one a shard; empty: from system.clusters
};

struct Warehouse {
  std::variant<EmbeddedWarehouse, RemoteWarehouse> where;

  const EmbeddedWarehouse* embedded() const { return std::get_if<EmbeddedWarehouse>(&where); }
  const RemoteWarehouse* remote() const { return std::get_if<RemoteWarehouse>(&where); }
};

struct Http {
  std::string host = "127.0.0.1";
  uint16_t port = 8088;  // 0: any free port
  bool reading_needs_token = false;
};

struct Project {
  std::filesystem::path root;  // absolute
  std::string name;
  Warehouse warehouse;
  Http http;
  std::vector<AccessToken> tokens;
  std::vector<PostgresSource> sources;  // by file name, as all of these
  std::vector<KafkaSource> kafka_sources;
  std::vector<EventSource> event_sources;
  std::vector<InsertTable> insert_tables;
  std::vector<CriteriaTable> criteria_tables;
  std::vector<ModelFile> models;
  std::vector<AuditFile> audits;
  std::vector<DictionaryFile> dictionaries;
  std::vector<Dashboard> dashboards;
  std::vector<EndpointFile> endpoints;
};

struct LoadOptions {
  bool offline = false;  // unset variables are warnings, not errors: `check` on a machine without the secrets
};

struct LoadedProject {
  Project project;
  std::vector<Diagnostic> errors;    // by file, then line
  std::vector<Diagnostic> warnings;  // likewise

  bool ok() const { return errors.empty(); }
};

// Never fails as a call: an unreadable directory is a diagnostic like any other.
LoadedProject load_project(const std::filesystem::path& directory, const LoadOptions& options = {});

}  // namespace tidemark::config
