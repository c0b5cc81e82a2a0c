#include "notify/notification.h"

#include "notify/notify_limits.h"

#include <boost/json.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/sha.h>

namespace tidemark::notify {
namespace {

namespace json = boost::json;

constexpr size_t id_bytes = 16;

// Each part with its length before it, so that no two lists of parts give the same bytes.
void append_part(std::string& out, std::string_view part) {
  const uint64_t size = part.size();
  for (int byte = 0; byte < 8; ++byte) out.push_back(static_cast<char>(size >> (8 * byte)));
  out += part;
}

std::string hashed(std::string_view prefix, const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string text(prefix);
  for (size_t index = 0; index < id_bytes; ++index) text += fmt::format("{:02x}", digest[index]);
  return text;
}

Result<std::string> data_of(const Notification& notification) {
  if (notification.data.empty())
    return json::serialize(json::object{{"subject", notification.subject},
                                        {"subject_version", notification.subject_version},
                                        {"entity", notification.entity},
                                        {"seq", notification.seq},
                                        {"prev_seq", notification.prev_seq},
                                        {"cause", notification.cause}});
  if (notification.data.size() > limits::data_bytes_max)
    return fail(ErrorKind::limit, fmt::format("its data has {} bytes; at most {} are sent",
                                              notification.data.size(), limits::data_bytes_max));
  boost::system::error_code error;
  json::monotonic_resource memory;
  auto value = json::parse(notification.data, error, &memory);
  if (error || !value.is_object())
    return fail(ErrorKind::corrupt, "its data is no JSON object",
                "whoever wrote the row into tidemark.outbox must mend it");
  return notification.data;
}

}  // namespace

std::string message_id(std::string_view destination, const Notification& notification) {
  std::string bytes;
  append_part(bytes, destination);
  append_part(bytes, notification.subject);
  append_part(bytes, notification.entity);
  append_part(bytes, std::to_string(notification.seq));
  return hashed("msg_", bytes);
}

std::string batch_id(std::string_view destination, const std::vector<Notification>& notifications) {
  std::string bytes;
  for (const auto& notification : notifications) append_part(bytes, message_id(destination, notification));
  return hashed("batch_", bytes);
}

std::string iso_time(int64_t milliseconds) {
  int64_t seconds = milliseconds / 1000, rest = milliseconds % 1000;
  if (rest < 0) {
    rest += 1000;
    --seconds;
  }
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<time_t>(seconds)), rest);
}

Result<std::string> payload(const Notification& notification, std::string_view id) {
  std::string data = TRY(data_of(notification));
  std::string head = json::serialize(
      json::object{{"type", notification.kind}, {"timestamp", iso_time(notification.happened_at_ms)}});
  if (!id.empty()) {
    head.pop_back();
    head += ",\"id\":" + json::serialize(json::string(id)) + "}";
  }
  head.back() = ',';
  return head + "\"data\":" + data + "}";
}

Result<std::string> batch_payload(std::string_view destination,
                                  const std::vector<Notification>& notifications) {
  std::string body = R"({"type":"batch","data":[)";
  for (const auto& notification : notifications) {
    if (body.back() != '[') body.push_back(',');
    body += TRY(payload(notification, message_id(destination, notification)));
  }
  return body + "]}";
}

}  // namespace tidemark::notify
