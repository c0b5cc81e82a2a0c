// A source that other systems call (sources/<name>.yaml with `webhook:`): Shopify, Klaviyo, senders of
// Standard Webhooks, and what speaks GA4's Measurement Protocol. docs/WEBHOOKS.md is its reference. One of
// the first two and the last may be asked, too, or only asked (`pull:`, pull_source.h): what is pulled goes
// the same way.
//
// What they send is kept in a table of the same shape as events that are sent by SDKs, so the way in is that
// of a source of events; its write keys are here the secrets that senders sign with. Plain values, checked by
// the loader.
#pragma once

#include "base/error.h"
#include "config/event_source.h"
#include "config/pull_source.h"

#include <optional>

namespace tidemark::config {

enum class WebhookSender : uint8_t {
  shopify,
  klaviyo,
  ga4,       // the Measurement Protocol: a secret in the address instead of a signature
  standard,  // https://www.standardwebhooks.com
};

struct WebhookSource {
  WebhookSender from = WebhookSender::standard;
  EventSource events;  // tables: those that pulling needs
  std::optional<PullSettings> pull;
  bool called = true;  // false: it is only asked

  // Where it is called.
  std::string path() const { return from == WebhookSender::ga4 ? "/mp/collect" : "/webhooks/" + events.name; }
};

// Those of a project that was loaded; it says more than once what is wrong with them, so here only that
// something is. Errors: config.
Result<std::vector<WebhookSource>> load_webhook_sources(const std::filesystem::path& directory);

}  // namespace tidemark::config
