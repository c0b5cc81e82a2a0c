// Webhooks by Standard Webhooks 1.0.0: a signed POST for each notification, or for several of them
// (docs/NOTIFICATIONS.md has payloads and headers).
#pragma once

#include "base/secret.h"
#include "notify/http_post.h"

namespace tidemark::notify {

struct WebhookOptions {
  std::string destination;
  Secret url;
  std::vector<Secret> keys;  // of webhook_key(); none: not signed
  std::vector<std::pair<std::string, Secret>> headers;
  AddressGuard guard{false, {}};
  std::chrono::milliseconds timeout{15'000};
  bool batches = false;  // the body is always a batch, also of one
};

class WebhookCarrier : public Carrier {
 public:
  WebhookCarrier(WebhookOptions options, const std::atomic<bool>& stop);
  Outcome carry(const std::vector<Notification>& notifications) override;

 private:
  WebhookOptions options_;
  Redaction redaction_;
  HttpPost post_;
};

}  // namespace tidemark::notify
