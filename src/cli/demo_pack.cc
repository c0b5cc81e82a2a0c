#include "cli/demo_pack.h"

#include "cli/cdp_generator.h"
#include "cli/commerce_generator.h"
#include "cli/experiments_generator.h"
#include "cli/generate_adtech.h"
#include "cli/generate_finance.h"

#include <cstdlib>

namespace tidemark::cli {

namespace {

constexpr const char* cdp_key_variable = "CDP_WRITE_KEY";

// Generator: AdtechGenerator and its like. Plan: its plan, a Pace. `rows_of` names the count to show.
template <class Generator, class Plan, class Counts>
class PackTraffic : public DemoTraffic {
 public:
  using Generate = Status (*)(Generator&, const Plan&, const std::atomic<bool>&);

  PackTraffic(Generator generator, Generate generate, int64_t Counts::*rows,
              bool (Generator::*has_history)() const, const std::atomic<bool>& stop)
      : generator_(std::move(generator)),
        generate_(generate),
        rows_(rows),
        has_history_(has_history),
        stop_(stop) {}

  static Result<std::unique_ptr<DemoTraffic>> open(const std::string& url, uint64_t seed,
                                                   const std::atomic<bool>& stop, Generate generate,
                                                   int64_t Counts::*rows,
                                                   bool (Generator::*has_history)() const) {
    Generator generator = TRY(Generator::open({.url = url, .application_name = "tidemark demo"}, seed, stop));
    return std::make_unique<PackTraffic>(std::move(generator), generate, rows, has_history, stop);
  }

  bool has_history() const override { return (generator_.*has_history_)(); }

  void send_to(const std::string& url) override {
    if constexpr (requires { generator_.send_to(url, Secret()); }) {
      const char* key = std::getenv(cdp_key_variable);
      generator_.send_to(url, Secret(key == nullptr ? "" : key));
    }
  }

  Status run(const Pace& pace, const std::function<void(uint64_t)>& progress) override {
    int64_t before = generator_.counts().*rows_;
    generator_.on_progress = [&](const Counts& counts) {
      progress(static_cast<uint64_t>(counts.*rows_ - before));
    };
    Plan plan;
    static_cast<Pace&>(plan) = pace;
    Status written = generate_(generator_, plan, stop_);
    generator_.on_progress = nullptr;
    return written;
  }

 private:
  Generator generator_;
  Generate generate_;
  int64_t Counts::*rows_;
  bool (Generator::*has_history_)() const;
  const std::atomic<bool>& stop_;
};

using CdpTraffic_ = PackTraffic<CdpGenerator, Pace, CdpCounts>;
using CommerceTraffic_ = PackTraffic<CommerceGenerator, Pace, CommerceCounts>;
using AdtechTraffic_ = PackTraffic<AdtechGenerator, AdtechPlan, AdtechCounts>;
using ExperimentsTraffic_ = PackTraffic<ExperimentsGenerator, Pace, ExperimentsCounts>;
using FinanceTraffic_ = PackTraffic<FinanceGenerator, FinancePlan, FinanceCounts>;

// The original writes 123,456 payments every 24 s. First at that rate for two of its rounds, then one round
// at once, as fast as Postgres takes it.
constexpr int64_t finance_steady_seconds = 2 * finance_round_seconds;

}  // namespace

const std::vector<DemoPack>& demo_packs() {
  static const std::vector<DemoPack> packs = {
      {.name = "adtech",
       .database = "ads",
       .url_variable = "ADS_DATABASE_URL",
       .rows = "impressions",
       .tables = {"analytics.mv_campaign_ctr", "analytics.mv_daily_performance",
                  "analytics.mv_campaign_daily_performance", "analytics.mv_campaign_efficiency",
                  "analytics.mv_advertiser_performance"},
       .history = 250'000,
       .rate = 200,
       .check = {{.pace = {.rows = 1'000'000}}},
       .open =
           [](const std::string& url, uint64_t seed, const std::atomic<bool>& stop) {
             return AdtechTraffic_::open(url, seed, stop, generate_adtech, &AdtechCounts::impressions,
                                         &AdtechGenerator::has_campaigns);
           }},
      {.name = "finance",
       .database = "bank",
       .url_variable = "FINANCE_DATABASE_URL",
       .rows = "payments",
       .tables = {"reporting.daily_kpis", "reporting.merchant_metrics", "reporting.fraud_features",
                  "reporting.category_daily", "reporting.country_daily", "reporting.suspicious_accounts"},
       .history = 250'000,
       .rate = 500,
       .check = {{.name = "at the original's rate",
                  .pace = {.rate = static_cast<double>(finance_pace.round_rows) / finance_round_seconds,
                           .duration_seconds = finance_steady_seconds}},
                 {.name = "a batch of the original at once", .pace = {.rows = finance_pace.round_rows}}},
       .open =
           [](const std::string& url, uint64_t seed, const std::atomic<bool>& stop) {
             return FinanceTraffic_::open(url, seed, stop, generate_finance, &FinanceCounts::transactions,
                                          &FinanceGenerator::has_transactions);
           }},
      {.name = "experiments",
       .database = "experiments",
       .url_variable = "EXPERIMENTS_DATABASE_URL",
       .rows = "events",
       .tables = {"experiments_analytics.experiment_performance",
                  "experiments_analytics.experiment_daily_stats", "experiments_analytics.experiment_funnel",
                  "experiments_analytics.attribution"},
       .history = 100'000,
       .rate = 100,
       .check = {{.pace = {.rows = 20'000}}},
       .open =
           [](const std::string& url, uint64_t seed, const std::atomic<bool>& stop) {
             return ExperimentsTraffic_::open(url, seed, stop, generate_experiments,
                                              &ExperimentsCounts::events, &ExperimentsGenerator::has_history);
           }},
      {.name = "cdp",
       .database = "shop",
       .url_variable = "CDP_DATABASE_URL",
       .key_variable = cdp_key_variable,
       .rows = "events",
       .tables = {"cdp.stages", "cdp.revenue_daily", "cdp.segment_membership"},
       .history = 20'000,
       .rate = 50,
       .check = {{.pace = {.rows = 5'000, .days = 2}}},
       .open =
           [](const std::string& url, uint64_t seed, const std::atomic<bool>& stop) {
             return CdpTraffic_::open(url, seed, stop, generate_cdp, &CdpCounts::events,
                                      &CdpGenerator::has_history);
           }},
      {.name = "commerce",
       .database = "landing",
       .url_variable = "COMMERCE_DATABASE_URL",
       .rows = "rows",
       .tables = {"analytics_shopify.daily_shop", "analytics_klaviyo.campaign_performance",
                  "analytics_ga4.channel_groups", "analytics_shopify.customers", "data_ga4.website_overview",
                  "data_shopify.transaction_fees", "analytics_commerce.marketing_mix"},
       .history = 40'000,
       .rate = 50,
       .check = {{.pace = {.rows = 10'000, .days = 2}}},
       .open =
           [](const std::string& url, uint64_t seed, const std::atomic<bool>& stop) {
             return CommerceTraffic_::open(url, seed, stop, generate_commerce, &CommerceCounts::rows,
                                           &CommerceGenerator::has_history);
           }},
  };
  return packs;
}

}  // namespace tidemark::cli
