// tidemark generate adtech
#include "base/clock.h"
#include "cli/generate_adtech.h"
#include "cli/generate_course.h"

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
  return expected_rows(choice, choice.plan, adtech_pace);
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

Status run_choice(AdtechGenerator& generator, const Choice& choice, const Invocation& invocation,
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
    if (invocation.json)
      fmt::print("{{\"advertisers\":{},\"campaigns\":{},\"impressions\":{},\"clicks\":{},\"ctr\":{}}}\n",
                 totals.advertisers, totals.campaigns, totals.impressions, totals.clicks, rate);
    else
      fmt::print("advertisers\t{}\ncampaigns\t{}\nimpressions\t{}\nclicks\t{}\nctr\t{}\n", totals.advertisers,
                 totals.campaigns, totals.impressions, totals.clicks, rate);
    return {};
  }
  if (choice.verb == "reset") {
    TRY_VOID(check_reset(choice, "all four tables"));
    return generator.delete_everything();
  }
  return generate_adtech(generator, choice.plan, stop);
}

constexpr GenerateCourse<AdtechGenerator, Choice, AdtechCounts> course = {
    .variable = url_variable,
    .rows = "impressions",
    .counted = &AdtechCounts::impressions,
    .expected = expected_impressions,
    .work = run_choice,
    .print = print_counts};

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
  add_generate_options(command, *choice, choice->plan, adtech_pace, url_variable, "impressions",
                       "100000; 1000");
  command.add_option("--ctr", choice->plan.click_rate, "mean click-through rate (0.03)")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--transaction-rows", choice->plan.transaction_rows, "impressions a transaction (2000)")
      ->check(CLI::Range(1, 1'000'000));
  add_sub_verbs(command, *choice);
  return [choice](const Invocation& invocation) { return run_course(*choice, invocation, course); };
}

}  // namespace tidemark::cli
