#include "cli/finance_generator.h"

#include "cli/generator_statements.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t day_micros = 86'400 * second_micros;
constexpr double pending_share = 0.05;
constexpr double failed_share = 0.05;
constexpr double late_share = 0.01;  // arrive up to three days after they happened
// An account is taken over about once in this many payments, and then pays so often before it is noticed.
constexpr double payments_per_take_over = 4'000;
constexpr int64_t take_over_payments_min = 12;
constexpr int64_t take_over_payments_max = 40;

}  // namespace

Result<FinanceGenerator> FinanceGenerator::open(const postgres::ConnectionOptions& options, uint64_t seed,
                                                const std::atomic<bool>& stop) {
  FinanceGenerator generator(TRY(postgres::Connection::open(options)), seed, stop);
  TRY_VOID(generator.prepare());
  TRY_VOID(generator.read_world());
  TRY_VOID(generator.read_recent());
  return generator;
}

Status FinanceGenerator::prepare() {
  return make_tables(connection_, "finance",
                     {"raw_transactions", "raw_accounts", "raw_merchants", "raw_fx_rates", "raw_ip_geo"});
}

Uuid FinanceGenerator::new_uuid() {
  Uuid uuid;
  for (size_t half = 0; half < 2; ++half) {
    uint64_t bits = random_.next();
    for (size_t index = 0; index < 8; ++index)
      uuid[half * 8 + index] = static_cast<uint8_t>(bits >> (8 * index));
  }
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);  // version 4
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);  // variant 1
  return uuid;
}

Status FinanceGenerator::add_traffic(const Stretch& traffic) {
  if (!has_world())
    return fail(ErrorKind::refused, "there are no accounts to pay with",
                "first: tidemark generate finance world");
  DayCurve curve(traffic.from_micros, traffic.until_micros);
  for (int64_t done = 0; done < traffic.rows && !*stop_;) {
    int64_t rows = std::min(traffic.transaction_rows, traffic.rows - done);
    TRY_VOID(write_commit(traffic, curve, done, rows));
    done += rows;
  }
  return {};
}

FinanceGenerator::Payment FinanceGenerator::payment(int64_t at_micros) {
  if (!taken_over_ && random_.chance(1 / payments_per_take_over))
    taken_over_ = TakeOver{random_.below(accounts_.size()),
                           random_.between(take_over_payments_min, take_over_payments_max)};
  // Half of what is written while an account is in the wrong hands is its own: a burst.
  bool stolen = taken_over_ && random_.chance(0.5);
  size_t rank = stolen ? taken_over_->account : account_weights_->pick(random_);
  const Account& account = accounts_[rank];
  const Merchant& merchant = merchants_[merchant_weights_->pick(random_)];
  uint64_t bits = uuid_bits(account.id);
  double normal = random_.unit() + random_.unit() + random_.unit() + random_.unit() - 2;  // sigma 0.58
  double spread = std::exp(1.2 * normal) * (0.7 + static_cast<double>(bits % 700) / 1000.0);
  double outcome = random_.unit();
  Payment made{.id = new_uuid(),
               .account = account.id,
               .merchant = merchant.id,
               .at_micros = at_micros,
               .cents = std::max<int64_t>(
                   50, std::llround(static_cast<double>(typical_amount_cents(merchant.category)) * spread)),
               .currency = country_currency(account.country),
               .status = outcome < pending_share                  ? "pending"
                         : outcome < pending_share + failed_share ? "failed"
                                                                  : "success",
               .ip = &addresses_[account.addresses[random_.below(account.addresses.size())]].ip,
               .device = fmt::format("device-{:08x}",
                                     static_cast<uint32_t>(bits >> 32) + random_.below(1 + bits % 2))};
  // A unit of some currencies is worth little: people pay with more of them.
  if (std::string_view(made.currency) == "JPY" || std::string_view(made.currency) == "INR") made.cents *= 90;
  if (!stolen && random_.chance(late_share)) made.at_micros -= random_.between(second_micros, 3 * day_micros);
  if (stolen) take_over(made, account);
  return made;
}

