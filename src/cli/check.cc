// tidemark check: every mistake in a project at once, without asking any server; --connect asks them too.
#include "cli/kafka_findings.h"
#include "cli/live_erasures.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/reads_of_versions.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "clickhouse/cluster.h"
#include "config/reader_role.h"
#include "config/webhook_source.h"
#include "experiments/experiment_check.h"
#include "experiments/experiment_files.h"
#include "postgres/connection.h"
#include "postgres/preflight.h"
#include "profiles/profile_files.h"
#include "segments/segment_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

// What a server answered, in the words of postgres/preflight.h.
struct Probe {
  std::string about;  // "source ads", "warehouse"
  postgres::Finding finding;
};

postgres::Finding failed(std::string check, const Error& error) {
  return {postgres::Finding::Level::fail, std::move(check), error.message, error.remedy, error.kind};
}

void probe_source(const config::PostgresSource& source, std::vector<Probe>& probes) {
  std::string about = "source " + source.name;
  auto connection =
      postgres::Connection::open({.url = source.url.reveal(), .application_name = "tidemark check"});
  if (!connection) {
    probes.push_back({about, failed("connection", connection.error())});
    return;
  }
  auto tables = postgres::read_tables(*connection, source.tables, postgres::selections_of(source));
  if (!tables) {
    probes.push_back({about, failed("tables", tables.error())});
    return;
  }
  auto findings = postgres::preflight(*connection, {source.slot, source.publication, *tables});
  if (!findings) {
    probes.push_back({about, failed("preflight", findings.error())});
    return;
  }
  for (postgres::Finding& finding : *findings) probes.push_back({about, std::move(finding)});
}

void probe_warehouse(const config::Project& project, std::vector<Probe>& probes) {
  auto warehouse = WarehouseAccess::open(project);
  if (!warehouse) {
    probes.push_back({"warehouse", failed("connection", warehouse.error())});
    return;
  }
  auto answer =
      warehouse->client(clickhouse::Account::tidemark).query_text("SELECT version() FORMAT TabSeparated");
  if (!answer) {
    probes.push_back({"warehouse", failed("query", answer.error())});
    return;
  }
  while (answer->ends_with('\n')) answer->pop_back();
  probes.push_back(
      {"warehouse", {postgres::Finding::Level::pass, "connection", "ClickHouse " + *answer, "", {}}});
  const auto cluster = warehouse->endpoint(clickhouse::Account::tidemark).cluster;
  for (size_t index = 0; cluster && index < cluster->shards(); ++index) {
    std::string shard = fmt::format("shard {}", index + 1);
    auto found = cluster->describe(index);
    probes.push_back(
        {"warehouse", found ? postgres::Finding{postgres::Finding::Level::pass, shard, *found, "", {}}
                            : failed(shard, found.error())});
  }
}

void probe_segments(const config::Project& project, const segments::SegmentFiles& files,
                    std::vector<Probe>& probes) {
  if (files.definitions.empty()) return;
  auto asked = [&]() -> Result<std::vector<config::Diagnostic>> {
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    std::vector<const segments::Definition*> definitions;
    for (const auto& definition : files.definitions) definitions.push_back(&definition);
    return segments::check_segments(
        client, definitions, segments::compile_options(files, TRY(event_tables(client, project)), "UTC"));
  }();
  if (!asked) return probes.push_back({"segments", failed("warehouse", asked.error())});
  for (const config::Diagnostic& wrong : *asked)
    probes.push_back({"segments",
                      {postgres::Finding::Level::fail, wrong.where.describe(), wrong.message, wrong.remedy,
                       ErrorKind::config}});
  if (asked->empty())
    probes.push_back({"segments",
                      {postgres::Finding::Level::pass,
                       "warehouse",
                       counted(files.definitions.size(), "segment"),
                       "",
                       {}}});
}

void probe_experiments(const config::Project& project, const experiments::ExperimentFiles& files,
                       std::vector<Probe>& probes) {
  if (files.experiments.empty()) return;
  auto asked = [&]() -> Result<std::vector<config::Diagnostic>> {
    auto warehouse = TRY(WarehouseAccess::open(project));
    clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
    return experiments::check_experiments(client, files);
  }();
  if (!asked) return probes.push_back({"experiments", failed("warehouse", asked.error())});
  for (const config::Diagnostic& wrong : *asked)
    probes.push_back({"experiments",
                      {postgres::Finding::Level::fail, wrong.where.describe(), wrong.message, wrong.remedy,
                       ErrorKind::config}});
  if (asked->empty())
    probes.push_back({"experiments",
                      {postgres::Finding::Level::pass,
                       "warehouse",
                       counted(files.experiments.size(), "experiment"),
                       "",
                       {}}});
}

const char* word(postgres::Finding::Level level) {
  switch (level) {
    case postgres::Finding::Level::pass:
      return "pass";
    case postgres::Finding::Level::warn:
      return "warn";
    case postgres::Finding::Level::fail:
      return "fail";
  }
  return "";
}

