// What a verb asks of a running project: a change of its models, as it travels in the body of POST
// /api/deployment. A plain value.
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::cli {

struct DeployRequest {
  enum class Action { apply, backfill, rollback };
  Action action = Action::apply;
  bool destructive = false;
  bool leave_dropped =
      false;  // models that are gone from the project stay as they are instead of refusing all
  bool watched_only = false;  // of ourselves: what segments watch, and no model of the project
  std::string plan;           // apply: only if the plan is still this one; empty: whatever it is
  std::string model;          // backfill, rollback
  std::vector<std::string> partitions;

  // {"action": "apply", "destructive": false, "plan": "", "model": "", "partitions": []}
  std::string to_json() const;
  static Result<DeployRequest> from_json(std::string_view text);
};

}  // namespace tidemark::cli
