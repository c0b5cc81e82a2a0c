#include "cli/deploy_request.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {

namespace json = boost::json;

namespace {

const char* name(DeployRequest::Action action) {
  switch (action) {
    case DeployRequest::Action::apply:
      return "apply";
    case DeployRequest::Action::backfill:
      return "backfill";
    case DeployRequest::Action::rollback:
      return "rollback";
  }
  return "";
}

}  // namespace

std::string DeployRequest::to_json() const {
  return json::serialize(json::object{{"action", name(action)},
                                      {"destructive", destructive},
                                      {"plan", plan},
                                      {"model", model},
                                      {"partitions", json::value_from(partitions)}});
}

Result<DeployRequest> DeployRequest::from_json(std::string_view text) {
  auto wrong = [](const char* what) {
    return fail(ErrorKind::usage, fmt::format("a deployment request {}", what));
  };
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (error || !value.is_object()) return wrong("is a JSON object");
  const auto& object = value.as_object();
  DeployRequest request;
  bool known = false;
  for (Action action : {Action::apply, Action::backfill, Action::rollback})
    if (const auto* given = object.if_contains("action"); given != nullptr && *given == name(action)) {
      request.action = action;
      known = true;
    }
  if (!known) return wrong("has an action: apply, backfill or rollback");
  if (const auto* given = object.if_contains("destructive"); given != nullptr && given->is_bool())
    request.destructive = given->as_bool();
  if (const auto* given = object.if_contains("plan"); given != nullptr && given->is_string())
    request.plan = given->as_string();
  if (const auto* given = object.if_contains("model"); given != nullptr && given->is_string())
    request.model = given->as_string();
  if (const auto* given = object.if_contains("partitions"); given != nullptr && given->is_array())
    for (const auto& one : given->as_array())
      if (one.is_string()) request.partitions.emplace_back(one.as_string());
  return request;
}

}  // namespace tidemark::cli
