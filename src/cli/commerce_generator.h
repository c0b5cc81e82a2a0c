// Life for the commerce pack: people come to two shops, at first unknown, from adverts, searches and letters;
// they look, fill carts, leave or buy, send things back. GA4, Klaviyo and Shopify each see their part of it,
// and an extraction tool appends what they say to Postgres (packs/commerce/schema/postgres.sql). With it come
// the hazards of such landings: an object has a row for each time it was extracted, some are sent again
// unchanged, some again in an older version, orders are deleted by a tombstone that has hardly a column,
// customers are redacted in place, purchases are reported twice, session_engaged is "1" or 1, transaction ids
// are "(not set)", rates are NaN, ids are above 2^53, the reports of a day change for three days.
//
// One connection; deterministic on an empty database under one seed. Threads: one at a time; `stop` as in
// finance_generator.h.
#pragma once

#include "base/error.h"
#include "cli/commerce_documents.h"
#include "cli/generator_pace.h"
#include "cli/generator_random.h"
#include "postgres/connection.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tidemark::cli {

struct CommerceCounts {
  int64_t rows = 0;  // landed, those that were sent again included
  int64_t orders = 0, refunds = 0;
  int64_t updates = 0;  // sent again
  int64_t deletes = 0;  // tombstones and redactions
  int64_t commits = 0;
};

class CommerceGenerator {
 public:
  static Result<CommerceGenerator> open(const postgres::ConnectionOptions& options, uint64_t seed,
                                        const std::atomic<bool>& stop);

  std::function<void(const CommerceCounts&)> on_progress;  // after every commit

  // Rows are landed rows, but for GA4's reports, which are a few a day.
  Status add_traffic(const Stretch& traffic);
  Status delete_everything();
  bool has_history() const { return next_order_ > 1; }
  const CommerceCounts& counts() const { return counts_; }

 private:
  // A row of a landing table, but for the tool's own columns.
  struct Landing {
    std::string table, document;
  };
  struct Spent {
    int64_t orders = 0, cents = 0, since_micros = 0;
  };

  CommerceGenerator(postgres::Connection connection, uint64_t seed, const std::atomic<bool>& stop)
      : connection_(std::move(connection)), random_(seed), stop_(&stop) {}

  Status prepare();
  void add_world(int64_t now_micros);
  // What people do.
  void add_visit(int64_t at_micros);
  CommercePerson visitor(int64_t at_micros, bool& is_new);
  void add_letters(int64_t at_micros);
  void send_letter(const CommercePerson& person, int64_t campaign, int64_t at_micros, bool clicked);
  void browse(const CommercePerson& person, const CommerceTouch& touch, int64_t at_micros, bool is_new,
              int64_t letter);
  void buy(CommerceOrder order, const CommerceTouch& touch, Ga4Event event, int64_t letter);
  void follow_up(const CommerceOrder& order);
  void take_from_stock(const CommerceOrder& order);
  CommerceOrder fill_cart(const CommercePerson& person, int64_t at_micros);
  void tell_klaviyo(std::string_view metric, const CommercePerson& person, int64_t at_micros,
                    const std::string& properties, int64_t landed_micros);
  void tell_profile(const CommercePerson& person, int64_t at_micros);
  void land(const std::string& table, std::string document, int64_t at_micros);
  // commerce_landing.cc
  Status write(const Stretch& traffic, std::vector<std::pair<int64_t, Landing>> rows);
  Status insert(const std::string& table, const std::string& rows);
  std::vector<Landing> send_again(int64_t count);
  Status redact(int64_t count);
  Status sync_reports(const Stretch& traffic, int64_t until_micros);

  postgres::Connection connection_;
  GeneratorRandom random_;
  const std::atomic<bool>* stop_;
  int64_t next_person_ = 1, next_order_ = 1, next_refund_ = 1, next_checkout_ = 1;
  int64_t reported_micros_ = 0;                        // GA4's reports have been extracted up to here
  std::multimap<int64_t, Landing> waiting_;            // by the moment they are extracted
  std::deque<Landing> recent_;                         // that may be sent again; bounded
  std::deque<std::pair<int64_t, Landing>> deletable_;  // customer and tombstone of orders; bounded
  std::map<int64_t, Spent> spent_;                     // by person
  std::map<int64_t, int64_t> stock_;                   // by inventory item
  CommerceCounts counts_;
};

// What `tidemark generate commerce` does; `demo` calls the same.
constexpr PaceDefaults commerce_pace = {.history_rows = 100'000,
                                        .round_rows = 5'000,
                                        .transaction_rows = 1'000,
                                        .updates = 0.03,
                                        .deletes = 0.0005};
Status generate_commerce(CommerceGenerator& generator, const Pace& plan, const std::atomic<bool>& stop);

}  // namespace tidemark::cli
