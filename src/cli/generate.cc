#include "base/clock.h"
#include "cli/generate_adtech.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "config/yaml_reader.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;

std::atomic<bool> stop_requested{false};
std::atomic<int> stop_signal{0};

void on_signal(int signal) {
  stop_signal = signal;
  stop_requested = true;
}

void stop_on_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second Ctrl-C ends the process
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

struct Choice {
  std::string url;
  uint64_t seed = 1;
  std::string every;
  std::string duration;
  std::string until;
  AdtechPlan plan;
  AdtechBatch batch;
  int64_t rows = -1;
  int64_t count = -1;
  int32_t id = 0;
  bool yes = false;
  std::string verb;  // empty: traffic
};

Result<std::string> source_url(const Choice& choice, const Invocation& invocation) {
  if (!choice.url.empty()) return choice.url;
  if (Result<std::filesystem::path> directory = invocation.project_directory(); directory) {
    config::Project project = TRY(invocation.load_project());
    if (!project.sources.empty()) return project.sources.front().url.reveal();
  }
  if (const char* url = std::getenv("ADS_DATABASE_URL"); url != nullptr && *url != '\0')
    return std::string(url);
  return fail(ErrorKind::usage, "no database to write to",
              "give --url postgresql://..., set ADS_DATABASE_URL, or run inside a project");
}

Result<int64_t> seconds_of(const std::string& option, const std::string& text) {
  if (text.empty()) return 0;
  std::optional<int64_t> seconds = config::parse_duration_seconds(text);
  if (!seconds || *seconds <= 0)
    return fail(ErrorKind::usage, fmt::format("{} {}: not a duration", option, text),
                "write for example 30s, 5m or 2h");
  return *seconds;
}

Result<std::optional<int64_t>> moment_of(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  std::tm parts = {};
  const char* rest = strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parts);
  if (rest == nullptr || *rest != '\0')
    return fail(ErrorKind::usage, fmt::format("--until {}: not a UTC time", text),
                "write \"2026-01-31 12:00:00\"");
  return std::optional<int64_t>(static_cast<int64_t>(timegm(&parts)) * second_micros);
}

// How many impressions the run will write; 0 when nobody knows.
uint64_t expected_impressions(const Choice& choice) {
  if (choice.verb == "batch")
    return static_cast<uint64_t>(choice.batch.advertisers * choice.batch.campaigns *
                                 choice.batch.impressions);
  if (!choice.verb.empty() || choice.plan.continuous()) return 0;
  return static_cast<uint64_t>(choice.plan.rows.value_or(adtech_history_rows));
}

void print_counts(const AdtechCounts& counts, double seconds, bool json) {
  if (json)
    fmt::print(
        "{{\"advertisers\":{},\"campaigns\":{},\"impressions\":{},\"clicks\":{},\"updates\":{},\"deletes\":{}"
        ","
        "\"transactions\":{},\"seconds\":{:.3f}}}\n",
        counts.advertisers, counts.campaigns, counts.impressions, counts.clicks, counts.updates,
        counts.deletes, counts.transactions, seconds);
  else
    fmt::print(stderr, "{} impressions, {} clicks, {} updates, {} deletes in {} transactions, {} rows/s\n",
               with_commas(static_cast<uint64_t>(counts.impressions)),
               with_commas(static_cast<uint64_t>(counts.clicks)),
               with_commas(static_cast<uint64_t>(counts.updates)),
               with_commas(static_cast<uint64_t>(counts.deletes)),
               with_commas(static_cast<uint64_t>(counts.transactions)),
               short_number(static_cast<double>(counts.rows()) / std::max(seconds, 1e-6)));
}

Status run_choice(AdtechGenerator& generator, const Choice& choice, bool json) {
  int64_t now = system_clock().wall_micros();
  int64_t week = 7 * 86'400 * second_micros;
  if (choice.verb == "batch") return generate_adtech_batch(generator, choice.batch);
  if (choice.verb == "advertisers")
    return generator.add_advertisers(choice.count < 0 ? 1 : choice.count, now);
  if (choice.verb == "campaigns")
    return generator.add_campaigns(choice.id, choice.count < 0 ? 1 : choice.count, now);
  if (choice.verb == "impressions")
    return generator.add_impressions(choice.id, choice.count < 0 ? 100 : choice.count, now - week, now);
  if (choice.verb == "clicks") return generator.add_clicks(choice.id, choice.batch.click_rate);
  if (choice.verb == "stats") {
    AdtechTotals totals = TRY(generator.totals());
    double rate = totals.impressions == 0
                      ? 0
                      : static_cast<double>(totals.clicks) / static_cast<double>(totals.impressions);
    if (json)
      fmt::print("{{\"advertisers\":{},\"campaigns\":{},\"impressions\":{},\"clicks\":{},\"ctr\":{}}}\n",
                 totals.advertisers, totals.campaigns, totals.impressions, totals.clicks, rate);
    else
      fmt::print("advertisers\t{}\ncampaigns\t{}\nimpressions\t{}\nclicks\t{}\nctr\t{}\n", totals.advertisers,
                 totals.campaigns, totals.impressions, totals.clicks, rate);
    return {};
  }
  if (choice.verb == "reset") {
    if (!choice.yes) return fail(ErrorKind::usage, "reset deletes all rows of all four tables", "add --yes");
    return generator.delete_everything();
  }
  return generate_adtech(generator, choice.plan, stop_requested);
}

