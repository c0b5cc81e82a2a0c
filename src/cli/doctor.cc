// tidemark doctor: everything that could be wrong between this project and its servers, each with its remedy.
#include "base/clock.h"
#include "cli/kafka_findings.h"
#include "cli/output.h"
#include "cli/running_instance.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "clickhouse/client.h"
#include "clickhouse/cluster.h"
#include "clickhouse/embedded_server.h"
#include "ingest/batch_table.h"
#include "postgres/batch_preflight.h"

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <boost/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace tidemark::cli {
namespace {

using postgres::Finding;
using Level = Finding::Level;

// Times of rows, lag and timers are compared across machines; beyond this they mislead.
constexpr int64_t clock_difference_us_max = 1'000'000;

// Below this the embedded warehouse soon cannot merge: parts are rewritten beside the old ones.
constexpr uint64_t disk_free_bytes_min = uint64_t{2} << 30;

const char* word(Level level) {
  return level == Level::pass ? "pass" : level == Level::warn ? "warn" : "fail";
}

Finding failed(std::string check, const Error& error) {
  return {.level = Level::fail,
          .check = std::move(check),
          .detail = error.message,
          .remedy = error.remedy,
          .kind = error.kind};
}

// `asked` is one server's clock, read between two readings of ours, so that its way there and back is known.
Finding compare_clock(const std::string& whose, const std::function<Result<int64_t>()>& asked) {
  int64_t before = system_clock().wall_micros();
  auto theirs = asked();
  int64_t after = system_clock().wall_micros();
  if (!theirs) return failed("clock", theirs.error());
  int64_t difference = *theirs < before ? *theirs - before : *theirs > after ? *theirs - after : 0;
  auto text = fmt::format("{} is {:.3f} s {} this machine", whose, std::abs(difference) / 1e6,
                          difference < 0 ? "behind" : "ahead of");
  if (std::abs(difference) > clock_difference_us_max)
    return {.level = Level::warn,
            .check = "clock",
            .detail = text,
            .remedy = "set both machines' clocks by NTP: lag and freshness are differences of their clocks"};
  return {.check = "clock", .detail = whose + " agrees with this machine"};
}

// `setting` as the project file names it. A port of 0 is chosen when it is needed.
void look_at_port(std::vector<Finding>& findings, const std::string& host, uint16_t port,
                  const std::string& setting) {
  if (port == 0) return;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return;
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  bool free = bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
              listen(descriptor, 1) == 0;
  int why = errno;
  close(descriptor);
  if (free)
    findings.push_back({.check = "port", .detail = fmt::format("{}:{} is free ({})", host, port, setting)});
  else
    findings.push_back(
        {.level = Level::fail,
         .check = "port",
         .detail = fmt::format("{}:{} cannot be listened on: {}", host, port, std::strerror(why)),
         .remedy = fmt::format("end the program that listens there (ss -ltnp 'sport = :{}' names it), or set "
                               "{} to another port",
                               port, setting),
         .kind = ErrorKind::conflict});
}

std::vector<Finding> look_at_ports(const config::Project& project) {
  std::vector<Finding> findings;
  look_at_port(findings, project.http.host, project.http.port, "http.listen");
  if (const auto* embedded = project.warehouse.embedded()) {
    look_at_port(findings, "127.0.0.1", embedded->http_port, "warehouse.embedded.http_port");
    look_at_port(findings, "127.0.0.1", embedded->tcp_port, "warehouse.embedded.tcp_port");
  }
  return findings;
}

std::vector<Finding> look_at_batch(postgres::Connection& connection, const config::PostgresSource& source,
                                   std::vector<postgres::SourceTable> tables) {
  std::vector<Finding> findings;
  std::vector<postgres::BatchTableChecks> checks;
  for (auto& table : tables) {
    auto batch = ingest::batch_table(std::move(table), source, false);
    if (batch)
      checks.push_back({.table = batch->captured.source, .cursor = batch->cursor});
    else
      findings.push_back(failed("source " + source.name, batch.error()));
  }
  auto preflight = postgres::batch_preflight(connection, checks);
  if (!preflight)
    findings.push_back(failed("source " + source.name, preflight.error()));
  else
    findings.insert(findings.end(), preflight->begin(), preflight->end());
  return findings;
}

std::vector<Finding> look_at_source(const config::PostgresSource& source, bool running) {
  std::string check = "source " + source.name;
  auto connection =
      postgres::Connection::open({.url = source.url.reveal(), .application_name = "tidemark doctor"});
  if (!connection) return {failed(check, connection.error())};
  std::vector<Finding> findings{
      {.check = check, .detail = "connected to " + postgres::display_url(source.url.reveal())}};
  findings.push_back(compare_clock("Postgres of " + source.name, [&]() -> Result<int64_t> {
    auto rows = TRY(connection->query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"));
    return std::strtoll(std::string(rows.at(0, 0)).c_str(), nullptr, 10);
  }));
  auto tables = postgres::read_tables(*connection, source.tables, postgres::selections_of(source));
  if (!tables) {
    findings.push_back(failed(check, tables.error()));
    tables = std::vector<postgres::SourceTable>();
  }
  if (source.mode == config::PostgresSource::Mode::batch) {
    for (auto& finding : look_at_batch(*connection, source, std::move(*tables)))
      findings.push_back(std::move(finding));
    return findings;
  }
  auto preflight =
      postgres::preflight(*connection, {.slot = source.slot,
                                        .publication = source.publication,
                                        .tables = *tables,
                                        .own_application = running ? "tidemark " + source.name : ""});
  if (!preflight)
    findings.push_back(failed(check, preflight.error()));
  else
    findings.insert(findings.end(), preflight->begin(), preflight->end());
  return findings;
}

std::vector<Finding> look_at_shards(const config::RemoteWarehouse& remote) {
  if (remote.cluster.empty()) return {};
  auto endpoint = remote_endpoint(remote);
  if (!endpoint) return {failed("cluster " + remote.cluster, endpoint.error())};
  clickhouse::Cluster& cluster = *endpoint->cluster;
  std::vector<Finding> findings;
  for (size_t index = 0; index < cluster.shards(); ++index) {
    std::string check = fmt::format("shard {} of {}", index + 1, cluster.name());
    auto found = cluster.describe(index);
    if (found)
      findings.push_back({.check = check, .detail = *found + (cluster.replicated() ? ", replicated" : "")});
    else
      findings.push_back(failed(check, found.error()));
  }
  return findings;
}

std::vector<Finding> look_at_warehouse(const config::Project& project, const std::filesystem::path& program) {
  std::vector<Finding> findings;
  if (const auto* remote = project.warehouse.remote()) {
    auto endpoint = clickhouse::Endpoint::parse(remote->url, remote->user, remote->password);
    if (!endpoint) return {failed("warehouse", endpoint.error())};
    clickhouse::Client client(*endpoint);
    auto version = client.query_text("SELECT version() FORMAT TSV");
    if (!version) return {failed("warehouse", version.error())};
    findings = {
        {.check = "warehouse",
         .detail = "ClickHouse " + version->substr(0, version->find('\n')) + " at " + endpoint->base_url()},
        compare_clock("ClickHouse", [&]() -> Result<int64_t> {
          auto now = TRY(client.query_text("SELECT toUnixTimestamp64Micro(now64(6)) FORMAT TSV"));
          return std::strtoll(now.c_str(), nullptr, 10);
        })};
    auto shards = look_at_shards(*remote);
    findings.insert(findings.end(), shards.begin(), shards.end());
    return findings;
  }
  const auto& embedded = *project.warehouse.embedded();
  auto library = clickhouse::EmbeddedServer::find_library(program);
  if (!library)
    findings.push_back(failed("embedded ClickHouse", library.error()));
  else
    findings.push_back({.check = "embedded ClickHouse", .detail = "library " + library->string()});
  if (auto running = clickhouse::EmbeddedServer::find_running(embedded.data))
    findings.push_back(
        {.check = "warehouse", .detail = fmt::format("running, process {}", running->owner_pid)});
  else
    findings.push_back({.check = "warehouse", .detail = "not running; tidemark up starts it"});
  std::error_code error;
  auto place = embedded.data;
  while (!place.empty() && !std::filesystem::exists(place, error)) place = place.parent_path();
  auto space = std::filesystem::space(place, error);
  if (!error && space.available < disk_free_bytes_min)
    findings.push_back(
        {.level = Level::warn,
         .check = "disk",
         .detail = fmt::format("{} MB free where {} lies", space.available >> 20, embedded.data.string()),
         .remedy = "make room, or move warehouse.embedded.path"});
  else if (!error)
    findings.push_back({.check = "disk", .detail = fmt::format("{} GB free", space.available >> 30)});
  return findings;
}

}  // namespace

Run add_doctor(CLI::App&) {
  return [](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    std::vector<Finding> findings = look_at_warehouse(project, invocation.program);
    bool running = running_url(project.root).has_value();
    if (running)
      findings.push_back({.check = "port", .detail = "the project is running and has its ports"});
    else
      for (auto& finding : look_at_ports(project)) findings.push_back(std::move(finding));
    for (const auto& source : project.sources)
      for (auto& finding : look_at_source(source, running)) findings.push_back(std::move(finding));
    for (const auto& source : project.kafka_sources)
      for (auto& finding : look_at_kafka(source)) findings.push_back(std::move(finding));
    ExitCode code = ExitCode::ok;
    boost::json::array list;
    std::string text;
    for (const auto& finding : findings) {
      if (finding.level == Level::fail && code == ExitCode::ok) code = exit_code(finding.kind);
      list.push_back(boost::json::object{{"level", word(finding.level)},
                                         {"check", finding.check},
                                         {"detail", finding.detail},
                                         {"remedy", finding.remedy}});
      text += fmt::format("{}  {}: {}\n", word(finding.level), finding.check, finding.detail);
      if (!finding.remedy.empty()) text += "      " + finding.remedy + "\n";
    }
    print_out(invocation.json ? boost::json::serialize(
                                    boost::json::object{{"ok", code == ExitCode::ok}, {"findings", list}}) +
                                    "\n"
                              : text);
    return code;
  };
}

}  // namespace tidemark::cli
