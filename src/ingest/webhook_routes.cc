#include "ingest/webhook_routes.h"

#include "base/clock.h"
#include "ingest/spool_limits.h"

#include <boost/json.hpp>

namespace tidemark::ingest {

namespace json = boost::json;
using config::WebhookSender;
using http::Request;
using http::Responder;
using http::Response;

namespace {

Response empty_answer(int status) {
  Response response;
  response.status = status;
  return response;
}

// Not a problem of the request: it is to come again.
Response come_again(const Error& error) {
  bool full = error.kind == ErrorKind::limit;
  Response response = Response::problem(full ? 429 : 503, full ? "full" : "not available", error.message,
                                        "send it again later");
  response.headers.emplace_back("Retry-After", std::to_string(full ? limits::spool_full_retry_after_seconds
                                                                   : limits::event_retry_after_seconds));
  return response;
}

Response unsigned_request(const config::WebhookSource& source, std::string_view reason) {
  const char* remedy = "Sign with one of the source's `secrets`.";
  if (source.from == WebhookSender::ga4) remedy = "Put one of the source's `secrets` into api_secret.";
  if (reason == "too_old") remedy = "webhook-timestamp is the time of this try, in seconds.";
  return Response::problem(401, std::string(reason),
                           "the sender is not known: " + source.path() + " takes what is signed", remedy);
}

// Google's /mp/collect says nothing of what it thinks of a body, and so nothing can be made of an answer.
// Whoever signed and is wrong about the rest cannot do better by sending it again: it is in quarantine.
Response webhook_answer(WebhookSender from, const EventRecordWriter& record,
                        const std::vector<ItemReason>& reasons) {
  if (from == WebhookSender::ga4) return empty_answer(204);
  json::object body{{"success", true}, {"taken", record.rows()}};
  if (!reasons.empty()) {
    json::array& list = body["quarantined"].emplace_array();
    for (const auto& reason : reasons)
      list.push_back(json::object{{"index", reason.index}, {"code", reason.code}, {"reason", reason.reason}});
  }
  return Response::json(json::serialize(body));
}

void receive(const WebhookDoor& to, const Request& request, const Responder& respond) {
  // Parsers hold memory of the size of what they parse; one a worker.
  thread_local WebhookReader reader;
  int64_t received_at = system_clock().wall_micros();
  std::string_view reason;
  const config::WriteKey* signer = find_signer(to.source, request, received_at, reason);
  if (signer == nullptr) {
    to.door->reject(reason);
    return respond(unsigned_request(to.source, reason));
  }
  EventRecordWriter record(received_at, signer->name);
  std::vector<ItemReason> reasons;
  reader.read(to.source.from, request, received_at, to.door->next_place(), record, reasons);
  for (const auto& one : reasons) to.door->reject(*signer, one.code);
  Response answer = webhook_answer(to.source.from, record, reasons);
  if (record.rows() == 0 && record.refused() == 0) return respond(std::move(answer));
  Status given =
      to.door->take(std::move(record), *signer, [respond, answer = std::move(answer)](const Status& written) {
        respond(written ? answer : come_again(written.error()));
      });
  if (given) return;
  to.door->reject(*signer, "spool_full");
  respond(come_again(given.error()));
}

// What the Measurement Protocol's validation server says; nothing is kept.
Response validate(const WebhookDoor& to, const Request& request) {
  WebhookReader reader;
  EventRecordWriter record(0, "");
  std::vector<ItemReason> reasons;
  reader.read(to.source.from, request, system_clock().wall_micros(), 0, record, reasons);
  json::array messages;
  for (const auto& reason : reasons) {
    bool of_event = reason.code != "not_json" && reason.code != "no_client" && reason.code != "no_events";
    std::string field = of_event                     ? "events[" + std::to_string(reason.index) + "]"
                        : reason.code == "no_client" ? "client_id"
                        : reason.code == "no_events" ? "events"
                                                     : "";
    messages.push_back(json::object{{"fieldPath", field},
                                    {"description", reason.reason},
                                    {"validationCode", of_event ? "VALUE_INVALID" : "VALUE_REQUIRED"}});
  }
  return Response::json(json::serialize(json::object{{"validationMessages", std::move(messages)}}));
}

}  // namespace

void add_webhook_routes(http::Server& server, const std::vector<WebhookDoor>& doors) {
  for (const auto& door : doors) {
    auto to = std::make_shared<WebhookDoor>(door);
    server.route_deferred("POST", to->source.path(),
                          [to](const std::shared_ptr<const Request>& request, const Responder& respond) {
                            receive(*to, *request, respond);
                          });
    if (to->source.from == WebhookSender::ga4)
      server.route("POST", "/debug" + to->source.path(),
                   [to](const Request& request) { return validate(*to, request); });
  }
}

}  // namespace tidemark::ingest
