// Life for the cdp pack: people who visit a shop, at first without a name, sign up, look, fill carts, buy,
// stay away, are given refunds, change their plans and are deleted. It comes in two ways: customers and
// orders are rows of Postgres, what people do is posted as an SDK does it. And what makes people hard to tell
// apart: visitors that log in later, on up to three browsers; tablets that two share; kiosks that everybody
// uses; events that arrive up to six hours late, events that are sent twice (one messageId); traits that are
// cleared.
//
// One connection, deterministic on an empty schema under one seed (both ways). The rows of a stretch are
// committed before its events are sent. Threads: one at a time; `stop` as in finance_generator.h.
#pragma once

#include "base/error.h"
#include "cli/cdp_world.h"
#include "cli/event_sender.h"
#include "cli/generator_pace.h"
#include "cli/generator_random.h"
#include "postgres/connection.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::cli {

struct CdpCounts {
  int64_t events = 0;  // sent, repeated ones included
  int64_t customers = 0, orders = 0;
  int64_t updates = 0, deletes = 0, commits = 0;
};

class CdpGenerator {
 public:
  static Result<CdpGenerator> open(const postgres::ConnectionOptions& options, uint64_t seed,
                                   const std::atomic<bool>& stop);

  std::function<void(const CdpCounts&)> on_progress;  // after every commit and what it sent

  // Where events go. Before add_traffic().
  void send_to(const std::string& url, const Secret& write_key) { sender_ = EventSender(url, write_key); }
  // Rows are events; updates are changed plans and refunds.
  Status add_traffic(const Stretch& traffic);
  Status delete_everything();
  bool has_history() const { return next_customer_ > 1; }
  const CdpCounts& counts() const { return counts_; }

 private:
  struct Order {
    int64_t id = 0, customer = 0;
    CdpProduct product;
    int64_t at_micros = 0;
  };
  // What happens at a moment: an event, and the row it leaves in Postgres.
  struct Happening {
    std::string event;
    std::optional<int64_t> customer;  // signs up
    std::optional<Order> order;
  };
  // Who is at it, as an SDK knows them.
  struct Visitor {
    std::string user, anonymous, device;
    int64_t number = 0;  // of the customer; 0: nobody knows
  };

  CdpGenerator(postgres::Connection connection, uint64_t seed, const std::atomic<bool>& stop)
      : connection_(std::move(connection)), random_(seed), stop_(&stop) {}

  Status prepare();
  Status add_world(int64_t now_micros);
  // What people do.
  void add_visit(int64_t at_micros);
  Visitor visitor();
  void sign_up(const Visitor& visitor, int64_t at_micros);
  void buy(const Visitor& visitor, const CdpProduct& product, int64_t at_micros);
  void tell_traits(const Visitor& visitor, int64_t at_micros);
  void say(const Visitor& visitor, int64_t at_micros, const std::string& type, const std::string& fields,
           Happening happening = {});
  // cdp_rows.cc
  Status write(const Stretch& traffic, int64_t now_micros, std::vector<Happening> happened);
  Status copy_customers(const std::vector<int64_t>& numbers, int64_t now_micros);
  Status copy_orders(const std::vector<Order>& orders);
  Status change_rows(const Stretch& traffic, int64_t now_micros, int64_t rows);

  postgres::Connection connection_;
  GeneratorRandom random_;
  const std::atomic<bool>* stop_;
  EventSender sender_;
  int64_t next_customer_ = 1, next_order_ = 1;
  std::vector<int64_t> customers_;     // numbers of those that are there, in order; the first visit most
  std::deque<int64_t> recent_orders_;  // that may be refunded or deleted; bounded
  std::multimap<int64_t, Happening> waiting_;  // by the moment it is written
  CdpCounts counts_;
};

// What `tidemark generate cdp` does; `demo` calls the same.
constexpr PaceDefaults cdp_pace = {.history_rows = 20'000,
                                   .round_rows = 2'000,
                                   .transaction_rows = 1'000,
                                   .updates = 0.02,
                                   .deletes = 0.0005};
Status generate_cdp(CdpGenerator& generator, const Pace& plan, const std::atomic<bool>& stop);

}  // namespace tidemark::cli
