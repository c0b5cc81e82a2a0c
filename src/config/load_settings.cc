#include "base/limits.h"
#include "config/kafka_output_reader.h"
#include "config/loading.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

EmbeddedWarehouse read_embedded(Reader reader, const YamlNode& node, const Project& project) {
  EmbeddedWarehouse warehouse;
  MappingReader embedded(reader, node, "`embedded`");
  warehouse.data = (project.root / embedded.text("path", "data")).lexically_normal();
  warehouse.http_port = static_cast<uint16_t>(embedded.integer("http_port", 0, 65535).value_or(8123));
  warehouse.tcp_port = static_cast<uint16_t>(embedded.integer("tcp_port", 0, 65535).value_or(9000));
  if (warehouse.http_port != 0 && warehouse.http_port == warehouse.tcp_port)
    embedded.error("tcp_port", fmt::format("`tcp_port` and `http_port` are both {}", warehouse.http_port),
                   "Give them different ports, or 0 for any free one.");
  embedded.finish();
  return warehouse;
}

RemoteWarehouse read_remote(MappingReader& mapping) {
  RemoteWarehouse warehouse;
  warehouse.url = mapping.text("url");
  warehouse.user = mapping.text("user", "default");
  warehouse.password = Secret(mapping.text("password"));
  warehouse.cluster = mapping.text("cluster");
  warehouse.shards = mapping.texts("shards");
  if (!warehouse.shards.empty() && warehouse.cluster.empty())
    mapping.error("shards", "`shards` without `cluster`",
                  "Name the cluster, as in <remote_servers> of the server at `url`, or leave `shards` out.");
  for (const auto& shard : warehouse.shards)
    if (!shard.starts_with("http://") && !shard.starts_with("https://"))
      mapping.error("shards", fmt::format("`{}` must begin with http:// or https://", shard),
                    "Each shard is spoken to over HTTP: http://host:8123 or https://host:8443.");
  if (!warehouse.url.empty() && !warehouse.url.starts_with("http://") &&
      !warehouse.url.starts_with("https://"))
    mapping.error("url", "`url` must begin with http:// or https://",
                  "ClickHouse is spoken to over HTTP: http://host:8123 or https://host:8443.");
  return warehouse;
}

Warehouse read_warehouse(Reader reader, const YamlNode& node, const Project& project) {
  MappingReader mapping(reader, node, "`warehouse`");
  Warehouse warehouse{EmbeddedWarehouse{.data = project.root / "data"}};
  const YamlNode* embedded = mapping.child("embedded");
  bool remote = mapping.has("url");
  if (embedded != nullptr && remote) {
    mapping.error("url", "`warehouse` has both `embedded` and `url`", "Keep one of them.");
  }
  if (embedded != nullptr) warehouse.where = read_embedded(reader, *embedded, project);
  RemoteWarehouse read = read_remote(mapping);
  if (remote) warehouse.where = std::move(read);
  for (const char* key : {"user", "password", "cluster", "shards"})
    if (!remote && mapping.has(key))
      mapping.error(key, fmt::format("`{}` without `url`", key),
                    "It belongs to a server of your own; the embedded one makes its accounts itself.");
  mapping.finish();
  return warehouse;
}

}  // namespace

void load_settings(Reader reader, const std::filesystem::path& file, Project& project) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader settings(reader, *node, "a project");
  project.name = settings.required_text("project");
  if (!project.name.empty())
    check_identifier(reader.report, settings.where("project"), "a project", project.name);
  if (const YamlNode* warehouse = settings.child("warehouse"))
    project.warehouse = read_warehouse(reader, *warehouse, project);
  if (const YamlNode* http = settings.child("http")) {
    MappingReader mapping(reader, *http, "`http`");
    auto listen = mapping.listen("listen");
    project.http.reading_needs_token =
        mapping.choice<bool>("reading", {{"open", false}, {"token", true}}, false);
    if (listen) {
      project.http.host = listen->host;
      project.http.port = listen->port;
      if (!is_loopback(listen->host) && !project.http.reading_needs_token)
        mapping.warning(
            "listen",
            fmt::format("the page and the API will be reachable from other machines ({})", listen->host),
            "`reading: token` beside it asks for a token with the scope read; or put a proxy with a password "
            "before it, or listen on 127.0.0.1.");
      const EmbeddedWarehouse* embedded = project.warehouse.embedded();
      if (embedded != nullptr && listen->port != 0 &&
          (listen->port == embedded->http_port || listen->port == embedded->tcp_port))
        mapping.error("listen", fmt::format("port {} is the embedded ClickHouse's", listen->port),
                      "Give the page a port of its own.");
    }
    mapping.finish();
  }
  if (const YamlNode* tokens = settings.child("tokens")) read_tokens(reader, *tokens, project);
  if (const YamlNode* kafka = settings.child("kafka")) read_kafka_output(reader, *kafka, project.name);
  settings.finish();
}

bool check_identifier(Report& report, const Location& where, std::string_view what, const std::string& name) {
  auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  bool fits =
      !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), word);
  if (!fits) {
    report.error(where, fmt::format("`{}` cannot be the name of {}", name, what),
                 "Use letters, digits and _, not starting with a digit.");
    return false;
  }
  if (name.size() > limits::identifier_bytes_max) {
    report.error(where, fmt::format("the name of {} has {} bytes; at most {} are possible", what, name.size(),
                                    limits::identifier_bytes_max));
    return false;
  }
  return true;
}

}  // namespace tidemark::config
