#include "serve/notification_routes.h"

#include "notify/notify_limits.h"

#include <boost/json.hpp>
#include <charconv>
#include <fmt/format.h>

namespace tidemark::serve {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// ?seq=7, ?from=7&to=9, ?from=7, or nothing for all.
Result<notify::Selection> selection_of(const Request& request, bool dead_only) {
  notify::Selection selection{.dead_only = dead_only};
  for (const auto& [name, value] : request.query) {
    auto number = parse_number(value);
    if (!number)
      return fail(ErrorKind::usage, fmt::format("{} is no number: `{}`", name, value),
                  "seq, from and to are sequence numbers");
    if (name == "seq")
      selection.from = selection.to = *number;
    else if (name == "from")
      selection.from = *number;
    else if (name == "to")
      selection.to = *number;
    else
      return fail(ErrorKind::usage, fmt::format("there is no parameter {}", name), "seq, or from and to");
  }
  return selection;
}

Response problem_of(const Error& error) {
  if (error.kind == ErrorKind::config)
    return Response::problem(404, "not found", error.message, error.remedy);
  return Response::problem(error);
}

Response counted(const char* what, const Result<uint64_t>& rows) {
  if (!rows) return problem_of(rows.error());
  return Response::json(json::serialize(json::object{{what, *rows}}));
}

const char* result_name(notify::Outcome::Result result) {
  using Result = notify::Outcome::Result;
  switch (result) {
    case Result::delivered:
      return "delivered";
    case Result::failed:
      return "failed";
    case Result::refused:
      return "refused";
    case Result::away:
      return "away";
    case Result::gone:
      return "gone";
  }
  return "";
}

Response dead_letters_document(const Result<std::vector<notify::DeadLetter>>& letters) {
  if (!letters) return problem_of(letters.error());
  json::array list;
  for (const auto& letter : *letters)
    list.push_back(json::object{{"destination", letter.destination},
                                {"seq", letter.seq},
                                {"type", letter.kind},
                                {"subject", letter.subject},
                                {"entity", letter.entity},
                                {"attempts", letter.attempts},
                                {"at_ms", letter.at_ms},
                                {"status", letter.status},
                                {"answer", letter.answer}});
  return Response::json(json::serialize(json::object{{"deadletters", std::move(list)}}));
}

std::optional<Response> listen(notify::DeliveryService& service, const Request& request,
                               const std::shared_ptr<http::EventStream>& stream) {
  std::string given(request.header("last-event-id"));
  if (given.empty()) given = request.query_value("last_event_id").value_or("");
  std::optional<uint64_t> last;
  if (!given.empty()) {
    last = parse_number(given);
    if (!last)
      return Response::problem(400, "bad request", "the last event id is no sequence number",
                               "send the id of the last event you have");
  }
  auto feed = service.feed(request.path_parameters.at("name"));
  if (!feed) return problem_of(feed.error());
  notify::Feed::Listener listener{
      .take =
          [stream](const std::vector<notify::Feed::Item>& items) {
            // As one, so that the stream's queue holds a page as it holds a single event.
            std::vector<http::Event> events;
            for (const auto& item : items)
              events.emplace_back(item.kind, item.seq == 0 ? "" : std::to_string(item.seq), item.body);
            return stream->send(http::Event::joined(events));
          },
      .end = [stream] { stream->close(); }};
  auto gone = (*feed)->listen(last, std::move(listener));
  if (!gone) return problem_of(gone.error());
  stream->on_close([gone = *gone] { *gone = true; });
  return std::nullopt;
}

}  // namespace

void add_notification_routes(http::Server& server, notify::DeliveryService* service, RefuseControl refuse) {
  auto none = [] {
    return Response::problem(404, "not found", "the project has no destinations",
                             "destinations/<name>.yaml declares one");
  };
  server.route("GET", "/api/destinations", [service](const Request&) {
    return Response::json(
        "{\"destinations\":" + (service == nullptr ? "[]" : destinations_document(service->facts())) + "}");
  });
  server.route("GET", "/api/deadletters", [service, none](const Request& request) {
    if (service == nullptr) return none();
    auto most = parse_number(request.query_value("limit").value_or("100"));
    if (!most) return Response::problem(400, "bad request", "limit is no number");
    return dead_letters_document(
        service->dead_letters(request.query_value("destination").value_or(""), *most));
  });
  using Action = std::function<Response(const std::string&, const Request&)>;
  auto control = [&](const char* pattern, Action action) {
    server.route("POST", pattern, [service, none, refuse, action](const Request& request) {
      if (auto refused = refuse(request)) return *refused;
      if (service == nullptr) return none();
      return action(request.path_parameters.at("name"), request);
    });
  };
  control("/api/destinations/{name}/test", [service](const std::string& name, const Request&) {
    auto outcome = service->test(name);
    if (!outcome) return problem_of(outcome.error());
    return Response::json(json::serialize(json::object{
        {"result", result_name(outcome->result)}, {"status", outcome->status}, {"answer", outcome->answer}}));
  });
  control("/api/destinations/{name}/resume", [service](const std::string& name, const Request&) {
    auto done = service->resume(name);
    return done ? Response::json("{\"resumed\":true}") : problem_of(done.error());
  });
  control("/api/destinations/{name}/replay", [service](const std::string& name, const Request& request) {
    auto selection = selection_of(request, false);
    return selection ? counted("replayed", service->replay(name, *selection)) : problem_of(selection.error());
  });
  control("/api/deadletters/{name}/retry", [service](const std::string& name, const Request& request) {
    auto selection = selection_of(request, true);
    return selection ? counted("retried", service->replay(name, *selection)) : problem_of(selection.error());
  });
  control("/api/deadletters/{name}/drop", [service](const std::string& name, const Request& request) {
    auto selection = selection_of(request, true);
    return selection ? counted("dropped", service->drop(name, *selection)) : problem_of(selection.error());
  });
  server.stream("/api/feeds/{name}",
                [service, none](const Request& request,
                                std::shared_ptr<http::EventStream> stream) -> std::optional<Response> {
                  if (service == nullptr) return none();
                  return listen(*service, request, stream);
                });
}

