// Realistic life for the finance pack's source database: accounts that pay merchants with their own devices
// from their own places, a few that are taken over, and everything that makes derived numbers hard - pending
// payments that settle or fail later, charge-backs, corrected amounts, exchange rates that arrive late or are
// corrected, merchants that are renamed, addresses that turn out to be proxies.
//
// One connection, transactions of the size asked for, rows by COPY BINARY. Deterministic: on an empty schema
// the same seed and the same calls leave the same rows, ids included (as long as nobody else writes).
//
// Works on any database with the five tables; creates them when they are missing. Threads: one at a time;
// `stop` may be set by any thread or signal handler and ends a call after its current transaction, with
// everything before it committed.
#pragma once

#include "base/error.h"
#include "cli/copy_writer.h"
#include "cli/finance_world.h"
#include "cli/generator_pace.h"
#include "cli/generator_random.h"
#include "postgres/connection.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::cli {

// What has been written since the start. Transactions of the database are called commits here, because rows
// of this pack are transactions.
struct FinanceCounts {
  int64_t transactions = 0;
  int64_t references = 0;  // accounts, merchants, rates, addresses
  int64_t updates = 0;     // rows of any table
  int64_t deletes = 0;
  int64_t commits = 0;
  int64_t rows() const { return transactions + references + updates + deletes; }
};

// What is in the database.
struct FinanceTotals {
  int64_t transactions = 0, accounts = 0, merchants = 0, rates = 0, addresses = 0;
};

// How large the world is; the defaults are the seed's.
struct FinanceSize {
  int64_t accounts = 12'345;
  int64_t merchants = 56;
  int64_t addresses = 5'678;
  int64_t rate_days = 365;
};

class FinanceGenerator {
 public:
  // Creates missing tables. Errors: as Connection::open; refused (no right to create or write).
  static Result<FinanceGenerator> open(const postgres::ConnectionOptions& options, uint64_t seed,
                                       const std::atomic<bool>& stop);

  // Called after every commit.
  std::function<void(const FinanceCounts&)> on_progress;

  // Accounts, merchants, addresses and rates up to the day before `now`, without weekends, as banks publish
  // them. Only what is not there yet of each.
  Status add_world(const FinanceSize& size, int64_t now_micros);
  // Rows are payments. Updates are settlements and corrections; deletes are charge-backs that remove the row,
  // and as many turn it to failed.
  Status add_traffic(const Stretch& traffic);

  Result<FinanceTotals> totals();
  Status delete_everything();

  const FinanceCounts& counts() const { return counts_; }
  bool has_world() const { return !accounts_.empty() && !merchants_.empty() && !addresses_.empty(); }
  bool has_transactions() const { return !recent_.empty() || !pending_.empty(); }

 private:
  struct Account {
    Uuid id;
    size_t country;
    std::vector<uint32_t> addresses;  // into addresses_; most at home
  };
  struct Merchant {
    Uuid id;
    size_t category;
  };
  struct Address {
    std::string ip;
    size_t country;
  };
  struct Payment {
    Uuid id;
    Uuid account;
    Uuid merchant;
    int64_t at_micros;
    int64_t cents;
    const char* currency;
    const char* status;
    const std::string* ip;
    std::string device;
  };
  // An account in someone else's hands: payments in quick succession from anywhere.
  struct TakeOver {
    size_t account;
    int64_t left;
  };

  FinanceGenerator(postgres::Connection connection, uint64_t seed, const std::atomic<bool>& stop)
      : connection_(std::move(connection)), random_(seed), stop_(&stop) {}

  Status prepare();
  // finance_people.cc
  Status read_world();
  Status read_recent();
  Status add_merchants(int64_t count);
  Status add_accounts(int64_t count, int64_t now_micros);
  Status add_addresses(int64_t count);
  Status add_rates(int64_t from_day, int64_t until_day);
  Uuid new_uuid();

  Payment payment(int64_t at_micros);
  void take_over(Payment& payment, const Account& account);
  Status write_commit(const Stretch& traffic, const DayCurve& curve, int64_t done, int64_t rows);
  Status copy_payments(const std::vector<Payment>& payments);
  Status copy(const std::string& statement, const std::function<Status(CopyWriter&)>& rows);

  // finance_changes.cc
  Status settle(int64_t count);
  Status correct_amounts(int64_t count);
  Status charge_back(int64_t deletes);
  Status change_world(int64_t now_micros);
  Status publish_rates(int64_t now_micros);
  std::vector<Uuid> some_recent(int64_t count);

  Status commit();

  postgres::Connection connection_;
  GeneratorRandom random_;
  const std::atomic<bool>* stop_;
  std::vector<Account> accounts_;    // busiest first
  std::vector<Merchant> merchants_;  // busiest first
  std::vector<Address> addresses_;
  std::optional<Zipf> account_weights_;
  std::optional<Zipf> merchant_weights_;
  std::optional<TakeOver> taken_over_;
  std::deque<Uuid> pending_;  // oldest first
  std::deque<Uuid> recent_;   // not pending any more; oldest first, bounded
  FinanceCounts counts_;
};

}  // namespace tidemark::cli