void FinanceGenerator::take_over(Payment& payment, const Account& account) {
  payment.cents = payment.cents * random_.between(8, 30);
  payment.ip = &addresses_[random_.below(addresses_.size())].ip;
  payment.device =
      fmt::format("device-{:08x}", static_cast<uint32_t>(uuid_bits(account.id)) + 100 + random_.below(5));
  if (random_.chance(0.35)) payment.status = "failed";
  if (--taken_over_->left <= 0) taken_over_.reset();
}

Status FinanceGenerator::write_commit(const Stretch& traffic, const DayCurve& curve, int64_t done,
                                      int64_t rows) {
  std::vector<Payment> payments;
  payments.reserve(static_cast<size_t>(rows));
  for (int64_t index = 0; index < rows; ++index) {
    double share = (static_cast<double>(done + index) + random_.unit()) / static_cast<double>(traffic.rows);
    payments.push_back(payment(curve.moment(share)));
  }
  TRY_VOID(connection_.execute("BEGIN"));
  int64_t updates = random_.share_of(rows, traffic.updates);
  int64_t settled = std::min(updates, static_cast<int64_t>(pending_.size()));
  TRY_VOID(settle(settled));
  TRY_VOID(correct_amounts(updates - settled));
  TRY_VOID(charge_back(random_.share_of(rows, traffic.deletes)));
  TRY_VOID(copy_payments(payments));
  if (traffic.updates > 0) {
    if (random_.chance(static_cast<double>(rows) / 10'000)) TRY_VOID(change_world(traffic.until_micros));
    TRY_VOID(publish_rates(traffic.until_micros));
  }
  return commit();
}

Status FinanceGenerator::copy(const std::string& statement, const std::function<Status(CopyWriter&)>& rows) {
  CopyWriter writer(connection_);
  TRY_VOID(writer.begin(statement + " FROM STDIN (FORMAT binary)"));
  TRY_VOID(rows(writer));
  return writer.end();
}

Status FinanceGenerator::copy_payments(const std::vector<Payment>& payments) {
  constexpr size_t recent_max = 200'000;
  TRY_VOID(
      copy("COPY raw_transactions (transaction_id, account_id, timestamp, amount, currency, merchant_id, "
           "status, ip, "
           "device_id)",
           [&](CopyWriter& writer) -> Status {
             for (const Payment& one : payments) {
               writer.row(9);
               writer.uuid(one.id);
               writer.uuid(one.account);
               writer.timestamp(one.at_micros);
               writer.numeric(one.cents, 2);
               writer.text(one.currency);
               writer.uuid(one.merchant);
               writer.text(one.status);
               writer.text(*one.ip);
               writer.text(one.device);
               TRY_VOID(writer.flush_full());
             }
             return {};
           }));
  for (const Payment& one : payments)
    (std::string_view(one.status) == "pending" ? pending_ : recent_).push_back(one.id);
  while (recent_.size() > recent_max) recent_.pop_front();
  counts_.transactions += static_cast<int64_t>(payments.size());
  return {};
}

Status FinanceGenerator::commit() {
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.commits;
  if (on_progress) on_progress(counts_);
  return {};
}

Result<FinanceTotals> FinanceGenerator::totals() {
  postgres::Rows rows = TRY(connection_.query(
      "SELECT (SELECT count(*) FROM raw_transactions), (SELECT count(*) FROM raw_accounts), (SELECT count(*) "
      "FROM "
      "raw_merchants), (SELECT count(*) FROM raw_fx_rates), (SELECT count(*) FROM raw_ip_geo)"));
  return FinanceTotals{rows.integer(0, 0), rows.integer(0, 1), rows.integer(0, 2), rows.integer(0, 3),
                       rows.integer(0, 4)};
}

Status FinanceGenerator::delete_everything() {
  TRY_VOID(connection_.execute("BEGIN"));
  for (const char* table :
       {"raw_transactions", "raw_accounts", "raw_merchants", "raw_fx_rates", "raw_ip_geo"})
    counts_.deletes += TRY(affected_rows(connection_, fmt::format("DELETE FROM {}", table)));
  pending_.clear();
  recent_.clear();
  taken_over_.reset();
  TRY_VOID(commit());
  return read_world();
}

}  // namespace tidemark::cli
