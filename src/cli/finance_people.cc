// The world of FinanceGenerator: who pays, who is paid, from where, and what money is worth.
#include "cli/finance_generator.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t day_micros = 86'400'000'000;
// Of 12,345 accounts the busiest pays about 60 times as often as the last, of 56 merchants the first gets a
// seventh of the payments.
constexpr double account_exponent = 0.45;
constexpr double merchant_exponent = 0.8;

// Accounts and addresses are where people are: the first country has about 20 times as many as the last.
size_t pick_country(uint64_t bits) {
  GeneratorRandom random(bits);
  static const Zipf population(country_count(), 1.0);
  return population.pick(random);
}

bool weekend(int64_t day) {
  int64_t weekday = (day + 4) % 7;  // 1970-01-01 was a Thursday; 0 is Sunday
  return weekday == 0 || weekday == 6;
}

}  // namespace

Status FinanceGenerator::read_world() {
  addresses_.clear();
  merchants_.clear();
  accounts_.clear();
  postgres::Rows rows =
      TRY(connection_.query("SELECT ip, country FROM raw_ip_geo ORDER BY ip COLLATE \"C\""));
  std::vector<std::vector<uint32_t>> at_home(country_count());
  for (size_t row = 0; row < rows.size(); ++row) {
    size_t country = 0;
    while (country + 1 < country_count() && rows.at(row, 1) != country_code(country)) ++country;
    at_home[country].push_back(static_cast<uint32_t>(addresses_.size()));
    addresses_.push_back({std::string(rows.at(row, 0)), country});
  }
  rows =
      TRY(connection_.query("SELECT merchant_id, merchant_category FROM raw_merchants ORDER BY merchant_id"));
  for (size_t row = 0; row < rows.size(); ++row) {
    auto category = std::find(merchant_categories.begin(), merchant_categories.end(), rows.at(row, 1));
    merchants_.push_back(
        {parse_uuid(rows.at(row, 0)), static_cast<size_t>(category - merchant_categories.begin())});
  }
  rows = TRY(connection_.query("SELECT account_id FROM raw_accounts ORDER BY account_id"));
  for (size_t row = 0; row < rows.size() && !addresses_.empty(); ++row) {
    Account account{.id = parse_uuid(rows.at(row, 0))};
    GeneratorRandom own(uuid_bits(account.id));  // what an account has, it has for life
    account.country = pick_country(own.next());
    const std::vector<uint32_t>& home = at_home[account.country];
    for (int64_t index = own.between(1, 4); index > 0; --index)
      account.addresses.push_back(home.empty() ? static_cast<uint32_t>(own.below(addresses_.size()))
                                               : home[own.below(home.size())]);
    if (own.chance(0.1)) account.addresses.push_back(static_cast<uint32_t>(own.below(addresses_.size())));
    accounts_.push_back(std::move(account));
  }
  // Ids are random, so their order is as good as any order of popularity.
  if (!accounts_.empty()) account_weights_.emplace(accounts_.size(), account_exponent);
  if (!merchants_.empty()) merchant_weights_.emplace(merchants_.size(), merchant_exponent);
  return {};
}

// Continues with what another run has left: payments that still wait, and some that may be charged back.
Status FinanceGenerator::read_recent() {
  postgres::Rows rows = TRY(connection_.query(
      "SELECT transaction_id, status = 'pending' FROM (SELECT transaction_id, status, timestamp FROM "
      "raw_transactions ORDER BY timestamp DESC, transaction_id LIMIT 50000) AS newest ORDER BY "
      "timestamp, transaction_id"));
  for (size_t row = 0; row < rows.size(); ++row)
    (rows.boolean(row, 1) ? pending_ : recent_).push_back(parse_uuid(rows.at(row, 0)));
  // Ids come from the seed: a second run on the same rows must not draw those of the first again.
  if (rows.size() > 0 || has_world()) {
    postgres::Rows moment = TRY(connection_.query("SELECT txid_current()"));
    random_ = GeneratorRandom(random_.next() ^ spread_bits(static_cast<uint64_t>(moment.integer(0, 0))));
  }
  return {};
}

