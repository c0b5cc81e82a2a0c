#include "ingest/event_routes.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/gzip.h"
#include "http/server.h"
#include "ingest/posted_rows.h"
#include "ingest/spool_limits.h"
#include "ingest/tracking_document.h"
#include "kafka/encoded_text.h"

#include <boost/json.hpp>

namespace tidemark::ingest {

namespace json = boost::json;
using http::Request;
using http::Responder;
using http::Response;

namespace {

// What a client of each family reads of an answer.
enum class Family { segment, jitsu, dittofeed };

// Pages of any origin may send: the write key is what lets them, and it is public in a page anyway.
Response with_cors(Response response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "cross-origin");
  return response;
}

Response preflight(const Request& request) {
  Response response;
  response.status = 204;
  std::string_view asked = request.header("access-control-request-headers");
  response.headers = {{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                      {"Access-Control-Allow-Headers",
                       asked.empty() ? "Authorization, Content-Type, Content-Encoding" : std::string(asked)},
                      {"Access-Control-Max-Age", "86400"},
                      {"Allow", "OPTIONS, POST"}};
  return with_cors(std::move(response));
}

Response refusal(int status, std::string_view code, std::string_view message) {
  json::object body{
      {"success", false}, {"ok", false}, {"code", json::string(code)}, {"message", json::string(message)}};
  return with_cors(Response::json(json::serialize(body), status));
}

// Everything in the request that may be its write key.
std::vector<std::string> key_candidates(const Request& request, bool with_body, std::string_view of_body) {
  std::vector<std::string> candidates;
  auto add = [&](std::string_view text) {
    if (text.empty()) return;
    candidates.emplace_back(text);
    // "key:" and "key:secret".
    if (size_t colon = text.find(':'); colon != std::string_view::npos && colon > 0)
      candidates.emplace_back(text.substr(0, colon));
  };
  std::string_view header = request.header("authorization");
  add(header);
  for (std::string_view scheme : {"Basic ", "basic ", "Bearer ", "bearer "})
    if (header.starts_with(scheme)) {
      std::string_view text = header.substr(scheme.size());
      std::string decoded;
      if (kafka::decode_base64(text, decoded) == nullptr) add(decoded);
      add(text);
    }
  add(request.header("x-write-key"));
  if (with_body) add(of_body);
  if (auto given = request.query_value("writeKey")) add(*given);
  return candidates;
}

struct Found {
  EventDoor* door = nullptr;
  const config::WriteKey* key = nullptr;
};

Found find_door(const EventDoors& doors, const std::vector<std::string>& candidates) {
  for (const auto& candidate : candidates)
    for (const auto& door : doors)
      if (const auto* key = door->find_key(candidate)) return {door.get(), key};
  return {};
}

Response unknown_key(bool given) {
  return refusal(401, "unknown_key",
                 given ? "the write key is none of this project's"
                       : "the request has no write key: send it as Basic or Bearer authorization, as "
                         "X-Write-Key, or as writeKey in the body");
}

Response try_again(const Error& error) {
  bool full = error.kind == ErrorKind::limit;
  Response response = refusal(full ? 429 : 503, full ? "spool_full" : "not_available", error.message);
  response.headers.emplace_back("Retry-After", std::to_string(full ? limits::spool_full_retry_after_seconds
                                                                   : limits::event_retry_after_seconds));
  return response;
}

json::array told(const std::vector<ItemReason>& reasons) {
  json::array list;
  for (const auto& reason : reasons) {
    if (list.size() >= limits::event_reasons_max) break;
    json::object entry{
        {"index", reason.index}, {"code", json::string(reason.code)}, {"reason", reason.reason}};
    if (!reason.message_id.empty()) entry["messageId"] = reason.message_id;
    list.push_back(std::move(entry));
  }
  return list;
}

Response taken(Family family, size_t rows, const std::vector<ItemReason>& reasons) {
  // Clients take any 2xx as "do not send it again".
  if (family == Family::dittofeed && reasons.empty()) {
    Response response;
    response.status = 204;
    return with_cors(std::move(response));
  }
  json::object body{{"success", rows > 0 || reasons.empty()}};
  if (family == Family::jitsu) body["ok"] = body["success"];
  if (!reasons.empty()) {
    body["accepted"] = rows;
    body["rejected"] = told(reasons);
    if (rows == 0) {
      body["code"] = json::string(reasons.front().code);
      body["message"] = reasons.front().reason;
    }
  }
  bool too_large = rows == 0 && reasons.size() == 1 && reasons.front().code == "too_large";
  int status = rows > 0 || reasons.empty() ? 200 : too_large ? 413 : 400;
  return with_cors(Response::json(json::serialize(body), status));
}

// The body as the client meant it, whatever it says of its type.
Result<std::string_view> plain_body(const Request& request, size_t bytes_max, std::string& unpacked) {
  std::string_view body = request.body;
  if (http::is_gzip(body)) {
    unpacked = TRY(http::gunzip(body, bytes_max));
    body = unpacked;
  }
  if (body.size() > bytes_max)
    return fail(ErrorKind::limit,
                fmt::format("the body has {} bytes, and at most {} are taken", body.size(), bytes_max));
  return body;
}

class EventApi {
 public:
  explicit EventApi(EventDoors doors) : doors_(std::move(doors)) {}

  void track(const Request& request, const Responder& respond, Family family, std::string_view type) const {
    respond_or_wait(request, respond, family, type);
  }
  void rows(const Request& request, const Responder& respond) const;
  Response settings(const Request& request) const;

 private:
  // Gives the record to the door and the answer when it is on disk.
  static void keep(const Found& found, EventRecordWriter record, Response answer, const Responder& respond);
  void respond_or_wait(const Request& request, const Responder& respond, Family family,
                       std::string_view type) const;

  EventDoors doors_;
};

void EventApi::respond_or_wait(const Request& request, const Responder& respond, Family family,
                               std::string_view type) const {
  // Parsers hold memory of the size of what they parse; one a worker.
  thread_local TrackingReader reader;
  int64_t received_at = system_clock().wall_micros();
  Found found = find_door(doors_, key_candidates(request, false, {}));
  std::string unpacked;
  auto body = plain_body(request, limits::event_batch_bytes_max, unpacked);
  auto reject = [&](int status, std::string_view code, std::string_view message) {
    if (found.door != nullptr) found.door->reject(*found.key, code);
    respond(refusal(status, code, message));
  };
  if (!body)
    return body.error().kind == ErrorKind::limit ? reject(413, "too_large", body.error().message)
                                                 : reject(400, "not_json", body.error().message);
  Status opened = reader.open(*body, type);
  if (found.door == nullptr && opened) {
    auto candidates = key_candidates(request, true, reader.write_key());
    found = find_door(doors_, candidates);
    if (found.door == nullptr) return respond(unknown_key(!candidates.empty()));
  }
  if (found.door == nullptr)
    return respond(
        unknown_key(!request.header("authorization").empty() || !request.header("x-write-key").empty()));
  if (!opened) return reject(400, "not_json", opened.error().message);
  auto looked_at = found.door->enter();
  EventRecordWriter record(received_at, found.key->name, {}, &found.door->filter());
  if (auto read = reader.read(received_at, found.door->next_place(), record); !read)
    return reject(400, "not_json", read.error().message);
  for (const auto& reason : reader.reasons()) found.door->reject(*found.key, reason.code);
  Response answer = taken(family, record.rows() + record.left_out(), reader.reasons());
  keep(found, std::move(record), std::move(answer), respond);
}

void EventApi::keep(const Found& found, EventRecordWriter record, Response answer, const Responder& respond) {
  size_t rows = record.rows();
  if (record.left_out() > 0) found.door->leave_out(record.left_out());
  if (rows == 0 && record.refused() == 0) return respond(std::move(answer));
  Status given = found.door->take(std::move(record), *found.key,
                                  [respond, answer = std::move(answer)](const Status& written) {
                                    respond(written ? answer : try_again(written.error()));
                                  });
  if (!given) {
    if (rows > 0) found.door->reject(*found.key, "spool_full", rows);
    respond(try_again(given.error()));
  }
}

// Lines of JSON for a table of the source.
void EventApi::rows(const Request& request, const Responder& respond) const {
  auto candidates = key_candidates(request, false, {});
  Found found = find_door(doors_, candidates);
  if (found.door == nullptr) return respond(unknown_key(!candidates.empty()));
  const std::string& name = request.path_parameters.at("table");
  const auto& tables = found.door->source().tables;
  auto table = std::find_if(tables.begin(), tables.end(), [&](const auto& one) { return one.table == name; });
  if (table == tables.end())
    return respond(refusal(
        404, "unknown_table",
        fmt::format("the source {} has no table {} under `tables`", found.door->source().name, name)));
  std::string unpacked;
  auto body = plain_body(request, limits::posted_rows_bytes_max, unpacked);
  if (!body) {
    bool large = body.error().kind == ErrorKind::limit;
    found.door->reject(*found.key, large ? "too_large" : "not_json");
    return respond(refusal(large ? 413 : 400, large ? "too_large" : "not_json", body.error().message));
  }
  auto looked_at = found.door->enter();
  EventRecordWriter record(system_clock().wall_micros(), found.key->name, name, &found.door->filter());
  std::vector<ItemReason> reasons;
  read_lines(*table, *body, record, reasons);
  if (!reasons.empty()) found.door->reject(*found.key, "bad_row", reasons.size());
  Response answer = taken(Family::segment, record.rows() + record.left_out(), reasons);
  keep(found, std::move(record), std::move(answer), respond);
}

// What Segment's browser library asks for before it sends anything.
Response EventApi::settings(const Request& request) const {
  const std::string& key = request.path_parameters.at("key");
  if (find_door(doors_, {key}).door == nullptr)
    return refusal(404, "unknown_key", "the write key is none of this project's");
  std::string_view forwarded = request.header("x-forwarded-proto");
  json::object segment{{"apiKey", key},
                       {"apiHost", std::string(request.header("host")) + "/v1"},
                       {"protocol", forwarded.empty() ? "http" : json::string(forwarded)},
                       {"unbundledIntegrations", json::array()},
                       {"addBundledMetadata", true},
                       {"maybeBundledConfigIds", json::object()},
                       {"versionSettings", {{"version", "4.4.7"}, {"componentTypes", {"browser"}}}}};
  json::object all{{"__default", {{"enabled", true}, {"integrations", json::object()}}}};
  json::object body{{"integrations", {{"Segment.io", std::move(segment)}}},
                    {"plan", {{"track", all}, {"identify", all}, {"group", all}}},
                    {"edgeFunction", json::object()},
                    {"analyticsNextEnabled", true},
                    {"middlewareSettings", json::object()},
                    {"enabledMiddleware", json::object()},
                    {"metrics", {{"sampleRate", 0}}},
                    {"legacyVideoPluginsEnabled", false},
                    {"remotePlugins", json::array()}};
  return with_cors(Response::json(json::serialize(body)));
}

}  // namespace

void add_event_routes(http::Server& server, const EventDoors& doors) {
  auto api = std::make_shared<EventApi>(doors);
  auto post = [&](const std::string& pattern, Family family, const std::string& type) {
    server.route("OPTIONS", pattern, preflight);
    server.route_deferred(
        "POST", pattern,
        [api, family, type](const std::shared_ptr<const Request>& request, const Responder& respond) {
          api->track(*request, respond, family, type);
        });
  };
  const std::pair<std::string, std::string> segment[] = {
      {"identify", "identify"}, {"track", "track"}, {"page", "page"},  {"screen", "screen"},
      {"group", "group"},       {"alias", "alias"}, {"batch", "batch"}};
  for (const auto& [name, type] : segment) {
    post("/v1/" + name, Family::segment, type);
    for (const char* before : {"/v1/", "/"}) post(before + name.substr(0, 1), Family::segment, type);
    // Segment's name for a batch of old events.
    if (name == "batch") post("/v1/import", Family::segment, type);
    for (const char* before : {"/api/s/s2s/", "/api/s/"}) post(before + name, Family::jitsu, type);
    post("/api/public/apps/" + name, Family::dittofeed, type);
  }
  // Jitsu's `event` is any of the types, as the body says.
  for (const char* before : {"/api/s/s2s/event", "/api/s/event"}) post(before, Family::jitsu, "event");
  server.route("OPTIONS", "/v1/ingest/{table}", preflight);
  server.route_deferred("POST", "/v1/ingest/{table}",
                        [api](const std::shared_ptr<const Request>& request, const Responder& respond) {
                          api->rows(*request, respond);
                        });
  server.route("GET", "/v1/projects/{key}/settings",
               [api](const Request& request) { return api->settings(request); });
  server.route("OPTIONS", "/v1/projects/{key}/settings", preflight);
}

}  // namespace tidemark::ingest
