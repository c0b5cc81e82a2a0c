#include "notify/webhook_carrier.h"

#include "base/clock.h"
#include "notify/standard_webhook.h"

namespace tidemark::notify {

WebhookCarrier::WebhookCarrier(WebhookOptions options, const std::atomic<bool>& stop)
    : options_(std::move(options)), post_(options_.url.reveal(), options_.guard, options_.timeout, stop) {
  redaction_.add(options_.url.reveal());
  for (const auto& key : options_.keys) redaction_.add(key.reveal());
  for (const auto& [name, value] : options_.headers) redaction_.add(value.reveal());
}

Outcome WebhookCarrier::carry(const std::vector<Notification>& notifications) {
  const bool batch = options_.batches || notifications.size() > 1;
  auto body = batch ? batch_payload(options_.destination, notifications) : payload(notifications.front());
  if (!body) return {.result = Outcome::Result::refused, .answer = body.error().message};
  const std::string id = batch ? batch_id(options_.destination, notifications)
                               : message_id(options_.destination, notifications.front());
  const int64_t now_s = system_clock().wall_micros() / 1'000'000;
  std::vector<std::pair<std::string, std::string>> headers = {
      {"Content-Type", "application/json"},
      {"User-Agent", "Tidemark"},
      {"webhook-id", id},
      {"webhook-timestamp", std::to_string(now_s)},
  };
  if (!options_.keys.empty())
    headers.emplace_back("webhook-signature", webhook_signature(options_.keys, id, now_s, *body));
  for (const auto& [name, value] : options_.headers) headers.emplace_back(name, value.reveal());
  return outcome_of(post_.post(*body, headers), redaction_, system_clock().wall_micros() / 1'000'000);
}

}  // namespace tidemark::notify
