// The outbox: what is to be told to others, in the order in which it happened. Table tidemark.outbox.
//
// Writing. Whoever decides that something is to be told (segments, alerts, also a person through SQL) inserts
// rows; that INSERT is all that is needed, nothing else has to be written at that moment, and materialized
// views may hang on the table. The contract: seq grows from INSERT to INSERT - a row whose seq is below one
// that could already be read may be passed over - and a row names the destinations it is for. append() does
// it under a token, so that a repeated block counts once.
//
// Reading is by seq, a page at a time, for one destination. Rows are deleted when they are older than
// limits::keep_days and every destination is past them.
//
// Threads: any (each call takes a connection of the pool).
#pragma once

#include "clickhouse/client_pool.h"
#include "clickhouse/retry.h"
#include "notify/notification.h"

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::notify {

struct OutboxRow {
  Notification notification;
  std::vector<std::string> destinations;
};

class Outbox {
 public:
  explicit Outbox(clickhouse::ClientPool& pool) : pool_(pool) {}

  // The table, IF NOT EXISTS.
  Status prepare();

  // One block, exactly once under `token`. Errors: as insert_exactly_once.
  Status append(const std::vector<OutboxRow>& rows, std::string_view token,
                const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

  // The largest seq there is; 0: none.
  Result<uint64_t> newest();

  struct Page {
    std::vector<Notification> rows;  // in order
    uint64_t complete_to = 0;        // everything up to here was looked at
  };
  // All that is new, for every destination: one question instead of one for each.
  struct News {
    uint64_t after = 0, complete_to = 0;  // everything in (after, complete_to] was looked at
    std::vector<OutboxRow> rows;          // in order, at most limits::page_rows_max
  };
  Result<News> news(uint64_t after);
  // What `destination` has in (after, up_to]. `with_outcomes`: those that tidemark.deliveries says are
  // settled are left out.
  Result<Page> read(const std::string& destination, uint64_t after, uint64_t up_to, bool with_outcomes);
  // What it has not settled of these entities in [from, up_to]; up to `position` that is only what is marked
  // to be sent again.
  Result<Page> read_entities(const std::string& destination, const std::vector<std::string>& entities,
                             uint64_t from, uint64_t up_to, uint64_t position);
  // Deletes what is old and behind `position`; returns at once, the server does it when it has time.
  Status expire(uint64_t position);

 private:
  Result<Page> page(const std::string& where, std::map<std::string, std::string> parameters,
                    std::map<std::string, std::string> raw_parameters, uint64_t up_to);
  clickhouse::ClientPool& pool_;
};

}  // namespace tidemark::notify
