// tidemark doctor: everything that could be wrong between this project and its servers, each with its remedy.
#include "cli/output.h"
#include "cli/running_project.h"
#include "cli/verb.h"
#include "clickhouse/client.h"
#include "clickhouse/embedded_server.h"
#include "postgres/preflight.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

using postgres::Finding;
using Level = Finding::Level;

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

std::vector<Finding> look_at_source(const config::PostgresSource& source, bool running) {
  std::string check = "source " + source.name;
  auto connection =
      postgres::Connection::open({.url = source.url.reveal(), .application_name = "tidemark doctor"});
  if (!connection) return {failed(check, connection.error())};
  std::vector<Finding> findings{
      {.check = check, .detail = "connected to " + postgres::display_url(source.url.reveal())}};
  auto tables = postgres::read_tables(*connection, source.tables);
  if (!tables) {
    findings.push_back(failed(check, tables.error()));
    tables = std::vector<postgres::SourceTable>();
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

std::vector<Finding> look_at_warehouse(const config::Project& project, const std::filesystem::path& program) {
  std::vector<Finding> findings;
  if (const auto* remote = project.warehouse.remote()) {
    auto endpoint = clickhouse::Endpoint::parse(remote->url, remote->user, remote->password);
    if (!endpoint) return {failed("warehouse", endpoint.error())};
    clickhouse::Client client(*endpoint);
    auto version = client.query_text("SELECT version() FORMAT TSV");
    if (!version) return {failed("warehouse", version.error())};
    return {
        {.check = "warehouse",
         .detail = "ClickHouse " + version->substr(0, version->find('\n')) + " at " + endpoint->base_url()}};
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
    for (const auto& source : project.sources)
      for (auto& finding : look_at_source(source, running)) findings.push_back(std::move(finding));
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
