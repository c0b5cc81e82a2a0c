#include "cli/adtech_generator.h"

#include "cli/copy_writer.h"
#include "cli/generator_statements.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t day_micros = 86'400 * second_micros;
// The most popular of 60 campaigns gets about an eighth of the traffic, the last about 0.3 %.
constexpr double popularity_exponent = 0.8;
// From here on foreign keys are checked once a transaction and not once a row (see begin()).
constexpr int64_t bulk_rows = 1'000;

constexpr std::array<const char*, 16> adjectives = {
    "Northern", "Bright",  "Golden", "Quiet", "Velvet", "Copper",  "Wild",   "Silver",
    "Urban",    "Coastal", "Amber",  "Lunar", "Maple",  "Scarlet", "Alpine", "Indigo"};
constexpr std::array<const char*, 16> trades = {
    "Coffee", "Outfitters", "Motors", "Travel", "Books",   "Kitchens", "Games",   "Optics",
    "Bikes",  "Gardens",    "Audio",  "Foods",  "Fitness", "Hotels",   "Records", "Shoes"};
constexpr std::array<const char*, 12> themes = {
    "Spring launch", "Summer sale", "Back to school", "Black Friday",   "Retargeting", "Brand",
    "New arrivals",  "Loyalty",     "Search",         "Video pre-roll", "Lookalike",   "Clearance"};

std::string timestamp_text(int64_t unix_micros) {
  return fmt::format("to_timestamp({}) AT TIME ZONE 'UTC'", static_cast<double>(unix_micros) / 1e6);
}

}  // namespace

std::string advertiser_name(uint64_t number) {
  uint64_t bits = spread_bits(number + 1);
  return fmt::format("{} {}", adjectives[bits % adjectives.size()], trades[(bits >> 16) % trades.size()]);
}

