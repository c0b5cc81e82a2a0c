// What is shown of an alert: page, API, metrics. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::alerts {

struct AlertFacts {
  std::string alert, description, owner, severity;
  std::string condition;  // in words
  std::string sql;        // empty: an audit or a source
  std::string of;         // audited model, source; model or endpoint
  std::vector<std::string> notify;
  std::string state;       // ok | pending | firing
  int64_t since_ms = 0;    // of the state; 0: it was never looked at
  int64_t told_at_ms = 0;  // 0: nobody was
  std::optional<double> value;
  bool percent = false;                                      // the value is a change in percent
  int64_t checked_at_ms = 0;                                 // 0: not yet
  int64_t next_check_ms = 0;                                 // by the clock; a cut comes first
  std::string error;                                         // of the last check
  std::string waits;                                         // why it is not looked at
  uint64_t checks = 0, failed_checks = 0, check_micros = 0;  // since start
  std::vector<std::pair<int64_t, double>> history;           // when and what, oldest first
};

}  // namespace tidemark::alerts
