#include "ingest/webhook_document.h"

#include "ingest/content_hash.h"
#include "ingest/event_time.h"
#include "ingest/json_members.h"
#include "ingest/spool_limits.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::ingest {

using config::WebhookSender;

namespace {

void append_member(std::string& object, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  object += object.empty() ? "{\"" : ",\"";
  object += name;
  object += "\":\"";
  for (char letter : value) {
    if (letter == '"' || letter == '\\') object.push_back('\\');
    // A header's value is ASCII, and may have tabs.
    object.push_back(letter < 0x20 || letter == 0x7f ? ' ' : letter);
  }
  object.push_back('"');
}

bool is_object(std::string_view json) {
  return json.starts_with('{');
}

}  // namespace

struct WebhookReader::State {
  JsonMembers members;

  // What one request is about.
  int64_t received_at = 0;
  uint64_t place = 0;
  const http::Request* request = nullptr;
  EventRecordWriter* out = nullptr;
  std::vector<ItemReason>* reasons = nullptr;

  bool open_object(std::string_view text, std::vector<JsonField>& fields) {
    return members.open_object(text, fields);
  }
  bool open_array(std::string_view text, std::vector<std::string>& elements) {
    return members.open_array(text, elements);
  }

  void refuse(size_t index, std::string_view code, std::string reason, std::string_view bytes) {
    out->refuse(reason, bytes.substr(0, limits::event_quarantine_bytes_max));
    reasons->push_back({.index = index, .code = code, .reason = std::move(reason)});
  }

  void read_shopify();
  void read_standard();
  void read_klaviyo();
  void read_measurement();
  void read_measured_event(size_t index, const std::string& text, const std::string& client,
                           const std::vector<JsonField>& shared);
};

void WebhookReader::State::read_shopify() {
  std::string_view topic = shopify_header(*request, "topic"), shop = shopify_header(*request, "shop-domain");
  std::string_view delivery = shopify_header(*request, "webhook-id"),
                   event = shopify_header(*request, "event-id"),
                   triggered = shopify_header(*request, "triggered-at");
  std::vector<JsonField> fields;
  if (topic.empty()) return refuse(0, "no_topic", "there is no X-Shopify-Topic", request->body);
  if (!open_object(request->body, fields))
    return refuse(0, "not_json", "the body is no JSON object", request->body);
  std::string id = !event.empty()      ? "event-" + content_hash_of({event, shop, topic, request->body})
                   : !delivery.empty() ? "delivery-" + std::string(delivery)
                                       : "body-" + content_hash_of({shop, topic, request->body});
  if (id.size() > limits::event_identifier_bytes_max)
    return refuse(0, "bad_field", "X-Shopify-Webhook-Id is too long", request->body);
  std::string headers;
  append_member(headers, "webhook_id", delivery);
  append_member(headers, "event_id", event);
  append_member(headers, "api_version", shopify_header(*request, "api-version"));
  append_member(headers, "triggered_at", triggered);
  headers += headers.empty() ? "" : "}";
  EventRow row;
  row[EventText::message_id] = id;
  row[EventText::type] = "webhook";
  row[EventText::event] = topic;
  row[EventText::group_id] = shop;
  row[EventText::properties] = request->body;
  row[EventText::context] = headers;
  row.original_timestamp = parse_event_time(triggered);
  row.timestamp = row.original_timestamp.value_or(received_at);
  out->add(row);
}

void WebhookReader::State::read_standard() {
  std::vector<JsonField> fields;
  std::string_view id = request->header("webhook-id");
  if (id.empty() || id.size() > limits::event_identifier_bytes_max)
    return refuse(0, "bad_field", "there is no webhook-id of a usual length", request->body);
  if (!open_object(request->body, fields))
    return refuse(0, "not_json", "the body is no JSON object", request->body);
  EventRow row;
  row[EventText::message_id] = id;
  row[EventText::type] = "webhook";
  row[EventText::event] = field_of(fields, "type").text;
  row[EventText::properties] = request->body;
  row.original_timestamp = parse_event_time(field_of(fields, "timestamp").text);
  row.timestamp = row.original_timestamp.value_or(received_at);
  out->add(row);
}