Result<ExitCode> generate(Choice choice, const Invocation& invocation) {
  choice.plan.every_seconds = TRY(seconds_of("--every", choice.every));
  choice.plan.duration_seconds = TRY(seconds_of("--duration", choice.duration));
  choice.plan.until_micros = TRY(moment_of(choice.until));
  if (choice.rows >= 0) choice.plan.rows = choice.rows;
  std::string url = TRY(source_url(choice, invocation));
  stop_on_signals();
  AdtechGenerator generator = TRY(AdtechGenerator::open({.url = url, .application_name = "tidemark generate"},
                                                        choice.seed, stop_requested));
  int64_t begun = system_clock().monotonic_micros();
  Progress progress("generating", "impressions", expected_impressions(choice),
                    Progress::mode_for(invocation.json));
  generator.on_progress = [&progress](const AdtechCounts& counts) {
    progress.set(static_cast<uint64_t>(counts.impressions));
  };
  TRY_VOID(run_choice(generator, choice, invocation.json));
  progress.finish();
  double seconds =
      static_cast<double>(system_clock().monotonic_micros() - begun) / static_cast<double>(second_micros);
  if (choice.verb != "stats") print_counts(generator.counts(), seconds, invocation.json);
  // Ctrl-C is how a continuous run ends; a run with an end that is cut short says so.
  if (stop_requested && !choice.plan.continuous())
    return stop_signal == SIGTERM ? ExitCode::terminated : ExitCode::interrupted;
  return ExitCode::ok;
}

CLI::App* sub_verb(CLI::App& parent, Choice& choice, const char* name, const char* summary) {
  CLI::App* verb = parent.add_subcommand(name, summary);
  verb->fallthrough();
  verb->callback([&choice, name] { choice.verb = name; });
  return verb;
}

void add_sub_verbs(CLI::App& adtech, Choice& choice) {
  CLI::App* batch = sub_verb(adtech, choice, "batch", "new advertisers with campaigns and a week of traffic");
  batch->add_option("--advertisers", choice.batch.advertisers, "advertisers")->check(CLI::Range(1, 100'000));
  batch->add_option("--campaigns", choice.batch.campaigns, "campaigns for each advertiser")
      ->check(CLI::Range(1, 10'000));
  batch->add_option("--impressions", choice.batch.impressions, "impressions for each campaign, on average")
      ->check(CLI::NonNegativeNumber);
  batch->add_option("--ctr", choice.batch.click_rate, "click-through rate, 0 to 1")
      ->check(CLI::Range(0.0, 1.0));
  CLI::App* advertisers = sub_verb(adtech, choice, "advertisers", "new advertisers");
  advertisers->add_option("--count", choice.count, "how many (1)")->check(CLI::NonNegativeNumber);
  CLI::App* campaigns = sub_verb(adtech, choice, "campaigns", "new campaigns of one advertiser");
  campaigns->add_option("--advertiser-id", choice.id, "the advertiser")->required();
  campaigns->add_option("--count", choice.count, "how many (1)")->check(CLI::NonNegativeNumber);
  CLI::App* impressions =
      sub_verb(adtech, choice, "impressions", "impressions of one campaign over the last week");
  impressions->add_option("--campaign-id", choice.id, "the campaign")->required();
  impressions->add_option("--count", choice.count, "how many (100)")->check(CLI::NonNegativeNumber);
  CLI::App* clicks =
      sub_verb(adtech, choice, "clicks", "clicks for a share of the impressions of one campaign");
  clicks->add_option("--campaign-id", choice.id, "the campaign")->required();
  clicks->add_option("--ratio", choice.batch.click_rate, "clicks for one impression (0.1)")
      ->check(CLI::Range(0.0, 1.0));
  sub_verb(adtech, choice, "stats", "how many rows there are");
  CLI::App* reset = sub_verb(adtech, choice, "reset", "deletes all rows");
  reset->add_flag("--yes", choice.yes, "really");
}

}  // namespace

Run add_generate(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  command.require_subcommand(1);
  CLI::App* adtech = command.add_subcommand("adtech", "campaigns, impressions, clicks: see sub-verbs");
  adtech->fallthrough();
  adtech->require_subcommand(0, 1);
  adtech->add_option("--url", choice->url,
                     "Postgres to write to; default: the project's first source, ADS_DATABASE_URL");
  adtech->add_option("--seed", choice->seed, "the same seed on an empty database gives the same rows (1)");
  adtech->add_option("--rows", choice->rows, "impressions; with --every in each round (100000; 1000)")
      ->check(CLI::NonNegativeNumber);
  adtech->add_option("--rate", choice->plan.rate, "impressions a second; 0: as fast as possible (0)")
      ->check(CLI::NonNegativeNumber);
  adtech->add_option("--every", choice->every, "a round each 1s, 5m, ...: runs until Ctrl-C or --duration");
  adtech->add_option("--duration", choice->duration, "ends a continuous run");
  adtech->add_option("--updates", choice->plan.updates, "changed rows, as a share of new ones (0.01)")
      ->check(CLI::Range(0.0, 10.0));
  adtech->add_option("--deletes", choice->plan.deletes, "deleted rows, likewise (0.005)")
      ->check(CLI::Range(0.0, 10.0));
  adtech->add_option("--ctr", choice->plan.click_rate, "mean click-through rate (0.03)")
      ->check(CLI::Range(0.0, 1.0));
  adtech
      ->add_option("--days", choice->plan.days,
                   "days of history that a run without --rate and --every fills (30)")
      ->check(CLI::Range(1, 3650));
  adtech->add_option("--until", choice->until,
                     "end of that history, UTC, instead of now: \"2026-01-31 12:00:00\"");
  adtech->add_option("--transaction-rows", choice->plan.transaction_rows, "impressions a transaction (2000)")
      ->check(CLI::Range(1, 1'000'000));
  add_sub_verbs(*adtech, *choice);
  return [choice](const Invocation& invocation) { return generate(*choice, invocation); };
}

}  // namespace tidemark::cli
