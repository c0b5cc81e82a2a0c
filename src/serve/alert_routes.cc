#include "serve/alert_routes.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "alerts/alert_service.h"

namespace tidemark::serve {
namespace {

using http::Request;
using http::Response;

boost::json::value number_or_null(std::optional<double> value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

boost::json::array texts_of(const std::vector<std::string>& texts) {
  boost::json::array list;
  for (const auto& text : texts) list.push_back(boost::json::string(text));
  return list;
}

boost::json::object alert_object(const alerts::AlertFacts& facts) {
  boost::json::array values;
  for (const auto& [at_ms, value] : facts.history) values.push_back(boost::json::array{at_ms, value});
  boost::json::object one{{"alert", facts.alert},
                          {"description", facts.description},
                          {"owner", facts.owner},
                          {"severity", facts.severity},
                          {"condition", facts.condition},
                          {"notify", texts_of(facts.notify)},
                          {"state", facts.state},
                          {"since_ms", facts.since_ms},
                          {"told_at_ms", facts.told_at_ms},
                          {"value", number_or_null(facts.value)},
                          {"percent", facts.percent},
                          {"checked_at_ms", facts.checked_at_ms},
                          {"next_check_ms", facts.next_check_ms},
                          {"checks", facts.checks},
                          {"failed_checks", facts.failed_checks},
                          {"values", std::move(values)}};
  if (!facts.sql.empty()) one["sql"] = facts.sql;
  if (!facts.of.empty()) one["of"] = facts.of;
  if (!facts.error.empty()) one["error"] = facts.error;
  if (!facts.waits.empty()) one["waits"] = facts.waits;
  return one;
}

boost::json::object change_object(const alerts::AlertChange& change) {
  return {{"at_ms", change.at_ms},
          {"state", alerts::name(change.state.phase)},
          {"value", number_or_null(change.value)},
          {"type", change.kind},
          {"seq", change.kind.empty() || change.destinations.empty() ? 0 : change.state.seq},
          {"notify", texts_of(change.destinations)}};
}

}  // namespace

void add_alert_routes(http::Server& server, alerts::AlertService* service) {
  server.route("GET", "/api/alerts", [service](const Request&) {
    boost::json::array list;
    if (service != nullptr)
      for (const auto& facts : service->facts()) list.push_back(alert_object(facts));
    return Response::json(boost::json::serialize(boost::json::object{{"alerts", std::move(list)}}));
  });
  server.route("GET", "/api/alerts/{name}/history", [service](const Request& request) {
    if (service == nullptr) return Response::problem(404, "not found", "the project has no alerts");
    auto changes = service->history(request.path_parameters.at("name"));
    if (!changes && changes.error().kind == ErrorKind::usage)
      return Response::problem(404, "not found", changes.error().message, changes.error().remedy);
    if (!changes) return Response::problem(changes.error());
    boost::json::array list;
    for (const auto& change : *changes) list.push_back(change_object(change));
    return Response::json(boost::json::serialize(boost::json::object{{"changes", std::move(list)}}));
  });
}

std::string alerts_in_status(const std::vector<alerts::AlertFacts>& alerts) {
  boost::json::array list;
  for (const auto& facts : alerts)
    list.push_back(boost::json::object{{"alert", facts.alert},
                                       {"severity", facts.severity},
                                       {"state", facts.state},
                                       {"since_ms", facts.since_ms},
                                       {"condition", facts.condition},
                                       {"error", facts.error}});
  return boost::json::serialize(list);
}

std::string alert_metrics(const std::vector<alerts::AlertFacts>& alerts) {
  if (alerts.empty()) return {};
  std::string out;
  // Alerts are named by identifiers, severities are three words: there is nothing to escape.
  auto write = [&](const char* name, const char* type, const char* help, const auto& value) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    for (const auto& facts : alerts)
      if (std::optional<double> number = value(facts))
        out += fmt::format("{}{{alert=\"{}\",severity=\"{}\"}} {}\n", name, facts.alert, facts.severity,
                           *number);
  };
  write("tidemark_alert_firing", "gauge", "1 while the alert fires",
        [](const auto& facts) { return std::optional(facts.state == "firing" ? 1.0 : 0.0); });
  write("tidemark_alert_value", "gauge", "What it was at the last check",
        [](const auto& facts) { return facts.value; });
  write("tidemark_alert_checks_total", "counter", "Checks since start",
        [](const auto& facts) { return std::optional(static_cast<double>(facts.checks)); });
  write("tidemark_alert_failed_checks_total", "counter", "Checks that gave an error",
        [](const auto& facts) { return std::optional(static_cast<double>(facts.failed_checks)); });
  write("tidemark_alert_check_seconds_total", "counter", "Time the checks took",
        [](const auto& facts) { return std::optional(static_cast<double>(facts.check_micros) / 1e6); });
  return out;
}

}  // namespace tidemark::serve
