// tidemark demo: a private Postgres with realistic traffic, an embedded ClickHouse, a whole project
// live on a page. --check runs it up to the first proof and ends.
#include "base/limits.h"
#include "base/log.h"
#include "cli/demo_pack.h"
#include "cli/output.h"
#include "cli/pack.h"
#include "cli/private_postgres.h"
#include "cli/project_parity.h"
#include "cli/running_project.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "cli/verb.h"

#include <CLI/CLI.hpp>
#include <fmt/ranges.h>
#include <stdlib.h>

namespace tidemark::cli {
namespace {

namespace fs = std::filesystem;

struct Choice {
  std::string pack = "adtech";
  std::string directory = "tidemark-demo";
  bool check = false;
  bool free_ports = false;
  uint16_t postgres_port = 54329;
  std::optional<int64_t> history, rows;  // the pack's own when not given
  std::optional<double> rate;
  uint64_t seed = 1;
};

// The traffic of the demo, in a thread of its own.
class Traffic {
 public:
  Status open(const DemoPack& pack, const std::string& url, const Choice& choice) {
    traffic_ = TRY(pack.open(url, choice.seed, stop_));
    wants_history_ = choice.check || !traffic_->has_history();
    return {};
  }
  bool wants_history() const { return wants_history_; }
  Status write_history(const DemoPack& pack, const Pace& pace, Progress::Mode mode) {
    Progress progress("writing history into Postgres", pack.rows, static_cast<uint64_t>(*pace.rows), mode);
    return traffic_->run(pace, [&](uint64_t rows) { progress.set(rows); });
  }
  void send_to(const std::string& url) { traffic_->send_to(url); }
  // After the traffic before it was stopped.
  void start(const Pace& pace) {
    stop_ = finished_ = false;
    rows_ = 0;
    thread_ = std::thread([this, pace] {
      result_ = traffic_->run(pace, [this](uint64_t rows) { rows_ = rows; });
      finished_ = true;
    });
  }
  uint64_t rows() const { return rows_; }
  bool finished() const { return finished_; }
  Status stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return result_;
  }
  ~Traffic() { (void)stop(); }
  Traffic() = default;
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::atomic<bool> finished_{false};
  std::atomic<uint64_t> rows_{0};
  bool wants_history_ = false;
  std::unique_ptr<DemoTraffic> traffic_;
  Status result_;
  std::thread thread_;
};

Result<config::Project> demo_project(const Choice& choice, const fs::path& directory) {
  if (!fs::exists(directory / "tidemark.yaml")) TRY(write_demo(choice.pack, directory));
  auto loaded = config::load_project(directory);
  if (!loaded.ok()) return fail(ErrorKind::config, loaded.errors.front().render());
  config::Project project = std::move(loaded.project);
  if (choice.free_ports) {
    project.http.port = 0;
    if (auto* embedded = std::get_if<config::EmbeddedWarehouse>(&project.warehouse.where))
      embedded->http_port = embedded->tcp_port = 0;
  }
  return project;
}

Status wait_for_first_copy(RunningProject& running) {
  while (!running.quiet()) {
    if (Signals::wait(std::chrono::milliseconds(50)) != 0) return fail(ErrorKind::cancelled, "interrupted");
    if (auto error = running.gave_up()) return fail(std::move(*error));
  }
  return {};
}

Status print_kpis(const DemoPack& pack, clickhouse::ClientPool& pool) {
  for (const std::string& table : pack.tables) {
    std::string tsv = TRY(pool.lease()->query_text(
        fmt::format("SELECT * FROM {} ORDER BY ALL LIMIT 10 FORMAT TabSeparatedWithNamesAndTypes", table)));
    std::string rows = TRY(pool.lease()->query_text(fmt::format("SELECT count() FROM {} FORMAT TSV", table)));
    while (!rows.empty() && rows.back() == '\n') rows.pop_back();
    print_out(fmt::format("\n{} ({} rows)\n", table, rows));
    print_out(table_of_tsv(tsv, 10).render(table_style()));
  }
  return {};
}

// How far behind the source every model was, keyed ones included: a transaction counts as queryable when what
// its rows touch has been recomputed. Counted since the start.
std::string behind_text(const std::string& phase, const ingest::PipelineStatus& status) {
  std::string text;
  for (const auto& source : status.sources)
    text += fmt::format(
        "\n{}, {}: models behind the commit by p50 {} ms, p99 {} ms, max {} ms over {} transactions\n",
        source.source, phase, source.queryable_p50_us / 1000, source.queryable_p99_us / 1000,
        source.queryable_max_us / 1000, with_commas(source.transactions));
  return text;
}

// The traffic of a phase, until the models have it.
Result<bool> run_phase(const DemoPack& pack, const Pace& pace, RunningProject& running, Traffic& traffic,
                       const Invocation& invocation, const std::string& title) {
  Progress progress(title, pack.rows, pace.continuous() ? 0 : static_cast<uint64_t>(*pace.rows),
                    Progress::mode_for(invocation.json));
  traffic.start(pace);
  while (!traffic.finished() || !running.quiet()) {
    if (Signals::wait(std::chrono::milliseconds(100)) != 0) return false;
    if (auto error = running.gave_up()) return fail(std::move(*error));
    progress.set(traffic.rows());
  }
  TRY_VOID(traffic.stop());
  return true;
}

Result<ExitCode> check(const DemoPack& pack, RunningProject& running, Traffic& traffic, const Choice& choice,
                       const Invocation& invocation) {
  TRY_VOID(wait_for_first_copy(running));
  std::string behind;
  for (const CheckPhase& phase : pack.check) {
    Pace pace = phase.pace;
    if (choice.rows && &phase == &pack.check.back()) pace.rows = *choice.rows;
    if (!TRY(run_phase(pack, pace, running, traffic, invocation,
                       fmt::format("{} with updates and deletes while the stream runs", pack.rows))))
      return ExitCode::interrupted;
    if (!phase.name.empty()) behind += behind_text(phase.name, running.status());
  }
  clickhouse::ClientPool pool(running.warehouse(), 2);
  auto parity =
      TRY(verify_project(running.project(), pool,
                         {.progress = Progress::mode_for(invocation.json),
                          .refresh = [&](const std::string& model) { return running.refresh(model); }}));
  if (!invocation.json) {
    TRY_VOID(print_kpis(pack, pool));
    print_out(behind);
  }
  print_out(invocation.json ? parity.to_json() : "\n" + parity.to_text());
  return parity.ok() ? ExitCode::ok : ExitCode::verify_failed;
}

Result<ExitCode> watch(const DemoPack& pack, RunningProject& running, Traffic& traffic,
                       const Choice& choice) {
  Pace pace;
  pace.rate = choice.rate.value_or(pack.rate);
  print_err(fmt::format("\n  {}\n\n  live: {} {} a second with updates and deletes; Ctrl-C ends it\n\n",
                        running.url(), pace.rate, pack.rows));
  traffic.start(pace);
  while (Signals::wait(std::chrono::milliseconds(200)) == 0) {
    if (auto error = running.gave_up()) return fail(std::move(*error));
    if (traffic.finished()) {
      TRY_VOID(traffic.stop());
      return fail(ErrorKind::internal, "the traffic ended by itself");
    }
  }
  return ExitCode::ok;
}

Result<const DemoPack*> pack_of(const std::string& name) {
  std::vector<std::string> names;
  for (const DemoPack& pack : demo_packs()) {
    if (pack.name == name) return &pack;
    names.push_back("tidemark demo " + pack.name);
  }
  return fail(ErrorKind::usage, fmt::format("there is no demo of pack {}", name),
              fmt::format("this version has: {}", fmt::join(names, ", ")));
}

// Each pack has a place of its own, so that one demo does not show the other's project.
fs::path demo_directory(const Choice& choice) {
  fs::path directory = fs::absolute(choice.directory);
  return choice.pack == "adtech" ? directory : directory / choice.pack;
}

Result<ExitCode> demo(const Choice& choice, const Invocation& invocation) {
  Signals::block();
  const DemoPack& pack = *TRY(pack_of(choice.pack));
  fs::path directory = demo_directory(choice);
  auto postgres =
      TRY(PrivatePostgres::start(directory / "postgres", choice.free_ports ? 0 : choice.postgres_port));
  std::string url = TRY(postgres->database(pack.database));
  setenv(pack.url_variable.c_str(), url.c_str(), 1);
  // Nobody else may reach the demo's page, so this one is no secret.
  if (!pack.key_variable.empty()) setenv(pack.key_variable.c_str(), "demo-write-key", 0);
  config::Project project = TRY(demo_project(choice, directory / "project"));
  Traffic traffic;
  TRY_VOID(traffic.open(pack, url, choice));
  Pace history;
  history.rows = choice.history.value_or(pack.history);
  if (traffic.wants_history() && pack.key_variable.empty())
    TRY_VOID(traffic.write_history(pack, history, Progress::mode_for(invocation.json)));
  auto running = TRY(RunningProject::start(std::move(project), {.program = invocation.program}));
  auto ended = [&]() -> Result<ExitCode> {
    if (!pack.key_variable.empty()) {
      traffic.send_to(running->url());
      TRY_VOID(wait_for_first_copy(*running));
      if (traffic.wants_history() &&
          !TRY(run_phase(pack, history, *running, traffic, invocation, "sending history")))
        return ExitCode::interrupted;
    }
    return choice.check ? check(pack, *running, traffic, choice, invocation)
                        : watch(pack, *running, traffic, choice);
  }();
  Status traffic_ended = traffic.stop();
  running->stop();
  postgres->stop();
  if (ended && !traffic_ended) return fail(std::move(traffic_ended.error()));
  return ended;
}

}  // namespace

Run add_demo(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  command.add_option("pack", choice->pack, "which pack (adtech); or finance, experiments, cdp, commerce");
  command.add_option("--dir", choice->directory,
                     "where its Postgres, project and data live (./tidemark-demo)");
  command.add_flag("--check", choice->check,
                   "run to the first verified parity, print KPIs and proof, and end");
  command.add_flag("--free-ports", choice->free_ports,
                   "take any free ports instead of 54329, 8123, 9000 and 8088");
  command.add_option("--postgres-port", choice->postgres_port, "port of the private Postgres (54329)");
  command.add_option("--history", choice->history, "rows before the capture starts (250000)")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--rows", choice->rows,
                  "--check: rows while it runs; finance: of the batch at the end (1000000; 123456)")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--rate", choice->rate,
                  "rows a second (200; finance 500; experiments 100; cdp, commerce 50)")
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", choice->seed, "of the traffic (1)");
  return [choice](const Invocation& invocation) { return demo(*choice, invocation); };
}

}  // namespace tidemark::cli