void WebhookReader::State::read_klaviyo() {
  std::vector<JsonField> fields, about;
  std::vector<std::string> items;
  if (!open_object(request->body, fields))
    return refuse(0, "not_json", "the body is no JSON object", request->body);
  if (!open_array(field_of(fields, "data").json, items))
    return refuse(0, "bad_field", "`data` is no array", request->body);
  if (is_object(field_of(fields, "meta").json)) open_object(field_of(fields, "meta").json, about);
  const std::string& account = field_of(about, "klaviyo_account_id").text;
  for (size_t index = 0; index < items.size(); ++index) {
    std::vector<JsonField> item;
    open_object(items[index], item);
    const std::string &topic = field_of(item, "topic").text, &payload = field_of(item, "payload").json;
    const std::string& external = field_of(item, "external_id").text;
    if (topic.empty() || !is_object(payload)) {
      refuse(index, "bad_field", "an item of `data` needs a topic and a payload that is an object",
             items[index]);
      continue;
    }
    std::string id = "event-" + (external.empty() ? content_hash_of({topic, payload})
                                                  : content_hash_of({account, topic, external}));
    EventRow row;
    row[EventText::message_id] = id;
    row[EventText::type] = "webhook";
    row[EventText::event] = topic;
    row[EventText::group_id] = account;
    row[EventText::properties] = payload;
    row.timestamp = received_at;
    out->add(row);
  }
}

void WebhookReader::State::read_measurement() {
  std::vector<JsonField> shared;
  std::vector<std::string> events;
  const std::string& text = request->body;
  if (!open_object(text, shared)) return refuse(0, "not_json", "the body is no JSON object", text);
  const JsonField& web = field_of(shared, "client_id");
  const std::string& client = web.text.empty() ? field_of(shared, "app_instance_id").text : web.text;
  if (client.empty() || client.size() > limits::event_identifier_bytes_max)
    return refuse(0, "no_client", "client_id (or app_instance_id) is missing", text);
  if (!open_array(field_of(shared, "events").json, events) || events.empty())
    return refuse(0, "no_events", "`events` is no array of events", text);
  for (size_t index = 0; index < events.size(); ++index) {
    if (index < limits::measurement_events_max) {
      read_measured_event(index, events[index], client, shared);
      continue;
    }
    refuse(index, "too_many", fmt::format("a request has at most {} events", limits::measurement_events_max),
           events[index]);
  }
}

void WebhookReader::State::read_measured_event(size_t index, const std::string& text,
                                               const std::string& client,
                                               const std::vector<JsonField>& shared) {
  std::vector<JsonField> fields;
  if (!open_object(text, fields)) return refuse(index, "bad_field", "an event is an object", text);
  const std::string &name = field_of(fields, "name").text, &params = field_of(fields, "params").json;
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  bool named = !name.empty() && name.size() <= limits::measurement_name_bytes_max && letter(name.front()) &&
               std::all_of(name.begin(), name.end(),
                           [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; });
  if (!named)
    return refuse(index, "bad_name",
                  fmt::format("`name` has up to {} letters, digits and _, a letter first",
                              limits::measurement_name_bytes_max),
                  text);
  if (!params.empty() && !is_object(params)) return refuse(index, "bad_field", "`params` is no object", text);
  const std::string& own = field_of(fields, "timestamp_micros").text;
  const std::string& written = own.empty() ? field_of(shared, "timestamp_micros").text : own;
  std::optional<int64_t> at;
  if (!written.empty()) {
    int64_t micros = 0;
    auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), micros);
    if (error != std::errc() || end != written.data() + written.size() || !is_event_time(micros))
      return refuse(index, "bad_time", "`timestamp_micros` is no number of microseconds since 1970", text);
    at = micros;
  }
  std::string stream =
      request->query_value("measurement_id").value_or(request->query_value("firebase_app_id").value_or(""));
  std::string apart = at ? std::to_string(*at) : fmt::format("{}:{}:{}", received_at, place, index);
  std::string id = "event-" + content_hash_of({stream, client, name, apart, params});
  const std::string& consent = field_of(shared, "consent").json;
  std::string others = consent.empty() ? "" : fmt::format("{{\"consent\":{}}}", consent);
  EventRow row;
  row[EventText::message_id] = id;
  row[EventText::type] = "track";
  row[EventText::event] = name;
  row[EventText::user_id] = field_of(shared, "user_id").text;
  row[EventText::anonymous_id] = client;
  row[EventText::group_id] = stream;
  row[EventText::properties] = params.empty() ? "{}" : std::string_view(params);
  row[EventText::traits] = field_of(shared, "user_properties").json;
  row[EventText::other] = others;
  row.original_timestamp = at;
  row.timestamp = at.value_or(received_at);
  out->add(row);
}

WebhookReader::WebhookReader() : state_(std::make_unique<State>()) {}
WebhookReader::~WebhookReader() = default;

void WebhookReader::read(WebhookSender from, const http::Request& request, int64_t received_at,
                         uint64_t place, EventRecordWriter& out, std::vector<ItemReason>& reasons) {
  state_->request = &request;
  state_->received_at = received_at;
  state_->place = place;
  state_->out = &out;
  state_->reasons = &reasons;
  switch (from) {
    case WebhookSender::shopify:
      return state_->read_shopify();
    case WebhookSender::klaviyo:
      return state_->read_klaviyo();
    case WebhookSender::standard:
      return state_->read_standard();
    case WebhookSender::ga4:
      return state_->read_measurement();
  }
}

}  // namespace tidemark::ingest
