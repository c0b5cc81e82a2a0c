// Realistic life for the adtech pack's source database: advertisers with campaigns of very different
// popularity, impressions that follow the day, clicks soon after, late events, and everything that makes
// derived numbers hard - corrected facts, key changes, deletes, renames, campaigns that move to another
// advertiser, end, or get another id.
//
// One connection, transactions of the size asked for, rows by COPY BINARY. Deterministic: on an empty schema
// the same seed and the same calls leave the same rows, ids included (as long as nobody else writes).
//
// Works on any database with the four tables; creates them when they are missing. Threads: one at a time;
// `stop` may be set by any thread or signal handler and ends a call after its current transaction, with
// everything before it committed.
#pragma once

#include "base/error.h"
#include "cli/generator_random.h"
#include "postgres/connection.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tidemark::cli {

// What has been written since the start.
struct AdtechCounts {
  int64_t advertisers = 0;
  int64_t campaigns = 0;
  int64_t impressions = 0;
  int64_t clicks = 0;
  int64_t updates = 0;  // rows of any table, key changes included
  int64_t deletes = 0;
  int64_t transactions = 0;
  int64_t rows() const { return advertisers + campaigns + impressions + clicks + updates + deletes; }
};

// What is in the database.
struct AdtechTotals {
  int64_t advertisers = 0;
  int64_t campaigns = 0;
  int64_t impressions = 0;
  int64_t clicks = 0;
};

// A stretch of traffic.
struct AdtechTraffic {
  int64_t impressions = 0;
  int64_t from_micros = 0;  // when it happens, Unix time; from < until
  int64_t until_micros = 0;
  double click_rate = 0.03;          // mean over campaigns, 0..1
  double updates = 0.01;             // changed facts, as a share of the new rows
  double deletes = 0.005;            // deleted facts, likewise; 0: campaigns that end keep theirs
  double late = 0.01;                // events that arrive up to three days after they happened
  int64_t transaction_rows = 2'000;  // impressions a transaction
};

class AdtechGenerator {
 public:
  // Creates missing tables. Errors: as Connection::open; refused (no right to create or write).
  static Result<AdtechGenerator> open(const postgres::ConnectionOptions& options, uint64_t seed,
                                      const std::atomic<bool>& stop);

  // Called after every transaction.
  std::function<void(const AdtechCounts&)> on_progress;

  // `now_micros` is what created_at and flight dates are relative to.
  Status add_advertisers(int64_t count, int64_t now_micros);
  Status add_campaigns(int32_t advertiser_id, int64_t count, int64_t now_micros);
  // `campaigns` for each advertiser of the database.
  Status add_campaigns_everywhere(int64_t campaigns, int64_t now_micros);

  // Traffic over all campaigns; nothing but facts when `updates` and `deletes` are 0. Errors: refused, when
  // there is no campaign.
  Status add_traffic(const AdtechTraffic& traffic);
  // Facts of one campaign.
  Status add_impressions(int32_t campaign_id, int64_t count, int64_t from_micros, int64_t until_micros);
  // Clicks for a share of the impressions the campaign has.
  Status add_clicks(int32_t campaign_id, double ratio);

  Result<AdtechTotals> totals();
  Status delete_everything();

  const AdtechCounts& counts() const { return counts_; }
  bool has_campaigns() const { return !campaigns_.empty(); }

 private:
  struct Campaign {
    int32_t id;
    double click_rate_factor;
  };
  struct Fact {
    int32_t campaign_id;
    int64_t at_micros;
  };

  AdtechGenerator(postgres::Connection connection, uint64_t seed, const std::atomic<bool>& stop)
      : connection_(std::move(connection)), random_(seed), stop_(&stop) {}

  Status prepare();
  Status read_campaigns(bool hold = false);
  Status write_transaction(const AdtechTraffic& traffic, const DayCurve& curve, int64_t done, int64_t rows);
  Status copy_facts(const std::string& table, const std::vector<Fact>& facts);
  Status begin(int64_t new_rows);  // reads the campaigns again
  Status commit();

  // adtech_changes.cc
  Status change_facts(const std::string& table, int64_t updates, int64_t deletes);
  Status change_campaigns(int64_t now_micros, bool may_delete);
  std::vector<int64_t> recent_ids(int64_t newest, int64_t count);
  Status rename_something(int64_t now_micros);
  Status replace_campaign(int64_t now_micros);
  Status renumber_campaign();
  int32_t quiet_campaign();

  void report() {
    if (on_progress) on_progress(counts_);
  }

  postgres::Connection connection_;
  GeneratorRandom random_;
  const std::atomic<bool>* stop_;
  std::vector<Campaign> campaigns_;  // most popular first
  AdtechCounts counts_;
  bool may_skip_triggers_ = false;
  bool campaign_ids_cascade_ = false;
  int64_t newest_impression_ = 0;
  int64_t newest_click_ = 0;
};

// "Borealis Coffee", "Summer launch 12": stable names by number.
std::string advertiser_name(uint64_t number);
std::string campaign_name(uint64_t number);

}  // namespace tidemark::cli
