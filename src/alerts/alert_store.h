// What alerts remember, in the warehouse.
//
//   tidemark.alerts        a row for each change of an alert; the one with the largest revision is its state.
//                          What was told, and to whom, stands in the row.
//   tidemark.alert_values  what it was when it was looked at, thinned out: for pictures
//
// A row is written under a token made of alert and revision, so that writing it again counts once.
//
// Threads: any. Errors: those of the warehouse.
#pragma once

#include "clickhouse/client_pool.h"
#include "clickhouse/retry.h"
#include "notify/notification.h"

#include <atomic>
#include <map>
#include <vector>

#include "alerts/alert_state.h"

namespace tidemark::alerts {

struct AlertChange {
  AlertState state;
  int64_t at_ms = 0;
  std::optional<double> value;
  std::string severity;
  std::string kind;  // alert.firing, alert.repeated, alert.resolved; empty: nobody is told
  uint64_t prev_seq = 0;
  std::vector<std::string> destinations;
  std::string data;  // of the notification

  notify::Notification notification() const;
};

struct AlertSample {
  std::string alert;
  int64_t at_ms = 0;
  double value = 0;
};

class AlertStore {
 public:
  AlertStore(clickhouse::ClientPool& pool, const std::atomic<bool>& stop) : pool_(pool), stop_(stop) {}

  // The tables, IF NOT EXISTS.
  Status prepare();
  // The newest change of each alert.
  Result<std::vector<AlertChange>> newest();
  // Changes of one, newest first, at most limits::history_max.
  Result<std::vector<AlertChange>> history(const std::string& alert);
  // Of those, which are for somebody and not in the outbox though they are young enough to be.
  Result<std::vector<AlertChange>> untold();
  Status write(const AlertChange& change);

  // By alert, oldest first, at most limits::samples_max each.
  Result<std::map<std::string, std::vector<AlertSample>>> samples();
  Status add(const std::vector<AlertSample>& samples);

 private:
  Result<std::vector<AlertChange>> read(const std::string& rest,
                                        std::map<std::string, std::string> parameters);
  clickhouse::ClientPool& pool_;
  const std::atomic<bool>& stop_;
};

// Bounded tries of a write.
clickhouse::RetryPolicy write_policy();

}  // namespace tidemark::alerts