std::string destinations_document(const std::vector<notify::DestinationFacts>& destinations) {
  json::array list;
  for (const auto& facts : destinations) {
    json::object entry = {{"destination", facts.destination},
                          {"kind", facts.kind},
                          {"where", facts.where},
                          {"state", facts.state},
                          {"pending", facts.pending},
                          {"dead", facts.dead},
                          {"disabled", facts.state == "disabled"},
                          {"position", facts.position},
                          {"in_hand", facts.in_hand},
                          {"waiting_entities", facts.waiting_entities},
                          {"delivered", facts.delivered},
                          {"failed_tries", facts.failed},
                          {"latency_ms",
                           {{"p50", static_cast<double>(facts.latency_p50_us) / 1000.0},
                            {"p99", static_cast<double>(facts.latency_p99_us) / 1000.0}}}};
    if (!facts.reason.empty()) entry["reason"] = facts.reason;
    if (facts.last_delivery_at_ms > 0) entry["last_delivery_at_ms"] = facts.last_delivery_at_ms;
    if (facts.last_error_at_ms > 0)
      entry["last_error"] = {{"message", facts.last_error}, {"at_ms", facts.last_error_at_ms}};
    list.push_back(std::move(entry));
  }
  return json::serialize(list);
}

std::string notification_metrics(const std::vector<notify::DestinationFacts>& destinations) {
  std::string out;
  if (destinations.empty()) return out;
  auto each = [&](const char* name, const char* type, const char* help, auto value) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
    // Destinations are named by identifiers, so there is nothing to escape.
    for (const auto& facts : destinations)
      out += fmt::format("{}{{destination=\"{}\"}} {}\n", name, facts.destination, value(facts));
  };
  const char* state = "tidemark_destination_state";
  out += fmt::format("# HELP {0} 1 for the state the destination is in\n# TYPE {0} gauge\n", state);
  for (const auto& facts : destinations)
    for (const char* one :
         {"starting", "delivering", "slowed", "away", "disabled", "full", "warehouse", "elsewhere"})
      out += fmt::format("{}{{destination=\"{}\",state=\"{}\"}} {}\n", state, facts.destination, one,
                         facts.state == one ? 1 : 0);
  each("tidemark_destination_pending", "gauge", "Notifications that are not settled",
       [](const auto& facts) { return facts.pending; });
  each("tidemark_destination_dead", "gauge", "Dead letters", [](const auto& facts) { return facts.dead; });
  each("tidemark_destination_in_hand", "gauge", "Notifications in memory",
       [](const auto& facts) { return facts.in_hand; });
  each("tidemark_destination_waiting_entities", "gauge", "Entities whose next notification waits for a try",
       [](const auto& facts) { return facts.waiting_entities; });
  each("tidemark_destination_delivered_total", "counter", "Notifications delivered since start",
       [](const auto& facts) { return facts.delivered; });
  each("tidemark_destination_failed_tries_total", "counter", "Tries that failed since start",
       [](const auto& facts) { return facts.failed; });
  each("tidemark_destination_died_total", "counter", "Notifications given up since start",
       [](const auto& facts) { return facts.died; });
  const char* latency = "tidemark_destination_latency_seconds";
  out += fmt::format(
      "# HELP {0} From what happened to its being delivered, since start\n# TYPE {0} summary\n", latency);
  auto seconds = [](uint64_t micros) { return static_cast<double>(micros) / 1e6; };
  for (const auto& facts : destinations) {
    out += fmt::format("{0}{{destination=\"{1}\",quantile=\"0.5\"}} {2}\n", latency, facts.destination,
                       seconds(facts.latency_p50_us));
    out += fmt::format("{0}{{destination=\"{1}\",quantile=\"0.99\"}} {2}\n", latency, facts.destination,
                       seconds(facts.latency_p99_us));
    out += fmt::format("{0}_sum{{destination=\"{1}\"}} {2}\n{0}_count{{destination=\"{1}\"}} {3}\n", latency,
                       facts.destination, seconds(facts.latency_sum_us), facts.latency_count);
  }
  return out;
}

}  // namespace tidemark::serve
