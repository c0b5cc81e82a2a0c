// Alerts as the user wrote them (alerts/<any>.yaml): a number, when it is worth telling, and whom.
// docs/ALERTS.md is the reference. Plain values, checked by the loader; every number that a query gives is
// `sql` here, whether it was written as a query, as a value of a model or as an endpoint.
#pragma once

#include "base/error.h"
#include "config/diagnostic.h"
#include "config/project.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

struct Alert {
  enum class Subject { query, audit, source };
  // Of a source: how far it is behind, what its replication slot makes the server keep, and how long until
  // the server invalidates it.
  enum class Measure { lag, retained, left };
  // rises, falls: in percent, against the period before. age: seconds since the newest row.
  enum class Condition { above, below, rises, falls, age };

  std::string name;
  std::string description, owner;
  std::string severity = "warning";  // info | warning | critical

  Subject subject = Subject::query;
  Measure measure = Measure::lag;
  std::string of;   // model or endpoint that the query was made from, audited model, source
  std::string sql;  // query: one row, whose first column is the value
  std::vector<std::pair<std::string, std::string>> times;  // {from:T} and {to:T} that it names: name, type
  std::map<std::string, std::string> parameters;           // what else is bound to it

  Condition condition = Condition::above;
  double limit = 0;  // percent for rises and falls, seconds for age, lags and what is left, else the value's
  std::optional<double> recover;  // over when the value is at or on the good side of it; nothing: the limit
  bool empty_fires = false;       // no value counts as met, not as over

  int64_t period_seconds = 0;       // of {from} and {to}; 0: the query has none
  int64_t for_seconds = 0;          // met so long before it fires
  int64_t recover_for_seconds = 0;  // over so long before it is resolved
  int64_t repeat_seconds = 0;       // told again while it fires; 0: never
  int64_t every_seconds = 60;       // looked at by the clock, beside cuts
  std::vector<std::string> notify;  // destinations
  Location where, subject_where, notify_where;

  bool compares() const { return condition == Condition::rises || condition == Condition::falls; }
};

// "above 10", "falls by more than 30 % against the hour before": for people.
std::string describe_condition(const Alert& alert);

// All of alerts/ of a project that is loaded. Errors: config, with every mistake.
Result<std::vector<Alert>> load_alerts(const Project& project);

}  // namespace tidemark::config
