// tidemark demo: a private Postgres with realistic traffic, an embedded ClickHouse, the whole adtech project
// live on a page. --check runs it up to the first proof and ends.
#include "base/limits.h"
#include "base/log.h"
#include "cli/generate_adtech.h"
#include "cli/output.h"
#include "cli/pack.h"
#include "cli/private_postgres.h"
#include "cli/project_parity.h"
#include "cli/running_project.h"
#include "cli/table.h"
#include "cli/verb.h"

#include <CLI/CLI.hpp>
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
  int64_t history = 250'000;  // impressions that are there before the capture starts
  int64_t rows = 1'000'000;   // --check: impressions that arrive while it runs
  double rate = 200;          // otherwise: impressions a second
  uint64_t seed = 1;
};

constexpr const char* kpis[] = {"mv_campaign_ctr", "mv_daily_performance", "mv_campaign_daily_performance",
                                "mv_campaign_efficiency", "mv_advertiser_performance"};

// The traffic of the demo, in a thread of its own.
class Traffic {
 public:
  Status open(const std::string& url, const Choice& choice, Progress::Mode mode) {
    generator_.emplace(
        TRY(AdtechGenerator::open({.url = url, .application_name = "tidemark demo"}, choice.seed, stop_)));
    if (generator_->has_campaigns() && !choice.check) return {};
    AdtechPlan plan;
    plan.rows = choice.history;
    Progress progress("writing history into Postgres", "impressions", static_cast<uint64_t>(choice.history),
                      mode);
    generator_->on_progress = [&](const AdtechCounts& counts) {
      progress.set(static_cast<uint64_t>(counts.impressions));
    };
    Status written = generate_adtech(*generator_, plan, stop_);
    generator_->on_progress = nullptr;
    return written;
  }
  void start(const AdtechPlan& plan) {
    thread_ = std::thread([this, plan] {
      result_ = generate_adtech(*generator_, plan, stop_);
      finished_ = true;
    });
  }
  uint64_t impressions() const { return impressions_; }
  bool finished() const { return finished_; }
  void on_impressions() {
    generator_->on_progress = [this](const AdtechCounts& counts) {
      impressions_ = static_cast<uint64_t>(counts.impressions);
    };
  }
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
  std::atomic<uint64_t> impressions_{0};
  std::optional<AdtechGenerator> generator_;
  Status result_;
  std::thread thread_;
};

Result<config::Project> demo_project(const Choice& choice, const fs::path& directory) {
  if (!fs::exists(directory / "tidemark.yaml")) TRY(write_pack(choice.pack, directory));
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

Status print_kpis(clickhouse::ClientPool& pool) {
  for (const char* kpi : kpis) {
    std::string tsv = TRY(pool.lease()->query_text(fmt::format(
        "SELECT * FROM analytics.{} ORDER BY ALL LIMIT 10 FORMAT TabSeparatedWithNamesAndTypes", kpi)));
    std::string rows =
        TRY(pool.lease()->query_text(fmt::format("SELECT count() FROM analytics.{} FORMAT TSV", kpi)));
    while (!rows.empty() && rows.back() == '\n') rows.pop_back();
    print_out(fmt::format("\nanalytics.{} ({} rows)\n", kpi, rows));
    print_out(table_of_tsv(tsv, 10).render(table_style()));
  }
  return {};
}

Result<ExitCode> check(RunningProject& running, Traffic& traffic, const Choice& choice,
                       const Invocation& invocation) {
  TRY_VOID(wait_for_first_copy(running));
  AdtechPlan plan;
  plan.rows = choice.rows;
  {
    Progress progress("impressions with clicks, updates and deletes while the stream runs", "impressions",
                      static_cast<uint64_t>(choice.rows), Progress::mode_for(invocation.json));
    traffic.on_impressions();
    traffic.start(plan);
    while (!traffic.finished()) {
      if (Signals::wait(std::chrono::milliseconds(100)) != 0) return ExitCode::interrupted;
      uint64_t written = traffic.impressions();
      progress.set(written > static_cast<uint64_t>(choice.history)
                       ? written - static_cast<uint64_t>(choice.history)
                       : 0);
    }
  }
  TRY_VOID(traffic.stop());
  clickhouse::ClientPool pool(running.warehouse(), 2);
  auto parity =
      TRY(verify_project(running.project(), pool,
                         {.progress = Progress::mode_for(invocation.json),
                          .refresh = [&](const std::string& model) { return running.refresh(model); }}));
  if (!invocation.json) TRY_VOID(print_kpis(pool));
  print_out(invocation.json ? parity.to_json() : "\n" + parity.to_text());
  return parity.ok() ? ExitCode::ok : ExitCode::verify_failed;
}

Result<ExitCode> watch(RunningProject& running, Traffic& traffic, const Choice& choice) {
  print_err(fmt::format(
      "\n  {}\n\n  live: {} impressions a second with clicks, updates and deletes; Ctrl-C ends it\n\n",
      running.url(), choice.rate));
  AdtechPlan plan;
  plan.rate = choice.rate;
  traffic.start(plan);
  while (Signals::wait(std::chrono::milliseconds(200)) == 0) {
    if (auto error = running.gave_up()) return fail(std::move(*error));
    if (traffic.finished()) {
      TRY_VOID(traffic.stop());
      return fail(ErrorKind::internal, "the traffic ended by itself");
    }
  }
  return ExitCode::ok;
}

Result<ExitCode> demo(const Choice& choice, const Invocation& invocation) {
  Signals::block();
  if (choice.pack != "adtech")
    return fail(ErrorKind::usage, fmt::format("there is no demo of pack {}", choice.pack),
                "this version has: tidemark demo adtech");
  fs::path directory = fs::absolute(choice.directory);
  auto postgres =
      TRY(PrivatePostgres::start(directory / "postgres", choice.free_ports ? 0 : choice.postgres_port));
  std::string url = TRY(postgres->database("ads"));
  setenv("ADS_DATABASE_URL", url.c_str(), 1);
  config::Project project = TRY(demo_project(choice, directory / "project"));
  Traffic traffic;
  TRY_VOID(traffic.open(url, choice, Progress::mode_for(invocation.json)));
  auto running = TRY(RunningProject::start(std::move(project), {.program = invocation.program}));
  auto ended = choice.check ? check(*running, traffic, choice, invocation) : watch(*running, traffic, choice);
  Status traffic_ended = traffic.stop();
  running->stop();
  postgres->stop();
  if (ended && !traffic_ended) return fail(std::move(traffic_ended.error()));
  return ended;
}

}  // namespace

Run add_demo(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  command.add_option("pack", choice->pack, "which pack (adtech)");
  command.add_option("--dir", choice->directory,
                     "where its Postgres, project and data live (./tidemark-demo)");
  command.add_flag("--check", choice->check,
                   "run to the first verified parity, print KPIs and proof, and end");
  command.add_flag("--free-ports", choice->free_ports,
                   "take any free ports instead of 54329, 8123, 9000 and 8088");
  command.add_option("--postgres-port", choice->postgres_port, "port of the private Postgres (54329)");
  command.add_option("--history", choice->history, "impressions before the capture starts (250000)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--rows", choice->rows, "--check: impressions while it runs (1000000)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--rate", choice->rate, "impressions a second (200)")->check(CLI::PositiveNumber);
  command.add_option("--seed", choice->seed, "of the traffic (1)");
  return [choice](const Invocation& invocation) { return demo(*choice, invocation); };
}

}  // namespace tidemark::cli
