// tidemark generate adtech
#include "base/clock.h"
#include "cli/generate_adtech.h"
#include "cli/generate_options.h"
#include "cli/progress.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr const char* url_variable = "ADS_DATABASE_URL";
constexpr int64_t second_micros = 1'000'000;

struct Choice : GenerateOptions {
  AdtechPlan plan;
  AdtechBatch batch;
  int64_t count = -1;
  int32_t id = 0;
};

// How many impressions the run will write; 0 when nobody knows.
uint64_t expected_impressions(const Choice& choice) {
  if (choice.verb == "batch")
    return static_cast<uint64_t>(choice.batch.advertisers * choice.batch.campaigns *
                                 choice.batch.impressions);
  if (!choice.verb.empty() || choice.plan.continuous()) return 0;
  return static_cast<uint64_t>(choice.plan.rows.value_or(adtech_pace.history_rows));
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

Status run_choice(AdtechGenerator& generator, const Choice& choice, bool json,
                  const std::atomic<bool>& stop) {
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
  return generate_adtech(generator, choice.plan, stop);
}

Result<ExitCode> generate(Choice choice, const Invocation& invocation) {
  TRY_VOID(read_pace(choice, choice.plan));
  choice.plan.updates = choice.updates;
  choice.plan.deletes = choice.deletes;
  std::string url = TRY(generate_url(choice, invocation, url_variable));
  const std::atomic<bool>& stop = stop_on_signals();
  AdtechGenerator generator =
      TRY(AdtechGenerator::open({.url = url, .application_name = "tidemark generate"}, choice.seed, stop));
  int64_t begun = system_clock().monotonic_micros();
  Progress progress("generating", "impressions", expected_impressions(choice),
                    Progress::mode_for(invocation.json));
  generator.on_progress = [&progress](const AdtechCounts& counts) {
    progress.set(static_cast<uint64_t>(counts.impressions));
  };
  TRY_VOID(run_choice(generator, choice, invocation.json, stop));
  progress.finish();
  double seconds =
      static_cast<double>(system_clock().monotonic_micros() - begun) / static_cast<double>(second_micros);
  if (choice.verb != "stats") print_counts(generator.counts(), seconds, invocation.json);
  return generate_exit_code(choice.plan);
}

void add_sub_verbs(CLI::App& adtech, Choice& choice) {
  CLI::App* batch =
      add_generate_verb(adtech, choice, "batch", "new advertisers with campaigns and a week of traffic");
  batch->add_option("--advertisers", choice.batch.advertisers, "advertisers")->check(CLI::Range(1, 100'000));
  batch->add_option("--campaigns", choice.batch.campaigns, "campaigns for each advertiser")
      ->check(CLI::Range(1, 10'000));
  batch->add_option("--impressions", choice.batch.impressions, "impressions for each campaign, on average")
      ->check(CLI::NonNegativeNumber);
  batch->add_option("--ctr", choice.batch.click_rate, "click-through rate, 0 to 1")
      ->check(CLI::Range(0.0, 1.0));
  CLI::App* advertisers = add_generate_verb(adtech, choice, "advertisers", "new advertisers");
  advertisers->add_option("--count", choice.count, "how many (1)")->check(CLI::NonNegativeNumber);
  CLI::App* campaigns = add_generate_verb(adtech, choice, "campaigns", "new campaigns of one advertiser");
  campaigns->add_option("--advertiser-id", choice.id, "the advertiser")->required();
  campaigns->add_option("--count", choice.count, "how many (1)")->check(CLI::NonNegativeNumber);
  CLI::App* impressions =
      add_generate_verb(adtech, choice, "impressions", "impressions of one campaign over the last week");
  impressions->add_option("--campaign-id", choice.id, "the campaign")->required();
  impressions->add_option("--count", choice.count, "how many (100)")->check(CLI::NonNegativeNumber);
  CLI::App* clicks =
      add_generate_verb(adtech, choice, "clicks", "clicks for a share of the impressions of one campaign");
  clicks->add_option("--campaign-id", choice.id, "the campaign")->required();
  clicks->add_option("--ratio", choice.batch.click_rate, "clicks for one impression (0.1)")
      ->check(CLI::Range(0.0, 1.0));
  add_generate_housekeeping(adtech, choice);
}

}  // namespace

Run add_generate_adtech(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  choice->updates = choice->plan.updates;
  choice->deletes = choice->plan.deletes;
  add_generate_options(command, *choice, choice->plan, url_variable, "impressions", "100000; 1000");
  command.add_option("--ctr", choice->plan.click_rate, "mean click-through rate (0.03)")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--transaction-rows", choice->plan.transaction_rows, "impressions a transaction (2000)")
      ->check(CLI::Range(1, 1'000'000));
  add_sub_verbs(command, *choice);
  return [choice](const Invocation& invocation) { return generate(*choice, invocation); };
}

}  // namespace tidemark::cli
