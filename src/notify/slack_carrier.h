// Slack's incoming webhooks: one message for each parcel, a line for each notification. The URL is the
// secret.
#pragma once

#include "base/secret.h"
#include "notify/http_post.h"
#include "notify/text_template.h"

namespace tidemark::notify {

struct SlackOptions {
  Secret url;
  config::TextTemplate text;
  AddressGuard guard{false, {}};
};

class SlackCarrier : public Carrier {
 public:
  SlackCarrier(SlackOptions options, const std::atomic<bool>& stop);
  Outcome carry(const std::vector<Notification>& notifications) override;

 private:
  SlackOptions options_;
  Redaction redaction_;
  HttpPost post_;
};

}  // namespace tidemark::notify
