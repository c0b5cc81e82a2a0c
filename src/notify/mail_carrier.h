// Notifications by mail, over SMTP (libcurl): one mail for each parcel, so a destination with a batch sends
// digests. Plain text, UTF-8. The Message-ID is made of the notifications' ids: the same mail sent twice is
// recognised by mail programs.
#pragma once

#include "base/secret.h"
#include "notify/carrier.h"
#include "notify/text_template.h"

#include <atomic>

namespace tidemark::notify {

struct MailOptions {
  std::string destination;
  std::string url;       // smtp://host:port or smtps://host:port
  bool starttls = true;  // smtp://: nothing is sent without it
  std::string user;
  Secret password;
  std::string from;
  std::vector<std::string> to;
  config::TextTemplate subject, text;
};

class MailCarrier : public Carrier {
 public:
  MailCarrier(MailOptions options, const std::atomic<bool>& stop);
  Outcome carry(const std::vector<Notification>& notifications) override;

  // The message as it is sent, with CRLF.
  std::string message(const std::vector<Notification>& notifications, int64_t now_s) const;

 private:
  MailOptions options_;
  Redaction redaction_;
  const std::atomic<bool>& stop_;
};

}  // namespace tidemark::notify