std::string campaign_name(uint64_t number) {
  return fmt::format("{} {}", themes[spread_bits(number + 7) % themes.size()], number % 100'000);
}

Result<AdtechGenerator> AdtechGenerator::open(const postgres::ConnectionOptions& options, uint64_t seed,
                                              const std::atomic<bool>& stop) {
  AdtechGenerator generator(TRY(postgres::Connection::open(options)), seed, stop);
  TRY_VOID(generator.prepare());
  TRY_VOID(generator.read_campaigns());
  return generator;
}

Status AdtechGenerator::prepare() {
  TRY_VOID(make_tables(connection_, "adtech", {"advertiser", "campaign", "impressions", "clicks"}));
  postgres::Rows facts = TRY(connection_.query(
      "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
      " (SELECT count(*) = 2 FROM pg_constraint WHERE confrelid = 'campaign'::regclass AND confupdtype = "
      "'c'),"
      " (SELECT coalesce(max(id), 0) FROM impressions), (SELECT coalesce(max(id), 0) FROM clicks)"));
  may_skip_triggers_ = facts.boolean(0, 0);
  campaign_ids_cascade_ = facts.boolean(0, 1);
  newest_impression_ = facts.integer(0, 2);
  newest_click_ = facts.integer(0, 3);
  return {};
}

Status AdtechGenerator::read_campaigns(bool hold) {
  postgres::Rows rows = TRY(
      connection_.query(fmt::format("SELECT id FROM campaign ORDER BY id{}", hold ? " FOR KEY SHARE" : "")));
  campaigns_.clear();
  for (size_t row = 0; row < rows.size(); ++row) {
    auto id = static_cast<int32_t>(rows.integer(row, 0));
    // Between a third and three times the mean, and the same for a campaign all its life.
    double factor =
        std::exp(static_cast<double>(spread_bits(static_cast<uint64_t>(id) * 31) % 2001) / 1000.0 - 1.0);
    campaigns_.push_back({id, factor});
  }
  // Popularity has nothing to do with age.
  std::sort(campaigns_.begin(), campaigns_.end(), [](const Campaign& left, const Campaign& right) {
    return spread_bits(static_cast<uint64_t>(left.id)) < spread_bits(static_cast<uint64_t>(right.id));
  });
  // Scaled so that the mean over the traffic is the rate that was asked for.
  double weights = 0;
  double weighted = 0;
  for (size_t rank = 0; rank < campaigns_.size(); ++rank) {
    double weight = 1.0 / std::pow(static_cast<double>(rank + 1), popularity_exponent);
    weights += weight;
    weighted += weight * campaigns_[rank].click_rate_factor;
  }
  for (Campaign& campaign : campaigns_) campaign.click_rate_factor *= weights / weighted;
  return {};
}

Status AdtechGenerator::add_advertisers(int64_t count, int64_t now_micros) {
  int64_t before = TRY(connection_.query("SELECT coalesce(max(id), 0) FROM advertiser")).integer(0, 0);
  counts_.advertisers += TRY(
      affected_rows(connection_,
                    fmt::format("INSERT INTO advertiser (name, updated_at, created_at) SELECT name, {0}, {0} "
                                "FROM unnest($1::text[]) AS name",
                                timestamp_text(now_micros)),
                    {[&] {
                      std::string names = "{";
                      for (int64_t index = 0; index < count; ++index)
                        names += fmt::format("{}\"{}\"", index > 0 ? "," : "",
                                             advertiser_name(static_cast<uint64_t>(before + index)));
                      return names + "}";
                    }()}));
  ++counts_.transactions;
  report();
  return {};
}

Status AdtechGenerator::add_campaigns(int32_t advertiser_id, int64_t count, int64_t now_micros) {
  int64_t before = TRY(connection_.query("SELECT coalesce(max(id), 0) FROM campaign")).integer(0, 0);
  std::string values;
  for (int64_t index = 0; index < count; ++index) {
    int64_t bid_cents = random_.between(1, 9);  // for one impression
    int64_t budget_cents = random_.between(5'000, 300'000);
    int64_t starts = random_.between(-40, 5);
    int64_t ends = starts + random_.between(14, 75);
    values += fmt::format(
        "{}('{}', 0.{:02}, {}.{:02}, ({} + {} * interval '1 day')::date, ({} + {} * interval '1 day')::date, "
        "{}, {}, {})",
        index > 0 ? "," : "", campaign_name(static_cast<uint64_t>(before + index + 1)), bid_cents,
        budget_cents / 100, budget_cents % 100, timestamp_text(now_micros), starts,
        timestamp_text(now_micros), ends, advertiser_id, timestamp_text(now_micros),
        timestamp_text(now_micros));
  }
  if (count > 0) {
    counts_.campaigns +=
        TRY(affected_rows(connection_,
                          "INSERT INTO campaign (name, bid, budget, start_date, end_date, advertiser_id, "
                          "updated_at, created_at) VALUES " +
                              values,
                          {}));
    ++counts_.transactions;
  }
  report();
  return read_campaigns();
}

Status AdtechGenerator::add_campaigns_everywhere(int64_t campaigns, int64_t now_micros) {
  postgres::Rows advertisers = TRY(connection_.query("SELECT id FROM advertiser ORDER BY id"));
  for (size_t row = 0; row < advertisers.size() && !*stop_; ++row)
    TRY_VOID(add_campaigns(static_cast<int32_t>(advertisers.integer(row, 0)), campaigns, now_micros));
  return {};
}

Status AdtechGenerator::add_traffic(const AdtechTraffic& traffic) {
  if (campaigns_.empty())
    return fail(ErrorKind::refused, "there is no campaign to show", "first: tidemark generate adtech batch");
  DayCurve curve(traffic.from_micros, traffic.until_micros);
  for (int64_t done = 0; done < traffic.impressions && !*stop_;) {
    int64_t rows = std::min(traffic.transaction_rows, traffic.impressions - done);
    TRY_VOID(write_transaction(traffic, curve, done, rows));
    done += rows;
  }
  return {};
}

Status AdtechGenerator::write_transaction(const AdtechTraffic& traffic, const DayCurve& curve, int64_t done,
                                          int64_t rows) {
  TRY_VOID(begin(rows));
  if (campaigns_.empty()) return fail(ErrorKind::refused, "there is no campaign left to show");
  Zipf popularity(campaigns_.size(), popularity_exponent);
  std::vector<Fact> impressions;
  std::vector<Fact> clicks;
  impressions.reserve(static_cast<size_t>(rows));
  for (int64_t index = 0; index < rows; ++index) {
    const Campaign& campaign = campaigns_[popularity.pick(random_)];
    double share =
        (static_cast<double>(done + index) + random_.unit()) / static_cast<double>(traffic.impressions);
    int64_t at = curve.moment(share);
    if (traffic.late > 0 && random_.chance(traffic.late))
      at -= random_.between(second_micros, 3 * day_micros);
    impressions.push_back({campaign.id, at});
    if (random_.chance(std::min(1.0, traffic.click_rate * campaign.click_rate_factor)))
      clicks.push_back({campaign.id, std::min(at + random_.between(second_micros, 120 * second_micros),
                                              traffic.until_micros)});
  }
  auto fresh = static_cast<int64_t>(impressions.size() + clicks.size());
  TRY_VOID(copy_facts("impressions", impressions));
  TRY_VOID(copy_facts("clicks", clicks));
  counts_.impressions += static_cast<int64_t>(impressions.size());
  counts_.clicks += static_cast<int64_t>(clicks.size());
  newest_impression_ += static_cast<int64_t>(impressions.size());
  newest_click_ += static_cast<int64_t>(clicks.size());

  double click_share = static_cast<double>(clicks.size()) / static_cast<double>(fresh);
  int64_t updates = random_.share_of(fresh, traffic.updates);
  int64_t deletes = random_.share_of(fresh, traffic.deletes);
  int64_t click_updates = random_.share_of(updates, click_share);
  int64_t click_deletes = random_.share_of(deletes, click_share);
  TRY_VOID(change_facts("impressions", updates - click_updates, deletes - click_deletes));
  TRY_VOID(change_facts("clicks", click_updates, click_deletes));
  // Campaigns change about once in ten thousand impressions.
  if (traffic.updates > 0 && random_.chance(static_cast<double>(rows) / 10'000))
    TRY_VOID(change_campaigns(traffic.until_micros, traffic.deletes > 0));
  return commit();
}

Status AdtechGenerator::add_impressions(int32_t campaign_id, int64_t count, int64_t from_micros,
                                        int64_t until_micros) {
  DayCurve curve(from_micros, until_micros);
  for (int64_t done = 0; done < count && !*stop_;) {
    std::vector<Fact> facts(static_cast<size_t>(std::min<int64_t>(10'000, count - done)));
    for (Fact& fact : facts) fact = {campaign_id, curve.moment(random_.unit())};
    TRY_VOID(begin(0));
    TRY_VOID(copy_facts("impressions", facts));
    done += static_cast<int64_t>(facts.size());
    counts_.impressions += static_cast<int64_t>(facts.size());
    newest_impression_ += static_cast<int64_t>(facts.size());
    TRY_VOID(commit());
  }
  return {};
}

Status AdtechGenerator::add_clicks(int32_t campaign_id, double ratio) {
  // By number and not by chance, so that the ratio asked for is the ratio got.
  int64_t written =
      TRY(affected_rows(connection_,
                        "INSERT INTO clicks (campaign_id, created_at)"
                        " SELECT campaign_id, created_at + interval '1 second' * (1 + position % 120) FROM"
                        " (SELECT campaign_id, created_at, row_number() OVER (ORDER BY id) AS position FROM "
                        "impressions WHERE campaign_id = $1::int) AS shown"
                        " WHERE floor(position * $2::float8) > floor((position - 1) * $2::float8)",
                        {std::to_string(campaign_id), fmt::format("{}", ratio)}));
  counts_.clicks += written;
  newest_click_ += written;
  ++counts_.transactions;
  report();
  return {};
}

Status AdtechGenerator::copy_facts(const std::string& table, const std::vector<Fact>& facts) {
  if (facts.empty()) return {};
  CopyWriter writer(connection_);
  TRY_VOID(writer.begin(fmt::format("COPY {} (campaign_id, created_at) FROM STDIN (FORMAT binary)", table)));
  for (const Fact& fact : facts) {
    writer.row(2);
    writer.int4(fact.campaign_id);
    writer.timestamp(fact.at_micros);
    TRY_VOID(writer.flush_full());
  }
  return writer.end();
}

// Postgres checks a foreign key with a query for every row, which costs more than the row. In large
// transactions we hold the referenced campaigns with one lock each instead, which is the same guarantee,
// where our role may switch the checks off. Reading the campaigns also notices what others did to them
// meanwhile.
Status AdtechGenerator::begin(int64_t new_rows) {
  bool bulk = may_skip_triggers_ && new_rows >= bulk_rows;
  TRY_VOID(connection_.execute("BEGIN"));
  TRY_VOID(read_campaigns(bulk));
  if (!bulk) return {};
  return connection_.execute("SET LOCAL session_replication_role = replica");
}

Status AdtechGenerator::commit() {
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.transactions;
  report();
  return {};
}

Result<AdtechTotals> AdtechGenerator::totals() {
  postgres::Rows rows =
      TRY(connection_.query("SELECT (SELECT count(*) FROM advertiser), (SELECT count(*) FROM campaign),"
                            " (SELECT count(*) FROM impressions), (SELECT count(*) FROM clicks)"));
  return AdtechTotals{rows.integer(0, 0), rows.integer(0, 1), rows.integer(0, 2), rows.integer(0, 3)};
}

Status AdtechGenerator::delete_everything() {
  TRY_VOID(connection_.execute("BEGIN"));
  for (const char* table : {"clicks", "impressions", "campaign", "advertiser"}) {
    counts_.deletes += TRY(affected_rows(connection_, fmt::format("DELETE FROM {}", table), {}));
    TRY_VOID(connection_.execute(
        fmt::format("SELECT setval(pg_get_serial_sequence('{}', 'id'), 1, false)", table)));
  }
  newest_impression_ = newest_click_ = 0;
  TRY_VOID(commit());
  return read_campaigns();
}

}  // namespace tidemark::cli