Status FinanceGenerator::add_world(const FinanceSize& size, int64_t now_micros) {
  FinanceTotals present = TRY(totals());
  TRY_VOID(connection_.execute("BEGIN"));
  TRY_VOID(add_merchants(size.merchants - present.merchants));
  TRY_VOID(add_accounts(size.accounts - present.accounts, now_micros));
  TRY_VOID(add_addresses(size.addresses - present.addresses));
  int64_t today = now_micros / day_micros;
  if (present.rates == 0) TRY_VOID(add_rates(today - size.rate_days, today));
  TRY_VOID(commit());
  return read_world();
}

Status FinanceGenerator::add_merchants(int64_t count) {
  if (count <= 0) return {};
  counts_.references += count;
  return copy("COPY raw_merchants (merchant_id, merchant_name, merchant_category, country, risk_rating)",
              [&](CopyWriter& writer) -> Status {
                for (int64_t index = 0; index < count; ++index) {
                  uint64_t bits = random_.next();
                  writer.row(5);
                  writer.uuid(new_uuid());
                  size_t category = (bits >> 8) % merchant_categories.size();
                  writer.text(merchant_name(category, bits));
                  writer.text(merchant_categories[category]);
                  writer.text(country_spelling(pick_country(bits), bits >> 20));
                  writer.int4(static_cast<int32_t>(1 + (bits >> 40) % 5));
                  TRY_VOID(writer.flush_full());
                }
                return {};
              });
}

Status FinanceGenerator::add_accounts(int64_t count, int64_t now_micros) {
  if (count <= 0) return {};
  counts_.references += count;
  return copy("COPY raw_accounts (account_id, user_name, email, country, signup_date)",
              [&](CopyWriter& writer) -> Status {
                for (int64_t index = 0; index < count; ++index) {
                  Uuid id = new_uuid();
                  GeneratorRandom own(uuid_bits(id));  // as read_world() will draw it
                  size_t country = pick_country(own.next());
                  uint64_t bits = random_.next();
                  std::string person = person_name(bits);
                  writer.row(5);
                  writer.uuid(id);
                  writer.text(person);
                  writer.text(email_of(person, bits >> 32));
                  writer.text(country_spelling(country, bits >> 24));
                  writer.date(now_micros / day_micros - static_cast<int64_t>(bits % 1'500));
                  TRY_VOID(writer.flush_full());
                }
                return {};
              });
}

Status FinanceGenerator::add_addresses(int64_t count) {
  if (count <= 0) return {};
  counts_.references += count;
  auto known = static_cast<uint64_t>(addresses_.size());
  return copy("COPY raw_ip_geo (ip, country, city, is_proxy_or_vpn)", [&](CopyWriter& writer) -> Status {
    for (int64_t index = 0; index < count; ++index) {
      // Distinct: the last three numbers are a permutation of the address's own number.
      uint64_t place = (known + static_cast<uint64_t>(index)) * 7'919 % (1U << 24);
      uint64_t bits = random_.next();
      size_t country = pick_country(bits);
      writer.row(4);
      writer.text(fmt::format("{}.{}.{}.{}", 81, place >> 16, (place >> 8) & 255, place & 255));
      writer.text(country_code(country));
      writer.text(country_city(country, bits >> 20));
      writer.boolean(bits >> 40 & 1 ? (bits >> 41) % 100 < 12 : false);
      TRY_VOID(writer.flush_full());
    }
    return {};
  });
}

Status FinanceGenerator::add_rates(int64_t from_day, int64_t until_day) {
  return copy("COPY raw_fx_rates (date, currency, rate_to_eur)", [&](CopyWriter& writer) -> Status {
    for (int64_t day = from_day; day < until_day; ++day)
      for (size_t currency = 0; currency < foreign_currencies().size(); ++currency) {
        // Banks publish on working days. The first day always, so that every payment finds a rate before it.
        if (weekend(day) && day != from_day) continue;
        writer.row(3);
        writer.date(day);
        writer.text(foreign_currencies()[currency]);
        writer.numeric(rate_to_eur_millionths(currency, day), 6);
        ++counts_.references;
        TRY_VOID(writer.flush_full());
      }
    return {};
  });
}

}  // namespace tidemark::cli
