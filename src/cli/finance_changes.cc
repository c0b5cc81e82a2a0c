// The changes of FinanceGenerator: what happens to rows after they were written. Each is something a real
// bank sees, and each breaks a way of computing numbers that only looks at inserts.
#include "cli/finance_generator.h"
#include "cli/generator_statements.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t day_micros = 86'400'000'000;
// Of payments that waited, the rest fails.
constexpr double settled_share = 0.85;

std::string ids_text(const std::vector<Uuid>& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const Uuid& id : ids) texts.push_back(uuid_text(id));
  return array_text(texts);
}

}  // namespace

// Distinct, so that the order in which Postgres visits them cannot matter.
std::vector<Uuid> FinanceGenerator::some_recent(int64_t count) {
  std::vector<Uuid> ids;
  if (recent_.empty()) return ids;
  for (int64_t index = 0; index < count; ++index) ids.push_back(recent_[random_.below(recent_.size())]);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Pending payments succeed or fail, the oldest first; one in ten for another amount (a tip, a partial
// delivery).
Status FinanceGenerator::settle(int64_t count) {
  if (count == 0) return {};
  std::vector<Uuid> ids(pending_.begin(), pending_.begin() + count);
  pending_.erase(pending_.begin(), pending_.begin() + count);
  recent_.insert(recent_.end(), ids.begin(), ids.end());
  std::vector<const char*> statuses;
  std::vector<int64_t> cents;
  for (size_t index = 0; index < ids.size(); ++index) {
    statuses.push_back(random_.chance(settled_share) ? "success" : "failed");
    cents.push_back(random_.chance(0.1) ? random_.between(1, 900) : 0);
  }
  counts_.updates +=
      TRY(affected_rows(connection_,
                        "UPDATE raw_transactions AS payment SET status = change.status, amount = "
                        "payment.amount + change.cents * 0.01"
                        " FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS change (id, status, cents)"
                        " WHERE payment.transaction_id = change.id",
                        {ids_text(ids), array_text(statuses), array_text(cents)}));
  return {};
}

Status FinanceGenerator::correct_amounts(int64_t count) {
  std::vector<Uuid> ids = some_recent(count);
  if (ids.empty()) return {};
  counts_.updates += TRY(affected_rows(connection_,
                                       "UPDATE raw_transactions SET amount = round(amount * 0.9, 2) + 0.01 "
                                       "WHERE transaction_id = ANY ($1::uuid[])",
                                       {ids_text(ids)}));
  return {};
}

// The bank takes the money back: some rows go, as many stay and say failed.
Status FinanceGenerator::charge_back(int64_t deletes) {
  std::vector<Uuid> ids = some_recent(2 * deletes);
  if (ids.empty()) return {};
  std::vector<Uuid> gone;
  std::vector<Uuid> kept;
  for (const Uuid& id : ids) (random_.chance(0.5) ? gone : kept).push_back(id);
  counts_.deletes += TRY(affected_rows(
      connection_, "DELETE FROM raw_transactions WHERE transaction_id = ANY ($1::uuid[])", {ids_text(gone)}));
  counts_.updates += TRY(affected_rows(
      connection_, "UPDATE raw_transactions SET status = 'failed' WHERE transaction_id = ANY ($1::uuid[])",
      {ids_text(kept)}));
  return {};
}

Status FinanceGenerator::change_world(int64_t now_micros) {
  std::string change;
  switch (random_.below(6)) {
    case 0: {
      const Merchant& merchant = merchants_[random_.below(merchants_.size())];
      change = fmt::format("UPDATE raw_merchants SET merchant_name = '{}' WHERE merchant_id = '{}'",
                           merchant_name(merchant.category, random_.next()), uuid_text(merchant.id));
      break;
    }
    case 1:
      change = fmt::format("UPDATE raw_merchants SET risk_rating = {} WHERE merchant_id = '{}'",
                           random_.between(1, 5), uuid_text(merchants_[random_.below(merchants_.size())].id));
      break;
    case 2:
      change = fmt::format("UPDATE raw_accounts SET country = '{}' WHERE account_id = '{}'",
                           country_spelling(random_.below(country_count()), random_.next()),
                           uuid_text(accounts_[random_.below(accounts_.size())].id));
      break;
    case 3:
      change = fmt::format("UPDATE raw_ip_geo SET is_proxy_or_vpn = NOT is_proxy_or_vpn WHERE ip = '{}'",
                           addresses_[random_.below(addresses_.size())].ip);
      break;
    case 4: {
      // A bank corrects what it has published.
      size_t currency = random_.below(foreign_currencies().size());
      int64_t day = now_micros / day_micros - random_.between(1, 4);
      change = fmt::format(
          "UPDATE raw_fx_rates SET rate_to_eur = round(rate_to_eur * {}, 6) WHERE currency = '{}' AND date = "
          "date "
          "'1970-01-01' + {}",
          random_.chance(0.5) ? "1.001" : "0.999", foreign_currencies()[currency], day);
      break;
    }
    default: {
      std::string person = person_name(random_.next());
      change = fmt::format("UPDATE raw_accounts SET user_name = '{}', email = '{}' WHERE account_id = '{}'",
                           person, email_of(person, random_.next()),
                           uuid_text(accounts_[random_.below(accounts_.size())].id));
    }
  }
  counts_.updates += TRY(affected_rows(connection_, change));
  return {};
}

// Today's rates come when the day is well under way, one currency after the other, after payments that needed
// them.
Status FinanceGenerator::publish_rates(int64_t now_micros) {
  if (!random_.chance(0.05)) return {};
  int64_t today = now_micros / day_micros;
  size_t currency = random_.below(foreign_currencies().size());
  counts_.references += TRY(affected_rows(connection_,
                                          "INSERT INTO raw_fx_rates (date, currency, rate_to_eur) SELECT "
                                          "date '1970-01-01' + $1::int, $2, $3::numeric / "
                                          "1000000 ON CONFLICT DO NOTHING",
                                          {std::to_string(today), foreign_currencies()[currency],
                                           std::to_string(rate_to_eur_millionths(currency, today))}));
  return {};
}

}  // namespace tidemark::cli