std::string json_list(const std::vector<config::Diagnostic>& diagnostics) {
  std::string text;
  for (const config::Diagnostic& diagnostic : diagnostics)
    text += fmt::format("{}{{\"file\":{},\"line\":{},\"column\":{},\"message\":{},\"remedy\":{}}}",
                        text.empty() ? "" : ",", json_quoted(diagnostic.where.file.string()),
                        diagnostic.where.line, diagnostic.where.column, json_quoted(diagnostic.message),
                        json_quoted(diagnostic.remedy));
  return "[" + text + "]";
}

std::string json_list(const std::vector<Probe>& probes) {
  std::string text;
  for (const Probe& probe : probes)
    text += fmt::format("{}{{\"about\":{},\"check\":{},\"level\":{},\"detail\":{},\"remedy\":{}}}",
                        text.empty() ? "" : ",", json_quoted(probe.about), json_quoted(probe.finding.check),
                        json_quoted(word(probe.finding.level)), json_quoted(probe.finding.detail),
                        json_quoted(probe.finding.remedy));
  return "[" + text + "]";
}

void print_probes(const std::vector<Probe>& probes) {
  for (const Probe& probe : probes) {
    print_out(fmt::format("{}  {}  {}: {}\n", word(probe.finding.level), probe.about, probe.finding.check,
                          probe.finding.detail));
    if (!probe.finding.remedy.empty()) print_out("      " + probe.finding.remedy + "\n");
  }
}

// The first failure decides; bad configuration before anything a server said.
ExitCode outcome(const config::LoadedProject& loaded, const std::vector<Probe>& probes) {
  if (!loaded.ok()) return ExitCode::bad_config;
  for (const Probe& probe : probes)
    if (probe.finding.level == postgres::Finding::Level::fail) return exit_code(probe.finding.kind);
  return ExitCode::ok;
}

}  // namespace

Run add_check(CLI::App& command) {
  auto connect = std::make_shared<bool>(false);
  command.add_flag("--connect", *connect, "also ask the sources and the warehouse whether they are ready");
  return [connect](const Invocation& invocation) -> Result<ExitCode> {
    config::LoadedProject loaded =
        config::load_project(TRY(invocation.project_directory()), {.offline = !*connect});
    auto segment_files = segments::load_segments(loaded.project.root, !*connect);
    loaded.errors.insert(loaded.errors.end(), segment_files.errors.begin(), segment_files.errors.end());
    config::load_reader_roles(loaded.project.root, !*connect, loaded.errors);
    auto experiment_files = experiments::load_experiments(loaded.project.root, !*connect);
    loaded.errors.insert(loaded.errors.end(), experiment_files.errors.begin(), experiment_files.errors.end());
    auto profile_files = profiles::load_profiles(loaded.project.root, !*connect);
    loaded.errors.insert(loaded.errors.end(), profile_files.errors.begin(), profile_files.errors.end());
    // Which tables there are to rewrite is not known while the sources are wrong.
    if (auto redactions = redactions_of(loaded.project); redactions && loaded.ok())
      loaded.errors = std::move(redactions->errors);
    if (loaded.ok())
      for (auto& warning : reads_of_versions(loaded.project)) loaded.warnings.push_back(std::move(warning));
    std::vector<Probe> probes;
    if (*connect && loaded.ok()) {
      for (const config::PostgresSource& source : loaded.project.sources) probe_source(source, probes);
      for (const config::KafkaSource& source : loaded.project.kafka_sources)
        for (auto& finding : look_at_kafka(source))
          probes.push_back({"source " + source.name, std::move(finding)});
      probe_warehouse(loaded.project, probes);
      probe_segments(loaded.project, segment_files, probes);
      probe_experiments(loaded.project, experiment_files, probes);
    }
    ExitCode code = outcome(loaded, probes);
    if (invocation.json) {
      print_out(fmt::format("{{\"ok\":{},\"errors\":{},\"warnings\":{},\"probes\":{}}}\n",
                            code == ExitCode::ok, json_list(loaded.errors), json_list(loaded.warnings),
                            json_list(probes)));
      return code;
    }
    for (const config::Diagnostic& warning : loaded.warnings)
      print_err("warning: " + warning.render() + "\n");
    if (!loaded.ok()) {
      print_err(render(loaded.errors) + "\n" + counted(loaded.errors.size(), "error") + "\n");
      return code;
    }
    print_probes(probes);
    const config::Project& project = loaded.project;
    auto webhooks = config::load_webhook_sources(project.root);
    print_out(fmt::format(
        "{}: {}, {}, {}, {}{}{}: {}\n", project.name,
        counted(project.sources.size() + project.kafka_sources.size() + project.event_sources.size() +
                    (webhooks ? webhooks->size() : 0) + project.insert_tables.size(),
                "source"),
        counted(project.models.size(), "model"), counted(project.dashboards.size(), "dashboard"),
        counted(project.endpoints.size(), "endpoint"),
        segment_files.definitions.empty() ? "" : ", " + counted(segment_files.definitions.size(), "segment"),
        experiment_files.experiments.empty()
            ? ""
            : ", " + counted(experiment_files.experiments.size(), "experiment"),
        code == ExitCode::ok ? "no errors" : "the files are right, a server is not ready"));
    return code;
  };
}

}  // namespace tidemark::cli
